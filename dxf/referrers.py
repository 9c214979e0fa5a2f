"""Referrers: manifests that refer to another one, by their ``subject``, and how a registry is asked for them.

Registries older than OCI 1.1 do not list referrers. Clients list them there, in an index under a tag.
https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-referrers
"""

import random
import time
from collections.abc import Callable, Collection, Sequence
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import urlsplit

from requests import Response
from requests.exceptions import HTTPError

from dxf.exceptions import (DXFConflictError, DXFDigestMismatchError, DXFError, DXFHTTPError, DXFInvalidDocumentError,
                            DXFProtocolError, DXFUnauthorizedError)
from dxf.limits import Limits
from dxf.manifest import image
from dxf.manifest.image import ACCEPT, OCI_INDEX, Index
from dxf.names import check_digest, hash_bytes
from dxf.strict_json import Json, dump_json, load_object, member
from dxf.transport.attempts import RETRIED
from dxf.transport.pagination import pages
from dxf.transport.response_body import close, read_body
from dxf.transport.responses import effective_status, error_codes, expect, is_not_found

Entry = dict[str, Json]

NO_API = (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_ACCEPTABLE,
          HTTPStatus.NOT_IMPLEMENTED)
"""How registries without the referrers API answer; the specification wants 404.

https://github.com/google/go-containerregistry/issues/1962 https://github.com/sigstore/sigstore-js/pull/1187
"""

MAX_READS = 20
"""How often the index is read, at most, until an entry of ours stays in it."""

WAIT_FACTOR = 4
"""How long to wait before the index is read back, in times of what reading and writing it took."""


class _NoListError(Exception):
    """The registry does not list referrers. Clients do, under the referrers tag."""


class Tagged(NamedTuple):
    """What a referrers tag names: the entries of its index, and the digest of the document itself, if there is one.

    ``is_subject``: the document is the subject, so that the tag lists nothing.
    """

    entries: list[Entry]
    digest: str | None
    is_subject: bool = False


def tag_of(digest: str) -> str:
    """Return the tag of the index that lists the referrers of a manifest, where the registry does not."""
    return check_digest(digest).replace(':', '-')


def subject_of_tag(tag: str) -> str | None:
    """Return the digest whose referrers an index under a tag lists; ``None`` where it is no such tag."""
    try:
        return check_digest(tag.replace('-', ':', 1))
    except DXFError:
        return None


def listed(request: Callable[..., Response], base_request: Callable[..., Response], digest: str, limits: Limits
           ) -> list[Entry]:
    """Return the descriptors of the manifests that refer to another.

    Where the registry has no referrers API, they are those under the referrers tag. A registry without it may answer
    with any page or redirect. A JSON object that is no index is an error: it may be what is left of a list.

    :param request: makes a request of the repository, ``base_request`` one of a whole URL
    :param digest: the other's
    :raises DXFHTTPError: the registry refused
    :raises DXFInvalidDocumentError: the response is no index
    :raises DXFProtocolError: there are more than the limits allow, or the pages do not end
    """
    first = f'referrers/{check_digest(digest)}'

    def fetch(page: str) -> Response:
        if page == first:
            return _first_page(request, page)
        response = base_request('get', page, headers={'Accept': OCI_INDEX})
        expect(response, HTTPStatus.OK)
        return response
    found: list[Entry] = []
    size = 0
    try:
        for body in pages(fetch, first, limits):
            if size == 0 and not body.lstrip().startswith(b'{'):
                raise _NoListError
            found += descriptors(body)
            size += len(body)
            if len(found) > limits.documents or size > limits.referrers:
                raise DXFProtocolError(f'the registry lists more than {limits.documents} referrers of {digest}, '
                                       f'or more than {limits.referrers} bytes of them')
    except _NoListError:
        return by_tag(request, digest, limits).entries
    return found


