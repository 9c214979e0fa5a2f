"""A DXF that lives through a fork shares nothing with the child: both go on, and neither gets what is the other's.

Each test runs a script of its own, as pytest's process has threads. It is forked where dxf is imported already.
"""

import os
import pickle
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

import dxf
from dxf import DXF, Limits
from dxf.exceptions import DXFError

from ..helpers import fork_server
from ..helpers.endpoints import Endpoint
from ..helpers.waiting import eventually
from ..servers.certificates import Certificates
from ..servers.registry import Registry
from ..servers.scripted_registry import LOST, ScriptedRegistry, guard

REPO = 'fred/data'
WORKERS = 4

PREAMBLE = '''
import hashlib, multiprocessing, os, requests, sys, threading, warnings
warnings.simplefilter('ignore', DeprecationWarning)
from dxf import DXF, Limits
from dxf.exceptions import DXFError
host, repo, ca = sys.argv[1:4]
connect = lambda **more: DXF(host, repo, insecure=ca == '-', tlsverify=ca if os.path.exists(ca) else True, **more)
client = connect()
context = multiprocessing.get_context('fork')

def in_child(work):
    """Run a function in a forked child, and return its exit status; 0 means that it returned."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            sys.stderr.flush()
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
'''


def run(endpoint: Endpoint, repo: str, script: str) -> None:
    """Run a script with a client of a repository; it must say nothing and end with status 0."""
    run_with(endpoint.host, endpoint.ca or ('-' if endpoint.insecure else 'folder'), repo, script)


def run_with(host: str, kind: str, repo: str, script: str) -> None:
    """Run a script with a client; ``kind`` is the path of a certificate, ``-`` for http or ``folder``."""
    program = Path(os.environ['HOME']) / 'program.py'
    program.write_text(PREAMBLE + textwrap.dedent(script))
    with fork_server.start([host, repo, kind], os.environ, program=program) as process:
        said = process.communicate(120)
    assert (process.returncode, *said) == (0, b'', b'')


@pytest.fixture(name='tls_registry', scope='module')
def start_tls_registry(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Endpoint]:
    """A registry over https, open to all."""
    with Registry(tmp_path_factory.mktemp('registry'), tls=certificates) as registry:
        yield Endpoint(registry, certificates.ca)


@pytest.fixture(name='each', params=['open_registry', 'tls_registry', 'folder'])
def choose_each(request: pytest.FixtureRequest) -> Endpoint:
    """A registry over http, one over https, and a folder."""
    found: Endpoint = request.getfixturevalue(request.param)
    return found


ANSWERS = f'''
digests = [client.push_blob(data=b'%d' % number) for number in range({WORKERS})]
for number, digest in enumerate(digests):
    client.set_alias(f'alias{{number}}', digest)

def ask(number):
    found = [client.get_alias(f'alias{{number}}') for _ in range(20)]
    wrong = [answer for answer in found if answer != [digests[number]]]
    if wrong:
        raise SystemExit(f'worker {{number}}: {{len(wrong)}} wrong answers')
children = [context.Process(target=ask, args=(number,)) for number in range({WORKERS})]
for child in children:
    child.start()
for _ in range(20):
    assert client.get_alias('alias0') == [digests[0]]
for child in children:
    child.join()
assert [child.exitcode for child in children] == [0] * {WORKERS}
'''


@pytest.mark.parametrize('before', ['',
                                    'client._sessions[0] = requests.Session()',
                                    'client = DXF.from_base(client, repo)'],
                         ids=['own session', "caller's session", 'from_base'])
def test_each_child_gets_its_own_answers(each: Endpoint, repo: str, before: str) -> None:
    run(each, repo, before + ANSWERS)


def test_each_child_stores_what_it_says(each: Endpoint, repo: str) -> None:
    run(each, repo, f'''
        client.push_blob(data=b'first')

        def push(number):
            for count in range(8):
                content = b'%d of %d' % (count, number) + bytes(1000)
                digest = client.push_blob(data=content)
                assert digest == 'sha256:' + hashlib.sha256(content).hexdigest()
                assert b''.join(connect().pull_blob(digest)) == content
        children = [context.Process(target=push, args=(number,)) for number in range({WORKERS})]
        for child in children:
            child.start()
        for count in range(12):
            client.push_blob(data=b'%d of the parent' % count)
        for child in children:
            child.join()
        assert [child.exitcode for child in children] == [0] * {WORKERS}
        ''')


