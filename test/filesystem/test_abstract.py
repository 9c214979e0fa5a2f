"""fsspec's own tests of a filesystem, all of them, on a folder; on a registry all but the edge cases of patterns."""

from collections.abc import Callable
from pathlib import Path

import pytest
import fsspec
from fsspec.implementations.local import LocalFileSystem
from fsspec.tests import abstract

from dxf.filesystem import RegistryFileSystem

from ..helpers.endpoints import Endpoint


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Choose the places: which files a pattern means is made out of a list of files that is the same on both."""
    is_edge = metafunc.definition.originalname.endswith('_glob_edge_cases')
    metafunc.parametrize('fs', ['folder'] if is_edge else ['open_registry', 'folder'], indirect=True)


@pytest.fixture(name='fs')
def open_filesystem(request: pytest.FixtureRequest) -> RegistryFileSystem:
    """The filesystem."""
    endpoint: Endpoint = request.getfixturevalue(request.param)
    found: RegistryFileSystem = fsspec.filesystem('dxf', host=endpoint.host, insecure=endpoint.insecure)
    return found


@pytest.fixture(name='fs_path')
def name_alias(repo: str) -> str:
    """An alias that is not there yet."""
    return f'{repo}@tests'


def join(*parts: str) -> str:
    """Join parts of a path."""
    return '/'.join(map(str, parts))


@pytest.fixture
def fs_join() -> Callable[..., str]:
    """A function that joins paths of the filesystem."""
    return join


@pytest.fixture
def fs_sanitize_path() -> Callable[[str], str]:
    """A function that returns a path as the filesystem lists it."""
    return str


@pytest.fixture
def supports_empty_directories() -> bool:
    """Whether a folder without files can be: a manifest names files."""
    return False


@pytest.fixture(scope='session')
def local_fs() -> LocalFileSystem:
    """The files of this machine."""
    return LocalFileSystem(auto_mkdir=True)


@pytest.fixture
def local_join() -> Callable[..., str]:
    """A function that joins paths of this machine."""
    return join


@pytest.fixture
def local_path(tmp_path: Path) -> str:
    """A folder of this machine."""
    return str(tmp_path)


class TestCopy(abstract.BaseAbstractFixtures, abstract.AbstractCopyTests):
    """``cp``."""


class TestGet(abstract.BaseAbstractFixtures, abstract.AbstractGetTests):
    """``get``."""


class TestPut(abstract.BaseAbstractFixtures, abstract.AbstractPutTests):
    """``put``."""


class TestOpen(abstract.BaseAbstractFixtures, abstract.AbstractOpenTests):
    """``open``."""


class TestPipe(abstract.BaseAbstractFixtures, abstract.AbstractPipeTests):
    """``pipe``."""