def _first_page(request: Callable[..., Response], path: str) -> Response:
    """Ask the referrers API, and return its response.

    :raises _NoListError: the registry has no such API: it refuses the request, or sends it elsewhere
    """
    try:
        response = request('get', path, headers={'Accept': OCI_INDEX})
    except (HTTPError, DXFUnauthorizedError) as error:
        if error.response is not None and _is_no_api(error.response, path):
            raise _NoListError from None
        raise
    except DXFProtocolError:  # a redirect that dxf does not follow; any other problem would meet the tag, too
        raise _NoListError from None
    if response.status_code == HTTPStatus.NO_CONTENT or 300 <= response.status_code < 400:
        close(response)
        raise _NoListError
    expect(response, HTTPStatus.OK)
    return response


def _is_no_api(response: Response, path: str) -> bool:
    """Return whether a refusal means that there is no referrers API, and not that something is wrong with it."""
    status = effective_status(response, response.content)
    was_sent_elsewhere = not urlsplit(response.url).path.endswith(f'/{path}')  # to a login page, say
    return status in NO_API or was_sent_elsewhere and 400 <= status < 500 and status not in RETRIED


def by_tag(request: Callable[..., Response], subject: str, limits: Limits) -> Tagged:
    """Return what the referrers tag of a manifest names; without entries where there is no such tag.

    :raises DXFInvalidDocumentError: it names something else than an index in OCI's form
    """
    tag = tag_of(subject)
    try:
        # Every type, or distribution answers 404 for a manifest of another one, and the tag would seem to be free.
        response = request('get', f'manifests/{tag}', headers={'Accept': ACCEPT})
    except HTTPError as error:
        if not is_not_found(error):
            raise
        return Tagged([], None)
    expect(response, HTTPStatus.OK)
    body = read_body(response, limits.manifest, limits)
    digest = hash_bytes(body)
    load_object(body)  # bytes that are not UTF-8 are refused
    stored = image.read(body.decode('utf-8'), response.headers.get('Content-Type'), verify=False)
    if subject in (digest, stored.digest):  # that of schema 1 is the hash of what was signed
        # GitLab's registry resolves the tag of a digest to the manifest of that digest.
        return Tagged([], digest, True)
    if not isinstance(stored, Index) or stored.media_type != OCI_INDEX:
        raise DXFInvalidDocumentError(f'the tag {tag} is no index of referrers: it names an image, or a Docker list')
    return Tagged(descriptors(body, exact=True), digest)


def descriptors(body: bytes, exact: bool = False) -> list[Entry]:
    """Return the descriptors in an index, each with a digest.

    :param exact: for an index that is written again; see :func:`dxf.strict_json.load_json`

    :raises DXFInvalidDocumentError: it is no index, or has an entry that is no descriptor
    """
    document = load_object(body, exact=exact)
    if 'manifests' in document and document['manifests'] is None:  # an empty list, as Go may write it
        return []
    entries = member(document, 'manifests', list)
    for entry in entries:
        if not isinstance(entry, dict):
            raise DXFInvalidDocumentError('invalid index: manifests has something that is no descriptor')
        check_digest(member(entry, 'digest', str))
    return list(entries)