def test_both_go_on_with_a_blob_that_was_on_its_way(each: Endpoint, repo: str) -> None:
    run(each, repo, '''
        content = os.urandom(24 << 20)
        digest = client.push_blob(data=content)
        chunks = client.pull_blob(digest)
        start = next(chunks)
        rest = lambda: start + b''.join(chunks)

        def work():
            assert rest() == content
        assert in_child(work) == 0
        assert rest() == content
        ''')


def test_a_blob_that_was_asked_for_before_the_fork_comes_whole_in_both(each: Endpoint, repo: str) -> None:
    run(each, repo, '''
        content = os.urandom(24 << 20)
        chunks = client.pull_blob(client.push_blob(data=content))

        def work():
            assert b''.join(chunks) == content
        assert in_child(work) == 0
        assert b''.join(chunks) == content
        ''')


def test_blobs_that_threads_of_the_parent_fetch_are_refused_in_the_child_and_come_whole_in_the_parent(
        each: Endpoint, repo: str) -> None:
    run(each, repo, '''
        contents = [os.urandom(9 << 20) for _ in range(4)]
        blobs = client.pull_blobs([client.push_blob(data=content) for content in contents])
        _, chunks, _ = next(blobs)
        start = next(chunks)

        def work():
            try:
                for _, others, _ in blobs:
                    b''.join(others)
            except DXFError as error:
                assert 'parent process' in str(error)
            else:
                raise AssertionError
            assert b''.join(client.pull_blob(client.push_blob(data=b'anew'))) == b'anew'
        assert in_child(work) == 0
        assert start + b''.join(chunks) == contents[0]
        assert [b''.join(others) for _, others, _ in blobs] == contents[1:]
        ''')


@pytest.mark.parametrize('name', ['open_registry', 'tls_registry'])
def test_a_child_that_ends_leaves_the_connection_of_its_parent_open(name: str, repo: str,
                                                                    request: pytest.FixtureRequest) -> None:
    run(request.getfixturevalue(name), repo, '''
        digest = client.push_blob(data=b'a')
        pool, = client._sessions[0].get_adapter(client._base_url).poolmanager.pools._container.values()
        before = pool.num_connections

        def work():
            with client:
                client.blob_size(digest)
        for _ in range(3):
            assert in_child(work) == 0
            assert client.blob_size(digest) == 1
        assert pool.num_connections == before
        ''')


# Locks, credentials and files


def test_a_child_does_not_wait_for_a_lock_that_a_thread_of_the_parent_holds(open_registry: Endpoint, repo: str) -> None:
    run(open_registry, repo, '''
        client = connect(auth=lambda registry, response: None)
        pools = client._sessions[0].get_adapter(client._base_url).poolmanager.pools
        digest = client.push_blob(data=b'a')
        pool, = pools._container.values()
        held, done = threading.Event(), threading.Event()

        def hold():
            with client._credential.lock, pools.lock, pool.pool.mutex, client._sessions[0].cookies._cookies_lock:
                held.set()
                done.wait()
        thread = threading.Thread(target=hold)
        thread.start()
        held.wait()

        def work():
            import faulthandler
            faulthandler.dump_traceback_later(60, exit=True)
            assert client.blob_size(digest) == 1
            client.push_blob(data=b'b')
        status = in_child(work)
        done.set()
        thread.join()
        assert status == 0
        ''')


def test_a_token_that_the_parent_has_is_used_by_the_child() -> None:
    with ScriptedRegistry() as server:
        server.memory.put(REPO, b'x')
        server.hook = guard('Bearer right', 'Bearer realm="https://localhost:1/token"')
        run_with(server.host, '-', REPO, '''
            client = connect(auth=lambda registry, response: setattr(registry, 'token', 'right'))
            digest = 'sha256:' + hashlib.sha256(b'x').hexdigest()
            assert client.blob_size(digest) == 1

            def work():
                client._auth = lambda *_: sys.exit('asked again')
                assert client.blob_size(digest) == 1
            assert in_child(work) == 0
            assert client.blob_size(digest) == 1
            ''')


