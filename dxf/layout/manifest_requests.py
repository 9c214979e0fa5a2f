"""Requests for the manifests of a folder.

``manifests`` finds manifests, and the entries of the index that name them.
https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-manifests
"""

from http import HTTPStatus
from urllib.parse import unquote

from requests import Response

from dxf.exceptions import DXFConflictError, DXFError
from dxf.layout import manifests, new_entries, reachability
from dxf.layout.folder import Removal
from dxf.layout.messages import LayoutRequest, RefusedError, respond
from dxf.layout.names import digest_of, is_usable, name_of, raise_ambiguous, short_name
from dxf.layout.new_entries import change_for
from dxf.layout.referrers import referrers as find_referrers
from dxf.layout.store import Layout
from dxf.limits import Limits
from dxf.local.atomic_files import Temporary
from dxf.manifest import image
from dxf.manifest.image import OCI_INDEX
from dxf.names import FOLDER, check_reference_at, hash_bytes, is_sha256
from dxf.strict_json import dump_json, load_object


def get(request: LayoutRequest) -> Response:
    """Return a manifest."""
    request.check_exists('MANIFEST_UNKNOWN')
    found = manifests.find(request.layout, _reference(request))
    if found is None:
        raise _unknown(request)
    return respond(HTTPStatus.OK, found.content, {
        'Content-Type': found.media_type, 'Docker-Content-Digest': found.digest})


def put(request: LayoutRequest) -> Response:
    """Store a manifest, under an alias or its digest."""
    reference = _reference(request)
    content = b''.join(request.pieces)
    try:
        image.check_size(len(content), Limits().manifest)
        manifest = image.read(content.decode('utf-8'), request.prepared.headers.get('Content-Type'))
        subject = image.subject_in(manifest.text)
    except (DXFError, UnicodeDecodeError) as error:
        raise RefusedError(HTTPStatus.BAD_REQUEST, 'MANIFEST_INVALID', str(error)) from None
    if is_sha256(reference) and reference != manifest.digest:
        raise RefusedError(HTTPStatus.BAD_REQUEST, 'DIGEST_INVALID', 'the manifest has another digest')
    # Checked twice. The first time, without the lock, follows indexes to their blobs, which may take long. The second
    # time is short: under the lock nothing can be removed any more.
    request.layout.exists()
    _check_has_all(manifests.missing(request.layout, manifest))
    request.layout.make()
    with request.layout.locked(), Temporary(request.layout.path()) as temporary:
        _check_has_all(manifests.missing_part(request.layout, manifest))  # nothing can be removed now
        _check_condition(request, reference)
        temporary.write(content)
        # The file first, and then the entry that names it: after a crash no alias leads to what is missing.
        _keep_subject(request.layout, subject)
        change = change_for(request.layout, manifest, reference)
        request.layout.change_index(change.removal, change.added, lambda: request.layout.add_blob(temporary))
        request.layout.made = (request.layout.made - change.unmade) | change.made
    return respond(HTTPStatus.CREATED, b'', {'Docker-Content-Digest': manifest.digest,
                                             **({'OCI-Subject': subject} if subject else {})})


def delete(request: LayoutRequest) -> Response:
    """Delete what was named: one alias, or a manifest with all its aliases.

    The file of the manifest goes if nothing else leads to it.
    """
    request.check_exists('MANIFEST_UNKNOWN')
    reference = _reference(request)
    with request.layout.locked():
        digests, removal = _deleted(request, reference)
        request.layout.change_index(removal)
    # After the entries, and under a lock of its own: a manifest that a process names in between is found reachable.
    reachability.remove_manifests(request.layout, digests)
    return respond(HTTPStatus.ACCEPTED)


def delete_several(request: LayoutRequest) -> Response:
    """Delete aliases and manifests by one change of the index, and say which: no registry has such a request.

    Left out is what needs a closer look, or names another manifest than the one that the request has for it.
    """
    wanted = {reference: str(digest) for reference, digest in load_object(b''.join(request.pieces)).items()}
    with request.layout.locked():
        going = new_entries.single(request.layout.all_entries(), wanted)
        request.layout.change_index(
            Removal(going, lambda entry: name_of(entry) in going or digest_of(entry) in going))
    reachability.remove_manifests(request.layout, {wanted[reference] for reference in going})
    return respond(HTTPStatus.ACCEPTED, dump_json(sorted(going)).encode('ascii'))


def referrers(request: LayoutRequest) -> Response:
    """List the manifests that refer to another.

    https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-referrers
    """
    found = find_referrers(request.layout, request.name) if request.layout.exists() else []
    body = dump_json({'schemaVersion': 2, 'mediaType': OCI_INDEX, 'manifests': found})
    return respond(HTTPStatus.OK, body.encode('utf-8'), {'Content-Type': OCI_INDEX})