class ReferrersTag:
    """The tag under which clients list the referrers of a manifest, where the registry does not.

    :param read: returns what the tag names now
    :param write: stores the text of an index under the tag, with the headers of a condition;
        raises :class:`DXFConflictError` where the condition does not hold
    :param missing: returns those of some digests of which the registry has no manifest

    https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-manifests-with-subject
    """

    def __init__(self, subject: str, read: Callable[[], Tagged], write: Callable[[str, dict[str, str]], object],
                 missing: Callable[[Sequence[str]], set[str]], limits: Limits) -> None:
        self._subject = subject
        self._read = read
        self._write = write
        self._missing = missing
        self._limits = limits

    def change(self, entries: Sequence[Entry], gone: Collection[str] = ()) -> None:
        """Add entries, remove those of manifests that are gone, and keep all others.

        Most registries ignore conditions, so that two writers who have read the same index replace each other's.
        Each therefore reads it back, after a wait that is longer than reading and writing takes, and writes again
        if an entry is missing. It ends when the index has stayed the same during a wait. While the index changes,
        another writer may have read an older one, and write it next.

        distribution refuses an index that lists what it does not have. Entries of manifests that are missing are
        removed then.

        :param gone: digests of manifests that were deleted
        :raises DXFProtocolError: the entries do not stay there
        """
        removed = set(gone)
        refused: Tagged | None = None
        latest: str | None = None
        for number in range(MAX_READS):
            begun = time.monotonic()
            tagged = self._read()
            present = {entry['digest'] for entry in tagged.entries}
            missing = [entry for entry in entries if entry['digest'] not in present]
            kept = [entry for entry in tagged.entries if entry['digest'] not in removed]
            is_right = not missing and len(kept) == len(tagged.entries)
            if is_right and (number in (0, MAX_READS - 1) or tagged.digest == latest):
                return
            if number == MAX_READS - 1 or number and tagged.is_subject:
                break
            latest = tagged.digest
            if not is_right:
                text = index_of([*kept, *missing], self._limits.manifest)
                try:
                    # A server that refuses the same index twice means something else by conditions.
                    self._write(text, {} if refused == tagged else _condition(tagged))
                    latest = hash_bytes(text.encode('utf-8'))
                except DXFConflictError:  # another writer was faster
                    refused = tagged
                except (DXFDigestMismatchError, DXFProtocolError):  # it was read back, and is another or gone by now
                    pass
                except HTTPError as error:
                    removed |= self._absent(error, kept, missing)
                    continue
            self._wait(number, time.monotonic() - begun)
        raise DXFProtocolError(f'the manifest is stored, but the tag {tag_of(self._subject)} does not list it: ' + (
            'the registry takes the tag for the digest' if tagged.is_subject else
            'others write it at the same time; try again'))

    def _absent(self, error: HTTPError, entries: Sequence[Entry], own: Sequence[Entry]) -> set[str]:
        """Return the digests in entries of which the registry has no manifest, if it refused the index for that.

        :param own: entries of manifests that were just stored; without one of these the registry tells nothing
        :raises DXFHTTPError: it refused for another reason, such as that tags are immutable
        """
        absent: set[str] = set()
        if error.response is not None and 'MANIFEST_BLOB_UNKNOWN' in error_codes(error.response):
            absent = self._missing([str(entry['digest']) for entry in (*entries, *own)])
        if not absent or any(entry['digest'] in absent for entry in own):
            raise DXFHTTPError(f'the manifest is stored, but the tag {tag_of(self._subject)} does not list it: {error}',
                               response=error.response) from None
        return absent

    def _wait(self, number: int, window: float) -> None:
        """Sleep until other writers have written the index; longer each time, and by a random factor.

        :param number: of waits before this one
        :param window: seconds from our reading to the end of our writing
        """
        shortest = max(self._limits.settle, WAIT_FACTOR * window)
        time.sleep(min(shortest * random.uniform(1, 1.5 + number), max(shortest, self._limits.longest_backoff)))


def _condition(tagged: Tagged) -> dict[str, str]:
    """Return the headers by which some registries refuse to replace an index that we have not read."""
    return {'If-None-Match': '*'} if tagged.digest is None else {'If-Match': f'"{tagged.digest}"'}


def index_of(entries: list[Entry], limit: int) -> str:
    """Return the text of an index of referrers.

    :param limit: the most bytes that are read of it
    :raises DXFInvalidDocumentError: it would be too large to be read back
    """
    try:
        return dump_json({'schemaVersion': 2, 'mediaType': OCI_INDEX, 'manifests': entries}, limit)
    except DXFInvalidDocumentError as error:
        raise DXFInvalidDocumentError(f'{entries[-1]["digest"]} is stored, but the list of what refers to its subject '
                                      f'cannot take it: {error}') from None
