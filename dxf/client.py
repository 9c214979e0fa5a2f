"""The client: a repository in a registry, and the aliases that name its blobs.

Its base classes, in ``blobs``, ``manifest_store`` and ``blob_files``, fetch and store blobs and manifests.
"""

from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal, overload

from requests import Response
from requests.exceptions import HTTPError

from dxf.arguments import check_conditions, check_each, check_manifest, check_manifest_by_name
from dxf.blob_files import BlobFiles
from dxf.catalog import names_page
from dxf.client_arguments import Shown
from dxf.limits import TIMEOUT, Limits
from dxf.manifest import image, platforms
from dxf.manifest.image import ANY_DIGEST, Descriptor, ImageManifest
from dxf.manifest.platforms import Image, Manifest
from dxf.manifest_refusals import lacks_blob
from dxf.names import check_alias, check_alias_at, check_blob, is_sha256
from dxf.options import USUAL, Options
from dxf.parameters import check_method, checked
from dxf.registry import Auth, Timeout
from dxf.transfer.parallel import each_once
from dxf.transport.client_certificates import Cert
from dxf.transport.pagination import PaginatingResponse


Blobs = list[str] | list[tuple[str, int]]
"""The digests of blobs, or ``(digest, size)`` of each."""

Deleted = list[str] | dict[str, str]
"""What a deleted alias named: digests of blobs, or of manifests by platform."""