@pytest.mark.parametrize('ending', ['client._sessions[0].close()', 'sys.exit()', 'gc.collect()'])
def test_an_upload_of_the_parent_survives_whatever_the_child_does(open_registry: Endpoint, folder: Endpoint, repo: str,
                                                                  ending: str) -> None:
    for endpoint in (open_registry, folder):
        run(endpoint, repo, f'''
            import gc
            content = os.urandom(9 << 20)

            def pieces():
                yield content[:5 << 20]
                child = os.fork()
                if child == 0:
                    {ending}
                    sys.exit()
                assert os.waitpid(child, 0)[1] == 0
                yield content[5 << 20:]
            me = os.getpid()
            try:
                with client:
                    digest = client.push_blob(data=pieces())
            except SystemExit:
                assert me != os.getpid()
                os._exit(0)
            assert b''.join(connect().pull_blob(digest)) == content
            ''')


def test_a_file_that_the_parent_fetches_survives_a_child_that_ends(folder: Endpoint, repo: str, tmp_path: Path) -> None:
    run(folder, repo, f'''
        content = os.urandom(3 << 20)
        digest, target, me, forked = client.push_blob(data=content), {str(tmp_path / 'file')!r}, os.getpid(), []

        def progress(digest, chunk, size):
            if chunk and not forked:
                forked.append(os.fork())
                if forked == [0]:
                    raise OSError('in the child')
                assert os.waitpid(forked[0], 0)[1] == 0
        try:
            client.pull_to_file(target, digest, progress=progress)
        except OSError:
            assert me != os.getpid()
            os._exit(0)
        assert open(target, 'rb').read() == content
        ''')


def test_a_lock_on_a_folder_ends_with_its_parent_and_not_with_the_child(folder: Endpoint, repo: str) -> None:
    run(folder, repo, '''
        digest = client.push_blob(data=b'a')
        layout = client._shared.adapter._layout(repo)
        asked, answer = os.pipe()
        with layout.locked():
            child = os.fork()
            if child == 0:
                os.close(answer)
                os.read(asked, 1)
                os._exit(0)
        pusher = context.Process(target=lambda: connect().set_alias('a', digest))
        pusher.start()
        pusher.join(30)
        assert pusher.exitcode == 0, 'the child keeps the lock'
        os.close(answer)
        os.waitpid(child, 0)
        ''')


# Secrets


def test_an_error_that_is_pickled_holds_no_credential() -> None:
    with ScriptedRegistry() as server:
        client = DXF(server.host, REPO, insecure=True, limits=Limits(retries=0))
        client.token = 's3cret'
        with pytest.raises(DXFError) as refused:
            client.blob_size(dxf.hash_bytes(b''))
        assert server.requests[0].authorization == 'Bearer s3cret'
        server.hook = lambda request: LOST
        with pytest.raises(requests.exceptions.ConnectionError) as broken:
            client.list_aliases()
    for error in (refused.value, broken.value):
        assert b's3cret' not in pickle.dumps(error.__dict__)
    assert isinstance(pickle.loads(pickle.dumps(refused.value)), DXFError)


# Abandoned iterators


@pytest.mark.parametrize('begun', [False, True])
@pytest.mark.parametrize('count', [1, 6])
def test_an_abandoned_iterator_leaves_no_thread_and_no_connection(count: int, begun: bool) -> None:
    contents = [bytes([number]) * (12 << 20) for number in range(count)]
    with ScriptedRegistry() as server:
        digests = [server.memory.put(REPO, content) for content in contents]
        threads = threading.active_count() - server.open
        client = DXF(server.host, REPO, insecure=True)
        chunks: Any = client.pull_blob(digests[0]) if count == 1 else client.pull_blobs(digests)
        if begun:
            first = next(chunks)
            if count > 1:
                next(first[1])
            del first
        del chunks
        assert eventually(lambda: threading.active_count() - server.open == threads)
        client._sessions[0].close()
        assert eventually(lambda: server.open == 0)
