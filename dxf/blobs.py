"""Blobs of one repository: stored, fetched, measured and deleted. ``blob_copying`` moves them between repositories.

https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-blobs
"""

import errno
import os
import posixpath
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal, overload

from requests import Response
from requests.exceptions import HTTPError, RequestException

from dxf.arguments import check_blobs, check_to_pull, several
from dxf.data import Data
from dxf.exceptions import DXFError, DXFNotFoundError, DXFProtocolError, DXFSizeMismatchError
from dxf.hints import NO_DELETIONS, add_hint
from dxf.limits import TIMEOUT, Limits
from dxf.names import check_blob, check_digest, repository_at, shown_repository
from dxf.options import USUAL, Options
from dxf.parameters import checked
from dxf.registry import SHARED, Auth, DXFBase, Timeout
from dxf.transfer import blob_lookup
from dxf.transfer.batch import Batch
from dxf.transfer.callbacks import SerializedProgress, TrackedProgress, call_unwrapped
from dxf.transfer.parallel import all_of, each_once
from dxf.transfer.pulling import Blob, Puller, Wanted, check_wanted
from dxf.transfer.target import Push, Target
from dxf.transport.client_certificates import Cert
from dxf.transport.responses import expect, is_not_found

if TYPE_CHECKING:  # typing has it since Python 3.11
    from typing_extensions import Self