class DXF(BlobFiles):
    """A repository in a registry.

    ::

        dxf = DXF('registry.example.com', 'fred/datalogger', auth=from_docker_config())
        digest = dxf.push_blob('logger.dat')            # a file; push_blob(data=b'...') for bytes
        dxf.set_alias('may15-readings', digest)         # a name for it, or for several
        [digest] = dxf.get_alias('may15-readings')
        dxf.pull_to_file('logger.dat', digest)          # pull_blob(digest) yields its bytes

    Arguments after ``repo`` are best given by name.

    :param host: ``name[:port]``; the empty string is Docker Hub; ``oci:`` and a path: a folder, and no server
    :param repo: the repository's name; on Docker Hub ``library/`` is put before a name of one part; empty for a folder
        that is an OCI image layout itself
    :param options: what else there is to set; ``limits``, ``cert``, ``schema`` and ``jobs`` win over it
    :param schema: what :meth:`set_alias` writes: :attr:`Options.schema`
    :param jobs: how many blobs are moved, or asked for, at once: :attr:`Options.jobs`

    The other parameters are those of :class:`DXFBase`.

    :raises DXFInvalidNameError: ``host``, ``repo`` or ``auth_host`` is not a valid name
    """

    repo = Shown('_repo')
    """The name of the repository; on Docker Hub with ``library/``, where that was put before it."""

    @checked
    def __init__(self, host: str, repo: str, auth: Auth | None = None, insecure: bool = False,
                 auth_host: str | None = None, tlsverify: bool | str = True, timeout: Timeout = TIMEOUT, *,
                 options: Options = USUAL, limits: Limits | None = None, cert: Cert | None = None,
                 schema: str | None = None, jobs: int | None = None) -> None:
        super().__init__(host, repo, auth, insecure, auth_host, tlsverify, timeout,
                         options=options if schema is None else options.replace(schema=schema), limits=limits,
                         cert=cert, jobs=jobs)

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self._host!r}, {self._repo!r})'

    if not TYPE_CHECKING:
        def __getattr__(self, name: str) -> Any:
            check_method(name, self)
            return object.__getattribute__(self, name)  # it raises its own error, or that of a property

    @property
    def schema(self) -> str:
        """What :meth:`set_alias` writes: ``v2`` (Docker schema 2), ``oci``, or ``v1`` (signed schema 1)."""
        return self.options.schema or ('v2' if self._shared.adapter is None else 'oci')

    def _stored_or_given(self, alias: str | None, manifest: 'str | Manifest | None', verify: bool = True) -> Manifest:
        if isinstance(manifest, tuple):  # what resolve returned
            return manifest
        if manifest is not None:
            check_manifest(manifest, 'manifest')
            check_manifest_by_name(alias, manifest)
            return image.read(manifest, verify=verify)
        if alias is None:
            raise ValueError('an alias or a manifest is needed')
        return self._stored(alias)

    @overload
    def get_manifest(self, alias: str, platform: str) -> str: ...

    @overload
    def get_manifest(self, alias: str, platform: str | None = None) -> str | dict[str, str]: ...

    @checked
    def get_manifest(self, alias: str, platform: str | None = None) -> str | dict[str, str]:
        """Fetch an alias's manifest.

        :param platform: ``os/architecture[/variant]``: of a multi-platform alias, this platform's alone
        :return: the manifest's text; of a multi-platform alias, texts by platform
        :raises DXFPlatformDataNotFound: it has nothing for ``platform``
        """
        return platforms.for_each_platform(self._stored(alias), platform, self._stored, lambda found: found.text,
                                           self.options.limits)

    @overload
    def get_alias(self, alias: str | None = None, manifest: str | None = None, verify: bool = True,
                  sizes: Literal[False] = False, *, platform: str) -> list[str]: ...

    @overload
    def get_alias(self, alias: str | None = None, manifest: str | None = None, verify: bool = True, *,
                  sizes: Literal[True], platform: str) -> list[tuple[str, int]]: ...

    @overload
    def get_alias(self, alias: str | None = None, manifest: str | None = None, verify: bool = True,
                  sizes: Literal[False] = False, platform: str | None = None) -> list[str] | dict[str, list[str]]: ...

    @overload
    def get_alias(self, alias: str | None = None, manifest: str | None = None, verify: bool = True, *,
                  sizes: Literal[True],
                  platform: str | None = None) -> list[tuple[str, int]] | dict[str, list[tuple[str, int]]]: ...

    @overload
    def get_alias(self, alias: str | None, manifest: str | None, verify: bool, sizes: Literal[True],
                  platform: str | None = None) -> list[tuple[str, int]] | dict[str, list[tuple[str, int]]]: ...

    @overload
    def get_alias(self, alias: str | None = None, manifest: str | None = None, verify: bool = True,
                  sizes: bool = False, platform: str | None = None) -> Blobs | dict[str, Blobs]: ...

    @checked
    def get_alias(self, alias: str | None = None, manifest: 'str | Manifest | None' = None, verify: bool = True,
                  sizes: bool = False, platform: str | None = None) -> Any:
        """Return the blobs that an alias names, in its order.

        :param manifest: text of a manifest, or what :meth:`resolve` returned, to read in place of an alias's
        :param verify: check the signatures of a schema 1 ``manifest``
        :param sizes: return ``(digest, size)`` for each blob
        :param platform: ``os/architecture[/variant]``: of a multi-platform alias, this platform's alone
        :return: a list of digests; of a multi-platform alias, lists by platform
        :raises DXFPlatformDataNotFound: it has nothing for ``platform``
        """
        return platforms.for_each_platform(self._stored_or_given(alias, manifest, verify), platform, self._stored,
                                           lambda found: self._blobs(found, sizes), self.options.limits)

    def _blobs(self, manifest: Image, sizes: bool) -> Blobs:
        if isinstance(manifest, ImageManifest):
            return [(layer.digest, layer.size) for layer in manifest.layers] if sizes else \
                [layer.digest for layer in manifest.layers]
        if not sizes:
            return list(manifest.blobs)
        size = each_once(self.blob_size, manifest.blobs, self.options.jobs)
        return [(digest, size[digest]) for digest in manifest.blobs]

    def described_blobs(self, alias: str | None, manifest: 'str | Manifest | None', platform: str | None) -> Any:
        """Return what :meth:`get_alias` returns, with the sizes in the manifests; the registry is not asked.

        ``manifest`` may be what :meth:`resolve` returned, too.
        Schema 1 has no sizes, so its blobs are digests alone.
        """
        return platforms.for_each_platform(self._stored_or_given(alias, manifest), platform, self._stored,
                                           lambda found: self._blobs(found, isinstance(found, ImageManifest)))

    @overload
    def get_digest(self, alias: str | None = None, manifest: str | None = None, *, platform: str) -> str: ...

    @overload
    def get_digest(self, alias: str | None, manifest: str | None, platform: str) -> str: ...

    @overload
    def get_digest(self, alias: str | None = None, manifest: str | None = None,
                   platform: str | None = None) -> str | dict[str, str]: ...

    @checked
    def get_digest(self, alias: str | None = None, manifest: str | None = None,
                   platform: str | None = None) -> str | dict[str, str]:
        """Return the digest of an alias's configuration, which is what Docker calls the image's id.

        :param manifest: text of a manifest, to read in place of an alias's
        :param platform: ``os/architecture[/variant]``: of a multi-platform alias, this platform's alone
        :return: a digest; of a multi-platform alias, digests by platform
        :raises DXFDigestNotAvailableForSchema1: a schema 1 manifest has none
        :raises DXFPlatformDataNotFound: it has nothing for ``platform``
        """
        return platforms.for_each_platform(self._stored_or_given(alias, manifest), platform, self._stored,
                                           platforms.config_digest, self.options.limits)

    @checked
    def exists(self, name: str) -> bool:
        """Return whether the repository has a blob or an alias.

        :param name: the digest of a blob, or an alias; the digest of a manifest is not that of a blob
        :raises DXFUnauthorizedError: the registry refused the credential; any other refusal is an error too
        """
        if is_sha256(name):
            return self.stored_size(check_blob(name)) is not None
        return self.current_digest(check_alias_at(self._host, name)) is not None

    @checked
    def make_manifest(self, *digests: str) -> str:
        """Return the text of a manifest that names blobs, in their order; nothing is stored.

        The registry is asked for the sizes that are not known from a push.

        :raises DXFInvalidDocumentError: there are no blobs, or too many for a manifest that can be read back
        """
        check_each(digests, 'make_manifest')
        for digest in digests:
            check_blob(digest)
        if not self._sizes.keys() >= set(digests):  # too many are refused before their sizes are asked
            self._make([Descriptor(digest, 0) for digest in digests])
        sizes = each_once(self.known_size, digests, self.options.jobs)
        return self._make([Descriptor(digest, sizes[digest]) for digest in digests])

    def _make(self, blobs: list[Descriptor]) -> str:
        return image.make(blobs, 'oci' if self.schema == 'oci' else 'v2', self.options.limits.manifest)

    def check_alias_size(self, alias: str, sizes: Sequence[int]) -> None:
        """Check that :meth:`set_alias` could name blobs of these sizes; no request is made.

        :raises DXFInvalidDocumentError: the manifest would be too large to be read back
        """
        if self.schema == 'v1':
            self._make_schema1(alias, (ANY_DIGEST,) * len(sizes))
        else:
            self._make([Descriptor(ANY_DIGEST, size) for size in sizes])

    @checked
    def make_unsigned_manifest(self, alias: str, *digests: str) -> str:
        """Return the text of an unsigned schema 1 manifest that names blobs, in their order; nothing is stored."""
        from dxf.manifest import schema1
        check_each(digests, 'make_unsigned_manifest', 'alias, ')
        return schema1.make_unsigned(self._repo, check_alias(alias), tuple(map(check_blob, digests)))

    @checked
    def set_alias(self, alias: str, *digests: str, if_absent: bool = False, if_match: str | None = None) -> str:
        """Give a name to blobs.

        A registry that answers 400 to a schema 2 manifest gets a signed schema 1 manifest instead.

        :param alias: up to 128 letters, digits and ``_.-``; an alias of that name is replaced
        :param digests: at least one, of blobs that the registry has
        :param if_absent: only where there is no such alias yet; see :meth:`set_manifest`
        :param if_match: only where the alias names the manifest of this digest
        :return: the manifest that was stored
        :raises DXFConflictError: the condition does not hold
        """
        check_alias(alias)
        check_each(digests, 'set_alias', 'alias, ')
        condition = check_conditions(if_absent, if_match)
        if self.schema == 'v1':
            return self._set_schema1(alias, digests, condition)
        manifest = self.make_manifest(*digests)
        try:
            self.set_manifest(alias, manifest, **condition)
        except HTTPError as error:
            if not (self.schema == 'v2' and _refuses_schema(error)):
                raise
            try:
                return self._set_schema1(alias, digests, condition)
            except HTTPError:
                raise error from None
        return manifest

    def _name_blob(self, alias: str, digest: str) -> None:
        self.set_alias(alias, digest)

    def _set_schema1(self, alias: str, digests: tuple[str, ...], condition: dict[str, Any]) -> str:
        manifest = self._make_schema1(alias, digests)
        self.set_manifest(alias, manifest, **condition)
        return manifest

    def _make_schema1(self, alias: str, digests: tuple[str, ...]) -> str:
        from dxf.manifest import schema1
        manifest = schema1.sign(self.make_unsigned_manifest(alias, *digests))
        image.check_size(len(manifest), self.options.limits.manifest, len(digests))
        return manifest

    @checked
    def del_alias(self, alias: str) -> Deleted:
        """Delete an alias. Its blobs stay.

        Its manifest is deleted too, unless something else needs it: another alias, an index, or a manifest that refers
        to it.

        :param alias: an alias, or the digest of a manifest
        :return: the digests of the blobs that it named; of a multi-platform alias, manifest digests by platform
        :raises DXFHTTPError: the registry refused; 404 where there is no such alias
        :raises DXFConflictError: something needs the manifest that was given by its digest, or somebody else has set
            the alias meanwhile
        :raises DXFProtocolError: the registry has accepted the deletion, and still has the alias
        """
        return self.del_aliases(alias)[alias]

    @checked
    def del_aliases(self, *aliases: str, with_others: bool = False) -> dict[str, Deleted]:
        """Delete several aliases, as :meth:`del_alias` deletes one; the others are looked at only once.

        :param aliases: aliases, or digests of manifests; all of them are read before the first is deleted
        :param with_others: delete the manifests by their digests, whatever else needs them; other aliases of the same
            manifests go too
        :return: by alias, what :meth:`del_alias` returns
        """
        from dxf.deletion import alias_deletion
        check_each(aliases, 'del_aliases')
        return dict(alias_deletion.AliasDeletion(self, aliases, with_others))

    @overload
    def list_aliases(self, batch_size: int | None = None, iterate: Literal[False] = False) -> list[str]: ...

    @overload
    def list_aliases(self, batch_size: int | None = None, *, iterate: Literal[True]) -> PaginatingResponse: ...

    @overload
    def list_aliases(self, batch_size: int | None, iterate: Literal[True]) -> PaginatingResponse: ...

    @overload
    def list_aliases(self, batch_size: int | None = None, iterate: bool = False) -> list[str] | PaginatingResponse: ...

    @checked
    def list_aliases(self, batch_size: int | None = None, iterate: bool = False) -> list[str] | PaginatingResponse:
        """List the repository's aliases.

        :param batch_size: names to ask for at a time; ``None`` for what the registry gives by itself
        :param iterate: return an iterable that fetches page by page, in place of a list
        """
        check = partial(check_alias_at, self._host)
        return self._list('tags/list', 'tags', check, batch_size, iterate, self._tags_page)

    def _tags_page(self, path: str) -> Response:
        return names_page(self._request if path.startswith('tags/') else self._base_request, path)


def _refuses_schema(error: HTTPError) -> bool:
    return error.response is not None and error.response.status_code == HTTPStatus.BAD_REQUEST \
        and not lacks_blob(error)
