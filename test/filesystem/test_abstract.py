"""fsspec's own tests of a filesystem, all of them, on a folder; on a registry all but the edge cases of patterns."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest
import fsspec
from fsspec import AbstractFileSystem
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


class Scenarios(abstract.BaseAbstractFixtures):
    """The files that most tests begin with: as one manifest, where each of them would be one."""

    def _glob_edge_cases_files(self, some_fs: AbstractFileSystem, some_join: Callable[..., str], some_path: str) -> str:
        with together(some_fs):
            return str(super()._glob_edge_cases_files(some_fs, some_join, some_path))

    def _bulk_operations_scenario_0(self, some_fs: AbstractFileSystem, some_join: Callable[..., str], some_path: str
                                    ) -> str:
        with together(some_fs):
            return str(super()._bulk_operations_scenario_0(some_fs, some_join, some_path))

    def _10_files_with_hashed_names(self, some_fs: AbstractFileSystem, some_join: Callable[..., str], some_path: str
                                    ) -> str:
        with together(some_fs):
            return str(super()._10_files_with_hashed_names(some_fs, some_join, some_path))


def together(some_fs: AbstractFileSystem) -> AbstractContextManager[object]:
    """Return what makes one manifest of all files that are written in it."""
    return some_fs.transaction if isinstance(some_fs, RegistryFileSystem) else nullcontext()


class TestCopy(Scenarios, abstract.AbstractCopyTests):
    """``cp``."""


class TestGet(Scenarios, abstract.AbstractGetTests):
    """``get``."""


class TestPut(Scenarios, abstract.AbstractPutTests):
    """``put``."""


class TestOpen(Scenarios, abstract.AbstractOpenTests):
    """``open``."""


class TestPipe(Scenarios, abstract.AbstractPipeTests):
    """``pipe``."""