class BlobStore(DXFBase):
    """The blobs of a repository in a registry.

    :param repo: the repository's name; on Docker Hub ``library/`` is put before a name of one part; empty for a folder
        that is an OCI image layout itself
    :param jobs: how many blobs are moved, or asked for, at once: :attr:`dxf.Options.jobs`

    The other parameters are those of :class:`DXFBase`.

    :raises DXFInvalidNameError: ``host``, ``repo`` or ``auth_host`` is not a valid name
    """

    def __init__(self, host: str, repo: str, auth: Auth | None = None, insecure: bool = False,
                 auth_host: str | None = None, tlsverify: bool | str = True, timeout: Timeout = TIMEOUT, *,
                 options: Options = USUAL, limits: Limits | None = None, cert: Cert | None = None,
                 jobs: int | None = None) -> None:
        super().__init__(host, auth, insecure, auth_host, tlsverify, timeout,
                         options=options if jobs is None else options.replace(jobs=jobs), limits=limits, cert=cert)
        self._repo = repository_at(self._host, repo)
        self._sizes: dict[str, int] = {}
        self._doubtful: set[str] = set()
        """Digests for which the registry reported another length: its word that it stored such a blob is no proof."""

    @classmethod
    @checked
    def from_base(cls, base: DXFBase, repo: str) -> 'Self':
        """Return a repository of the same registry, with the settings, connections and credentials of ``base``.

        A token that either obtains serves both, where its scope allows.

        :raises DXFInvalidNameError: ``repo`` is not a valid name
        """
        dxf = cls(base._host, repo, base._auth, base._insecure, base._auth_host, base._tlsverify, base._timeout)
        # The constructor of a subclass need not take more than the parameters that programs rely on.
        vars(dxf).update({name: vars(base)[name] for name in SHARED})
        return dxf

    @property
    def _limits(self) -> Limits:
        return self.options.limits

    @property
    def _jobs(self) -> int:
        return self.options.jobs

    def _request(self, method: str, path: str, **kwargs: Any) -> Response:
        """Make a request of the repository: :meth:`_base_request` with a path below its name."""
        return self._base_request(method, posixpath.join(self._repo, path), **kwargs)

    def _scopes(self, actions: Sequence[str] | str | None, challenged: tuple[str, ...]) -> tuple[str, ...]:
        if not actions:
            return challenged
        return (f'repository:{self._repo}:{actions if isinstance(actions, str) else ",".join(actions)}',)

    @checked
    def push_blob(self, filename: str | os.PathLike[str] | None = None, progress: Callable[..., object] | None = None,
                  data: Data | None = None, digest: str | None = None, check_exists: bool = True, *,
                  resume: str | os.PathLike[str] | None = None) -> str:
        """Store a blob.

        :param filename: path of the file to store; wins over ``data``
        :param progress: called as ``progress(digest, chunk, size)`` for a file, first with an empty chunk, as
            ``progress(digest, chunk)`` for ``data``, with every chunk of bytes sent; not at all for a blob that
            the registry has already; its errors come out as they are, and end the upload
        :param data: what to store: bytes, a str (stored as UTF-8), an open binary file (from where it stands, which
            is not its end, unless it is empty), or an iterable of bytes
        :param digest: the blob's, if it is known; without it a source that can be read only once is sent even where the
            registry has it
        :param check_exists: ask whether the registry has the blob, and then send nothing; ``False`` sends it
            in any case, and asks for its length afterwards
        :param resume: a folder in which to remember how far the upload of a file has come; ``None`` to remember
            nothing. A later call, in any process, continues an upload that broke off. Not used for a file without a
            size, such as a pipe
        :return: the digest
        :raises DXFDigestMismatchError: the source has another digest; nothing is stored
        :raises DXFSourceError: the source changed on its way; or a file or generator was read to its end before
        :raises OSError: the file cannot be read
        """
        return self._push(Push(filename, data, progress, None if digest is None else check_digest(digest),
                               check_exists, None if resume is None else os.fspath(resume)))

    @checked
    def push_blobs(self, sources: Iterable[Data | os.PathLike[str]], progress: Callable[..., object] | None = None,
                   check_exists: bool = True) -> list[str]:
        """Store several blobs, up to ``jobs`` of them at once; equal files are sent once.

        :param sources: each the path of a file, or what ``push_blob`` takes as ``data``
        :param progress: as for ``push_blob``. Several threads call it, though never two at once. Its method ``found``,
            if it has one, is called with the size of each blob that the registry has already
        :param check_exists: ask whether the registry has a blob, and then do not send it
        :return: the digests, in the order of the sources
        :raises Exception: what :meth:`push_blob` raises, for the first that failed; the others are given up then
        """
        report = None if progress is None else SerializedProgress(progress)
        given = several(sources, 'push_blobs')
        batch = Batch(given)

        def store(source: Any, check: Callable[[], None]) -> str:
            is_file = isinstance(source, (str, os.PathLike))
            watch = None if report is None else TrackedProgress(report)
            digest = self._push(Push(source if is_file else None, None if is_file else source, watch, None,
                                     check_exists, None, check, batch))
            if report is not None and watch is not None and not watch.is_called:
                report.found(self._sizes.get(digest))
            return digest
        return all_of(store, given, self._jobs)

    def _push(self, given: Push) -> str:
        """Store a blob, and remember its size."""
        from dxf.transfer.pushing import push  # most commands only read
        digest, size = call_unwrapped(partial(push, self._target(not given.check_exists), given))
        self._sizes[digest] = size
        return digest

    def _target(self, is_forced: bool = False) -> Target:
        """Return the repository as uploads see it.

        :param is_forced: blobs are sent without asking for them first
        """
        return Target(self._request, self._base_request, f'{self._base_url}{self._repo}', self._limits,
                      self._shared.refused_sizes, self._doubtful, self._shared.mount_answers, self._sizes, is_forced,
                      self._repo)

    def stored_size(self, digest: str, size: int | None = None) -> int | None:
        """Return the size of a blob that the registry is proven to have, else ``None``: :func:`blob_lookup.find`.

        :param size: the blob's, if it is known
        """
        found = self._target().find(check_blob(digest), size)
        if found is not None:
            self._sizes[digest] = found
        return found

    def kept_size(self, digest: str, size: int) -> int | None:
        """Return the size of a blob that was stored before, if the registry is proven to have it still, else ``None``.

        Where the registry states another length, the blob is read.
        """
        return self._target().find(check_blob(digest), size, acknowledged=True)

    @overload
    def pull_blob(self, digest: str, size: Literal[False] = False,
                  chunk_size: int | None = None) -> Iterator[bytes]: ...

    @overload
    def pull_blob(self, digest: str, size: Literal[True],
                  chunk_size: int | None = None) -> tuple[Iterator[bytes], int]: ...

    @overload
    def pull_blob(self, digest: str, size: bool = False,
                  chunk_size: int | None = None) -> Iterator[bytes] | tuple[Iterator[bytes], int]: ...

    @checked
    def pull_blob(self, digest: str, size: bool = False, chunk_size: int | None = None) -> Any:
        """Fetch a blob.

        The request is made at once. The iterator raises before it yields the last chunk if the content does not have
        the digest. So a caller that got all chunks has a verified blob.

        :param size: return the blob's size in bytes too
        :param chunk_size: bytes of every chunk but the last; 8192 by default; 0 for pieces as they arrive
        :return: an iterator of bytes, or ``(iterator, size)``
        :raises DXFHTTPError: the registry refused; 404 for a blob that it does not have
        :raises DXFDigestMismatchError: from the iterator: the content is another
        """
        check_blob(digest)
        chunks, actual = self._puller.one((digest, None), chunk_size, size)
        return (chunks, actual) if size else chunks

    @property
    def _puller(self) -> Puller:
        return Puller(self._request, self._limits, self._jobs)

    @checked
    def pull_blobs(self, digests: Iterable[Wanted], chunk_size: int | None = None
                   ) -> Iterator[tuple[str, Iterator[bytes], int]]:
        """Fetch several blobs, up to ``jobs`` of them at once, and hand them out one after the other.

        What is fetched ahead is kept in memory, a few MiB in all.

        :param digests: digests, or ``(digest, size)`` as :meth:`get_alias` returns them; then a blob of another size is
            an error
        :param chunk_size: bytes of every chunk but a blob's last; 8192 by default; 0 for pieces as they arrive
        :return: an iterator of ``(digest, chunks, size)``, in the order of ``digests``; ``chunks`` is to be read before
            the next is asked for
        :raises Exception: what :meth:`pull_blob` raises, when the turn of the blob that failed has come
        :raises DXFSizeMismatchError: a blob has another size than was given, before its first chunk
        """
        wanted = several(digests, 'pull_blobs')
        check_blobs(wanted, 'pull_blobs', 'pull_blobs([digest, ...])')
        return self._puller.several(wanted, chunk_size)

    @checked
    def pull_to_file(self, filename: str | os.PathLike[str], *blobs: Wanted,
                     progress: Callable[..., object] | None = None) -> None:
        """Fetch blobs, one after the other, into a file, which gets its name when all of it is verified.

        Until then they are in a hidden file beside it. If a call broke off, the next one continues its hidden file:
        the content is hashed, and only the rest is fetched.

        A pipe, a device or ``/dev/stdout`` is written as chunks arrive. The last chunk of each blob is written when the
        blob is verified.

        :param filename: path of the file; one that is there is replaced in the end, and its permissions stay
        :param blobs: digests, or ``(digest, size)`` as :meth:`get_alias` returns them; then a blob of another size is
            an error
        :param progress: called as ``progress(digest, chunk, size)``, first with an empty chunk for each blob. Its
            errors are raised unchanged, and what had arrived is kept. Its method ``kept``, if it has one, is called as
            ``kept(digest, count, size)`` for bytes that were there already
        :raises DXFDigestMismatchError: the registry sent something else; nothing of it is left
        :raises DXFSizeMismatchError: a blob has another size than was given
        :raises OSError: the disk has too little space, or the file cannot be written
        """
        from dxf.local import atomic_files, special_files
        from dxf.transfer import download_to_file
        check_to_pull(filename, blobs)
        check_blobs(blobs, 'pull_to_file', 'pull_to_file(filename, *[...])')
        wanted = check_wanted(blobs)
        report = download_to_file.Reporter(progress or (lambda *_: None))
        fetch = partial(self.pull_blobs, chunk_size=0)
        name = os.fspath(filename)
        stream = special_files.open_to_write(name)
        if stream is not None:
            with stream:
                download_to_file.write_to_stream(stream, name, fetch(blobs), report)
            return
        atomic_files.check_target(name)
        sized = [(digest, size) for (digest, _), size in zip(wanted, self.sizes_of(wanted), strict=True)]
        try:
            download_to_file.write_to_file(name, sized, lambda done: fetch(blobs[done:]), self._puller.rest, report)
        except OSError as error:
            wrong = self.wrong_size(wanted) if error.errno == errno.ENOSPC and error is not report.error else None
            if wrong is None:
                raise
            raise wrong from error

    def sizes_of(self, wanted: list[Blob]) -> list[int]:
        """Return the size of each blob: the one that a manifest gives, else the one that the registry tells.

        It need not be proven: what arrives is counted.
        """
        def size_of(digest: str) -> int:
            known = self._sizes.get(check_blob(digest))
            return blob_lookup.unproven_size(self._request, digest, self._limits) if known is None else known
        asked = each_once(size_of, [digest for digest, size in wanted if size is None], self._jobs)
        return [asked[digest] if size is None else size for digest, size in wanted]

    def wrong_size(self, wanted: Iterable[Blob]) -> DXFSizeMismatchError | None:
        """Return the error for a blob of which a manifest gives a wrong size, if there is one.

        The registry is asked: where a disk has too little space, a wrong size may be the reason.
        """
        described = {digest: size for digest, size in wanted if size is not None}
        with suppress(RequestException, DXFError):  # the lack of space is the error then
            for digest, actual in each_once(self.blob_size, described, self._jobs).items():
                if actual != described[digest]:
                    return DXFSizeMismatchError(actual, described[digest], digest)
        return None

    @checked
    def blob_size(self, digest: str) -> int:
        """Return the size of a blob in bytes.

        :raises DXFHTTPError: the registry refused; 404 for a blob that it does not have
        :raises DXFDigestMismatchError: the response is not the blob
        :raises DXFProtocolError: the response does not tell the size
        """
        return blob_lookup.measure(self._request, check_blob(digest), self._limits)

    @checked
    def del_blob(self, digest: str) -> None:
        """Delete a blob from the repository. The registry frees its space when it collects garbage.

        Afterwards the registry is asked for the blob: the first response may be a web page.
        https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#content-management

        :raises DXFHTTPError: the registry refused; 404 for a blob that it does not have
        :raises DXFUnexpectedStatusCodeError: the response is not one to a deletion
        :raises DXFProtocolError: the registry still has the blob
        """
        self._sizes.pop(check_blob(digest), None)
        try:
            response: Response | None = self._request('delete', f'blobs/{digest}')
        except HTTPError as error:
            if error.response is not None and error.response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
                add_hint(error, NO_DELETIONS)
            raise
        if response is None:  # a subclass may answer deletions itself, and return nothing
            return
        expect(response, HTTPStatus.ACCEPTED, HTTPStatus.OK, HTTPStatus.NO_CONTENT)
        if blob_lookup.still_has(self._request, digest, self._limits):
            raise DXFProtocolError(f'the registry accepted the deletion, but still has {digest}')

    def known_size(self, digest: str) -> int:
        """Return the size of a blob that a manifest is to name; the registry is asked once."""
        try:
            if digest not in self._sizes:
                self._sizes[digest] = self.blob_size(digest)
            return self._sizes[digest]
        except HTTPError as error:
            if not is_not_found(error):
                raise
            name = shown_repository(self._repo)
            raise DXFNotFoundError(f'404 Not Found: {name} has no blob {digest}; push it first: dxf push-blob {name} '
                                   '<file>', response=error.response) from None
