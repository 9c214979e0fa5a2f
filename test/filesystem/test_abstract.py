"""fsspec's own tests of a filesystem, all of them, on a registry and on a folder."""

from collections.abc import Callable

import fsspec
import pytest
from fsspec.tests import abstract

from dxf.filesystem import RegistryFileSystem

from ..helpers.endpoints import Endpoint


class Fixtures(abstract.AbstractFixtures):
    """The filesystem that is tested, and where in it: a folder of an alias that is not there yet."""

    @pytest.fixture(params=['open_registry', 'folder'])
    def fs(self, request: pytest.FixtureRequest) -> RegistryFileSystem:
        """The filesystem."""
        endpoint: Endpoint = request.getfixturevalue(request.param)
        found: RegistryFileSystem = fsspec.filesystem('dxf', host=endpoint.host, insecure=endpoint.insecure)
        return found

    @pytest.fixture
    def fs_path(self, repo: str) -> str:
        """The folder."""
        return f'{repo}@tests'

    @pytest.fixture
    def fs_join(self) -> Callable[..., str]:
        """A function that joins paths."""
        return lambda *parts: '/'.join(parts)

    @pytest.fixture
    def supports_empty_directories(self) -> bool:
        """Whether a folder without files can be: a manifest names files."""
        return False


class TestCopy(Fixtures, abstract.AbstractCopyTests):
    """``cp``."""


class TestGet(Fixtures, abstract.AbstractGetTests):
    """``get``."""


class TestPut(Fixtures, abstract.AbstractPutTests):
    """``put``."""


class TestOpen(Fixtures, abstract.AbstractOpenTests):
    """``open``."""


class TestPipe(Fixtures, abstract.AbstractPipeTests):
    """``pipe``."""