def _unknown(request: LayoutRequest) -> RefusedError:
    """Return the error for a manifest that is not there; it tells whether only its file is missing.

    :raises DXFInvalidDocumentError: its file is damaged, or too large
    """
    message = 'the repository does not have the manifest'
    if not is_sha256(request.name) and (entries := manifests.entries_named(request.layout, unquote(request.name))):
        digest = entries[0]['digest']
        if manifests.find(request.layout, _reference(request)) is not None:  # another process has just set it
            return RefusedError(HTTPStatus.NOT_FOUND, 'MANIFEST_UNKNOWN', message)
        if request.layout.blob_size(digest) is not None:
            raise manifests.unreadable_error(request.layout, digest, 'damaged')
        message = f'the file of the manifest is missing: {digest}'
    return RefusedError(HTTPStatus.NOT_FOUND, 'MANIFEST_UNKNOWN', message)


def _reference(request: LayoutRequest) -> str:
    """Return what names a manifest: an alias, which may be a full reference, or a digest."""
    return check_reference_at(FOLDER, unquote(request.name))


def _deleted(request: LayoutRequest, reference: str) -> tuple[set[str], Removal]:
    """Return the digests of the manifests that a reference names, and which entries go.

    :raises DXFAmbiguousAliasError: an alias is the tag of several full references
    :raises DXFConflictError: an alias is the tag of a full reference too, and would name something still
    """
    layout = request.layout
    alias = reference
    if is_sha256(reference):
        digests = {entry['digest'] for entry in layout.entries_of(reference)
                   if is_usable(entry) and reference in (entry['digest'], manifests.known_as(entry))}
        of_index = None if digests or layout.blob_size(reference) is not None else \
            manifests.alias_of_index(layout, reference)
        if of_index is None:
            if not digests and manifests.find(layout, reference) is None:
                raise _unknown(request)
            digest = next(iter(digests), reference)
            return {digest}, Removal([digest], lambda entry: digest_of(entry) == digest)
        alias = of_index
    entries = manifests.entries_named(layout, alias)
    if not entries:
        raise _unknown(request)
    # latest may be two tags of two images, mysql:latest and tools:latest. To delete both would be a loss, so the user
    # must name one of them in full.
    names = {name_of(entry) for entry in entries}
    if len(names) > 1:
        raise_ambiguous(alias, entries)
    _check_tag(layout, alias, names)
    manifests.digest_for(layout, alias)  # several manifests of one name are ambiguous, unless they are platforms
    digests = {entry['digest'] for entry in entries}
    if names == {None}:
        return digests, Removal(digests, lambda entry: entry in entries)
    return digests, Removal({str(name) for name in names}, lambda entry: name_of(entry) in names)


def _check_tag(layout: Layout, alias: str, names: set[str | None]) -> None:
    """Check that a name that is deleted is not the tag of a full reference that stays."""
    for entry in layout.entries_of(alias) if alias in names else ():
        name = name_of(entry)
        if name not in (None, alias) and short_name(str(name)) == alias:
            raise DXFConflictError(f'{alias} is the tag of {name} too, and nothing was deleted: delete {name} first')


def _check_has_all(missing: str | None) -> None:
    """Check that a layout has everything that a manifest names."""
    if missing is not None:
        raise RefusedError(HTTPStatus.BAD_REQUEST, 'MANIFEST_BLOB_UNKNOWN', f'the repository has no blob {missing}')


def _keep_subject(layout: Layout, digest: str | None) -> None:
    """Store the index that was made up for several entries of one name, if a manifest refers to it.

    What is attached keeps its subject, and the subject its manifests, when the entries go.
    """
    found = manifests.find(layout, digest) if digest is not None and layout.blob_size(digest) is None else None
    if found is not None and hash_bytes(found.content) == digest:
        with Temporary(layout.path()) as temporary:
            temporary.write(found.content)
            layout.add_blob(temporary)


def _check_condition(request: LayoutRequest, reference: str) -> None:
    """Check If-Match and If-None-Match: https://www.rfc-editor.org/rfc/rfc9110#section-13.1."""
    headers = request.prepared.headers
    wanted, unwanted = headers.get('If-Match'), headers.get('If-None-Match')
    if wanted is None and unwanted is None:
        return
    # Under the lock, so that no other process sets the alias between this comparison and the new index.
    digest = None if is_sha256(reference) else manifests.digest_for(request.layout, reference)
    if unwanted == '*' and digest is not None or wanted is not None and wanted != f'"{digest}"':
        raise RefusedError(HTTPStatus.PRECONDITION_FAILED, 'DENIED', 'the alias names something else')
