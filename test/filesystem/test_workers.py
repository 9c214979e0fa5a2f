"""Workers of dask: each has connections of its own, and the credentials of its own environment."""

import json
import os
import subprocess
import sys

import pytest

from ..helpers.endpoints import Endpoint

PROGRAM = """
import json, os, sys
import dask, fsspec, psutil
from dask.distributed import Client

path, method, options, environ = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), json.loads(sys.argv[4])

def connections():
    port = int(options['host'].partition(':')[2])
    return {one.laddr.port for one in psutil.Process().net_connections('tcp') if one.raddr and one.raddr.port == port}

def read(fs):
    return os.getpid(), connections(), fs.cat(path).decode(), connections(), 'password' in fs.storage_options

def read_without_credentials(fs):
    del os.environ['DXF_USERNAME'], os.environ['DXF_PASSWORD']
    type(fs).clear_instance_cache()
    try:
        return fsspec.filesystem('dxf', **fs.storage_options).cat(path).decode()
    except PermissionError as error:
        return str(error)

fs = fsspec.filesystem('dxf', **options)
fs.pipe(path, b'content')
dask.config.set({'distributed.worker.multiprocessing-method': method})
with Client(n_workers=2, threads_per_worker=1, dashboard_address=None, env=environ) as client:
    found = list(client.run(read, fs).values())
    refused = list(client.run(read_without_credentials, fs).values())
print(json.dumps({'own': sorted(connections()), 'refused': refused, 'workers': [
    {'process': process, 'before': sorted(before), 'content': content, 'after': sorted(after), 'secret': secret}
    for process, before, content, after, secret in found]}))
"""


@pytest.mark.parametrize('method', ['spawn', 'fork'])
def test_each_worker_has_its_own_connections_and_the_credentials_of_its_environment(
        basic_registry: Endpoint, repo: str, method: str) -> None:
    given = basic_registry.environ()
    options = {'host': basic_registry.host, 'tlsverify': str(basic_registry.ca), 'username': basic_registry.username,
               'password': basic_registry.password}
    workers = {name: value for name, value in given.items() if name in ('DXF_HOST', 'DXF_USERNAME', 'DXF_PASSWORD')}
    command = [sys.executable, '-c', PROGRAM, f'{repo}@run1/x', method, json.dumps(options), json.dumps(workers)]
    environ = {name: value for name, value in os.environ.items() if not name.startswith('DXF_')}
    # A worker that loses its scheduler at the end writes that to standard error, on a busy machine.
    done = subprocess.run(command, env={**environ, 'DASK_LOGGING__DISTRIBUTED': 'critical'}, capture_output=True,
                          text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    first, second = found['workers']
    assert first['process'] != second['process']
    for worker in (first, second):
        assert worker['content'] == 'content' and not worker['secret']
        assert set(worker['after']) - set(worker['before']) - set(found['own'])
    assert not set(first['after']) & set(second['after']) - set(found['own'])
    assert all('unauthorized' in text or '401' in text for text in found['refused']), found['refused']
