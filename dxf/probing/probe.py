"""The probe of a registry: all findings, one after another."""

from collections.abc import Generator

from dxf.client import DXF
from dxf.parameters import checked
from dxf.probing.findings import Finding
from dxf.probing.reading import probe_registry, probe_repository
from dxf.probing.writing import WriteProbe
from dxf.registry import DXFBase


@checked
def probe(registry: DXFBase, write: bool = False) -> Generator[Finding, None, None]:
    """Return what a registry is and can do, and with a :class:`dxf.DXF` what it can do in that repository.

    An iterator that is not used up should be closed, by ``contextlib.closing``: what it has written is removed then.

    :param write: find out what only shows when something is written, too; it is removed again
    :raises ValueError: ``write`` without a repository
    :raises DXFUnauthorizedError: the registry refused the credential
    :raises requests.exceptions.RequestException: it could not be reached
    """
    if write and not isinstance(registry, DXF):
        raise ValueError('write needs a repository: dxf.DXF(host, repo)')
    return _findings(registry, write)


def _findings(registry: DXFBase, write: bool) -> Generator[Finding, None, None]:
    yield from probe_registry(registry)
    if isinstance(registry, DXF):
        yield from probe_repository(registry, is_read_only=not write)
        if write:
            yield from WriteProbe(registry).findings()
