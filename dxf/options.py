"""Options: what a client takes besides its registry, repository, credential and timeout.

``Limits`` has bounds and waits, ``transport.proxies`` and ``transport.client_certificates`` the types of two options.
"""

from typing import TYPE_CHECKING, Any, NamedTuple

from dxf.limits import Limits
from dxf.parameters import checked
from dxf.transport.client_certificates import Cert, check_certificate
from dxf.transport.proxies import Proxies

if TYPE_CHECKING:  # typing has it since Python 3.11
    from typing_extensions import Self

JOBS = 6
SCHEMAS = ('v2', 'oci', 'v1')


class _Fields(NamedTuple):
    limits: Limits
    cert: Cert | None
    proxies: Proxies | None
    jobs: int
    schema: str | None


class Options(_Fields):
    """What a client takes besides its registry, repository and credential; it cannot be changed.

    :param limits: attempts, waits and sizes
    :param cert: a client certificate, shown only to the registry's own origin. Path of a file in PEM with certificate
        and key, or the paths of both as a pair. The files are read again for each connection
    :param proxies: the proxies to use; ``None`` for those that the environment names at each request
    :param jobs: how many blobs are moved, or asked for, at once, connections used, and threads that compress a folder;
        1 for one after the other
    :param schema: what ``set_alias`` writes: ``v2`` (Docker schema 2), ``oci``, or ``v1`` (signed schema 1); ``None``
        for ``oci`` in a folder and ``v2`` elsewhere
    :raises DXFCertificateError: the files of ``cert`` cannot be used
    :raises ValueError: another value is not valid
    :raises TypeError: ``jobs`` is no whole number, or ``limits`` no :class:`Limits`
    """

    __slots__ = ()

    @checked
    def __new__(cls, *, limits: Limits = Limits(), cert: Cert | None = None, proxies: Proxies | None = None,
                jobs: int = JOBS, schema: str | None = None) -> 'Self':
        if cert is not None:
            check_certificate(cert)
        if schema is not None and schema not in SCHEMAS:
            raise ValueError(f'schema is one of {", ".join(SCHEMAS)}')
        return super().__new__(cls, limits, cert, proxies, jobs, schema)

    def __getnewargs_ex__(self) -> tuple[tuple[()], dict[str, Any]]:
        """Return what a pickle makes the same options from."""
        return (), self._asdict()

    def replace(self, **changes: Any) -> 'Self':
        """Return these options with others in place of some."""
        return type(self)(**{**self._asdict(), **changes})

    def __repr__(self) -> str:
        """Return a text of what is not the default, without the proxies: their addresses may hold passwords."""
        values = {name: value for name, value in self._asdict().items()
                  if name != 'proxies' and value != getattr(USUAL, name)}
        return f'Options({", ".join(f"{name}={value!r}" for name, value in values.items())})'


USUAL = Options()
"""The options of a client that is given none."""
