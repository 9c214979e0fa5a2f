"""Private names of other packages that dxf overrides: they are there, and all of them are listed in one place."""

import importlib
import inspect
import logging
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from requests import Session

from dxf import DXF
from dxf.transport import adapter, session
from dxf.transport.log_redaction import LOGGERS
from dxf.transport.private_names import MADE, PRIVATE_NAMES, READ_IN, RELIED_ON, PrivateName

from ..helpers.endpoints import Endpoint


def found(path: str) -> Any:
    """Return the class of a full name."""
    module, _, name = path.rpartition('.')
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize('private', PRIVATE_NAMES, ids=lambda private: private.name)
def test_a_private_name_that_is_overridden_is_still_there(private: PrivateName) -> None:
    parameters = tuple(inspect.signature(getattr(found(private.owner), private.name)).parameters)
    assert parameters[:len(private.parameters)] == private.parameters
    assert private.name in vars(found(f'dxf.{private.overridden_in}'))
    assert issubclass(found(f'dxf.{private.overridden_in}'), found(private.owner))


@pytest.mark.parametrize('owner, name', RELIED_ON)
def test_a_name_that_is_rarely_touched_is_still_there(owner: str, name: str) -> None:
    assert hasattr(found(owner), name)


def overrides(module: ModuleType) -> Iterator[tuple[str, str]]:
    """Yield the class of dxf and the name of each private method of another package that it overrides."""
    for kind in vars(module).values():
        if inspect.isclass(kind) and kind.__module__ == module.__name__:
            for name, value in vars(kind).items():
                if re.match('_[a-z]', name) and inspect.isfunction(value) and any(
                        name in vars(base) for base in kind.__mro__[1:] if not base.__module__.startswith('dxf')):
                    yield f'{module.__name__.removeprefix("dxf.")}.{kind.__name__}', name


def test_every_private_name_that_is_overridden_is_listed() -> None:
    listed = {(private.overridden_in, private.name) for private in PRIVATE_NAMES}
    assert {one for module in (adapter, session) for one in overrides(module)} == listed


def test_what_a_request_makes_has_the_attributes_that_are_relied_on(open_registry: Endpoint, repo: str) -> None:
    with open_registry.dxf(repo) as client:
        response = client._request('post', 'blobs/uploads/', data=b'')
        transport: Any = client._sessions[0].get_adapter(response.url)
        raw = client._sessions[0].get(response.url, stream=True).raw
        pools = transport.poolmanager.pools
        pool = pools.get(*pools.keys())
        made = {'poolmanager': transport.poolmanager, 'pools': pools, 'pool': pool, 'queue': pool.pool,
                'raw': raw}
        raw.close()
        assert not [(owner, name) for owner, name in MADE if owner in made and not hasattr(made[owner], name)]
    ours, theirs = socket.socketpair()
    with ours, theirs:
        made['response'] = found('http.client.HTTPResponse')(ours)
        assert not [name for owner, name in MADE if owner == 'response' and not hasattr(made[owner], name)]
    assert {owner for owner, _ in MADE} == {*made}


def test_the_place_that_lists_them_names_the_releases_that_were_read() -> None:
    owners = {owner for private in PRIVATE_NAMES for owner in READ_IN if private.owner.startswith(f'{owner}.')}
    assert owners | {'requests'} == set(READ_IN)


# What urllib3 logs

def filters() -> dict[str, int]:
    """Return how many filters each logger of urllib3 has."""
    return {name: len(logging.getLogger(name).filters) for name in LOGGERS}


def test_the_filter_of_a_log_comes_with_the_first_client() -> None:
    program = '''
import logging, dxf, dxf.main
from dxf.transport.log_redaction import LOGGERS
assert not [name for name in LOGGERS if logging.getLogger(name).filters]
dxf.DXFBase('localhost')
dxf.DXFBase('localhost')
assert [len(logging.getLogger(name).filters) for name in LOGGERS] == [1] * len(LOGGERS)
'''
    subprocess.run([sys.executable, '-c', program], timeout=60, check=True)


def test_a_session_of_the_caller_has_the_filter_too() -> None:
    client = DXF('localhost', 'fred/datalogger')
    client._sessions[0] = Session()
    assert set(filters().values()) == {1}
