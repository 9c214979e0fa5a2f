"""Manifests of a layout: how they are found, what they need, and the entries of its index that name them.

``names`` decides which entries an alias names, ``new_entries`` which ones are added.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

from dxf.exceptions import DXFError, DXFInvalidDocumentError
from dxf.layout.names import (NAME, SOLE, Entry, digest_of, is_usable, known_digest, listed, may_be_latest, name_of,
                              raise_ambiguous, select)
from dxf.layout.store import Layout
from dxf.limits import Limits
from dxf.local.atomic_files import open_regular
from dxf.manifest import image
from dxf.manifest.image import OCI_INDEX, OCTET_STREAM, ImageManifest, Index
from dxf.manifest.platforms import Manifest
from dxf.names import hash_bytes, is_sha256
from dxf.strict_json import dump_json


class Found(NamedTuple):
    """A manifest: its text, and the digest and media type by which clients know it."""

    content: bytes
    digest: str
    media_type: str


def known_as(entry: Entry) -> str:
    """Return the digest by which clients know a manifest."""
    return known_digest(entry) or entry['digest']


def digest_for(layout: Layout, alias: str) -> str | None:
    """Return the digest by which clients know what an alias names; ``None`` where there is no such alias.

    :raises DXFAmbiguousAliasError: the alias could mean several manifests
    """
    entries = _distinct(entries_named(layout, alias))
    if len(entries) > 1:
        return hash_bytes(_index_of(layout, alias, entries))
    return known_as(entries[0]) if entries else None


def find(layout: Layout, reference: str) -> Found | None:
    """Return a manifest; by its digest also one that only another manifest names.

    :param reference: alias or digest
    :return: ``None`` where it is missing, or its file is damaged
    :raises DXFAmbiguousAliasError: the alias could mean several manifests
    """
    if is_sha256(reference):
        return _by_digest(layout, reference)
    entries = _distinct(entries_named(layout, reference))
    if len(entries) > 1:
        content = _index_of(layout, reference, entries)
        return Found(content, hash_bytes(content), OCI_INDEX)
    return _found(layout, entries[0]) if entries else None


def _by_digest(layout: Layout, digest: str) -> Found | None:
    entry = next((entry for entry in layout.entries_of(digest)
                  if is_usable(entry) and digest in (entry['digest'], known_as(entry))),
                 {'digest': digest})
    # A manifest of an index has no entry of its own: its file is enough. If it has none, the digest may be that of an
    # index that was made up from several entries.
    found = _found(layout, entry)
    if found is None and layout.blob_size(digest) is None:
        alias = alias_of_index(layout, digest)
        return None if alias is None else find(layout, alias)
    return found


def _found(layout: Layout, entry: Entry) -> Found | None:
    content = read_manifest(layout, entry['digest'])
    # Without an entry's word for it a blob is a manifest only if it reads as one. Else every layer could be fetched as
    # a manifest.
    if content is None or 'mediaType' not in entry and not _is_manifest(content):
        return None
    return Found(content, known_as(entry),
                 entry.get('mediaType') or image.media_type_of(content.decode('utf-8')))


def _distinct(entries: list[Entry]) -> list[Entry]:
    """Return entries without those of an equal digest."""
    # Several entries may name one manifest, such as one with and one without a platform. The first counts.
    return list({entry['digest']: entry for entry in reversed(entries)}.values())[::-1]


def entries_named(layout: Layout, alias: str) -> list[Entry]:
    """Return the entries that an alias names.

    A manifest without a name stays the latest when others are attached to it.
    """
    # skopeo copy without a tag writes an entry without a name. skopeo itself reads it by the bare path, if it is the
    # only one.
    entries = layout.select(alias)
    if entries or alias != SOLE:
        return entries
    found = sole(layout)
    # Another process that sets an alias meanwhile writes this name to the entry: then it is selected.
    return layout.select(alias) if found is None else [found]


def sole(layout: Layout) -> Entry | None:
    """Return the only entry that may be ``latest`` and refers to no other manifest, if no entry has a name."""
    if any(name_of(entry) is not None for entry in layout.entries()):  # quick: no manifest is read
        return None
    found = None
    for entry in layout.entries():
        # The index may have been replaced after the first reading: an entry with a name is not ``latest`` here either.
        if may_be_latest(entry) and _subject_of(layout, entry['digest']) is None:
            if found is not None:
                return None
            found = entry
    return found


def listing(layout: Layout) -> tuple[list[str], list[str]]:
    """Return the aliases of a layout, and the names of entries that other tools wrote and dxf cannot read, sorted.

    What is attached to another manifest has no alias, also where it is all there is.
    """
    # One reading for both: an alias that another process sets meanwhile must not be missing from the two.
    unreadable: set[str] = set()

    def usable() -> Iterator[Entry]:
        for entry in layout.all_entries():
            if is_usable(entry):
                yield entry
            elif (name := name_of(entry)) is not None:
                unreadable.add(name)
    names = listed(usable())
    if not names and SOLE not in unreadable and entries_named(layout, SOLE):
        names = [SOLE]
    return names, sorted(unreadable)


def about_unreadable(names: list[str]) -> str:
    """Return what to say about the names of unreadable entries that :func:`listing` returned."""
    shown = ', '.join(f'{name!r}' for name in names)
    return f'left out: {shown}: of a digest that is no sha256, or of another kind'


def without_alias(layout: Layout, known: set[str], with_referrers: bool) -> list[str]:
    """Return a sentence for each entry that cannot be reached by an alias.

    :param known: digests of manifests that something else leads to
    :param with_referrers: return one for referrers too; they have no alias, as their subject should lead to them
    """
    # copy --all reports these: exit status 0 would say that all was copied.
    found = []
    for entry in layout.all_entries():
        if not isinstance(entry, dict):
            continue
        if not is_usable(entry):
            found.append(f'an entry of another kind, {(name_of(entry) or digest_of(entry) or "without a digest")!r}')
        elif name_of(entry) is None and entry['digest'] not in known:
            subject = _subject_of(layout, entry['digest'])
            if subject is None:
                found.append(f'{entry["digest"]} has no name: copy it by its digest, with --to-alias=ALIAS')
            elif with_referrers:
                found.append(f'{entry["digest"]} is attached to what no alias leads to: copy {subject}, with '
                             '--referrers and --to-alias=ALIAS')
    return found


def _subject_of(layout: Layout, digest: str) -> str | None:
    """Return the digest of what a manifest refers to; ``None`` if there is nothing, or the manifest is unreadable."""
    with suppress(DXFError, UnicodeDecodeError):
        return image.subject_of((read_manifest(layout, digest) or b'').decode('utf-8'))
    return None


# Several entries of one name: a layout has no index for them, so that it is made up, always the same

def _index_of(layout: Layout, alias: str, entries: list[Entry]) -> bytes:
    """Return the text of an index of entries that have one name and differ by their platforms.

    :raises DXFAmbiguousAliasError: two have the same platform, or one has none
    """
    # Tools write an entry for each platform under one name. Their index is made up. It must come out the same each
    # time, as clients ask for it by its digest.
    platforms = {image.platform_of(entry.get('platform')) for entry in entries}
    if None in platforms or len(platforms) < len(entries):
        raise_ambiguous(alias, entries)
    children = [{**_without_name(entry), 'mediaType': _type_of(layout, entry),
                 'size': layout.blob_size(entry['digest']) or entry.get('size', 0)} for entry in entries]
    return dump_json({'schemaVersion': 2, 'mediaType': OCI_INDEX, 'manifests': children}).encode('ascii')


def _without_name(entry: Entry) -> Entry:
    annotations = {key: value for key, value in entry['annotations'].items() if key != NAME}
    kept = {key: value for key, value in entry.items() if key != 'annotations'}
    return {**kept, 'annotations': annotations} if annotations else kept


def _type_of(layout: Layout, entry: Entry) -> str:
    content = None if entry.get('mediaType') else read_manifest(layout, entry['digest'])
    with suppress(DXFError, UnicodeDecodeError):
        return str(entry.get('mediaType') or image.media_type_of((content or b'').decode('utf-8')))
    return OCTET_STREAM


def alias_of_index(layout: Layout, digest: str) -> str | None:
    """Return the name of several entries whose made-up index has a digest; ``None`` where no name has."""
    # All names are tried, as a digest does not tell which entries it was made of. This is only reached if nothing else
    # has the digest.
    named: dict[str, list[Entry]] = {}
    for entry in layout.entries():
        name = name_of(entry)
        if name is not None and image.platform_of(entry.get('platform')) is not None:
            named.setdefault(name, []).append(entry)
    for name, entries in named.items():
        if len(entries) > 1:
            with suppress(DXFError):
                found = _distinct(select(entries, name))
                if len(found) > 1 and hash_bytes(_index_of(layout, name, found)) == digest:
                    return name
    return None


# Their files

def read_manifest(layout: Layout, digest: str) -> bytes | None:
    """Return the text of a manifest; ``None`` where it is not there, damaged, or larger than manifests are."""
    # The size is checked first: a layout that somebody else made may hold a file of any size.
    size = layout.blob_size(digest)
    if size is None or size > Limits().manifest:
        return None
    try:
        with open_regular(layout.blob_path(digest)) as file:
            content = file.read(size)
    except FileNotFoundError:  # another process has just removed it
        return None
    return content if hash_bytes(content) == digest else None


def unreadable_error(layout: Layout, digest: str, problem: str) -> DXFInvalidDocumentError:
    """Return the error for a manifest of which :func:`read_manifest` returned ``None``.

    :param problem: what is wrong with its file, unless that is too large
    """
    size = layout.blob_size(digest)
    hint = f'{problem}; copy it again, or' if size is None or size <= Limits().manifest else 'larger than a manifest;'
    return DXFInvalidDocumentError(f'{layout.blob_path(digest)}: {hint} delete what names it by dxf del-alias')


def _is_manifest(content: bytes) -> bool:
    try:
        image.read(content.decode('utf-8'), verify=False)
    except (DXFError, UnicodeDecodeError):
        return False
    return True


def is_named(layout: Layout, digest: str) -> bool:
    """Return whether an entry names a manifest, or an index does that an entry leads to."""
    pending = [entry['digest'] for entry in layout.entries()]
    if digest in pending or _read(layout, digest) is None:  # quick: a layer is no manifest
        return digest in pending
    seen: set[str] = set()
    while pending:
        one = pending.pop()
        found = None if one in seen else _read(layout, one)
        seen.add(one)
        if isinstance(found, Index):
            pending += [entry.digest for entry in found.manifests]
            if digest in pending:
                return True
    return False


def missing(layout: Layout, manifest: Manifest) -> str | None:
    """Return the digest of something that a manifest needs and the layout lacks; ``None`` if there is nothing.

    What the manifests of an index need counts too, as far as dxf can read them. A blob of another size is lacking.
    """
    # A registry checks only what a manifest itself names. A folder checks the images of an index too, since a pull of
    # one platform would fail only then.
    pending: list[str] = []
    seen: set[str] = set()
    one: 'Manifest | None' = manifest
    while True:
        for digest, size in () if one is None else _parts(one):
            if not _has(layout, digest, size):
                return digest
            if isinstance(one, Index) and digest not in seen:
                seen.add(digest)
                pending.append(digest)
        if not pending:
            return None
        one = _read(layout, pending.pop())  # one at a time, as each may have 4 MiB


def missing_part(layout: Layout, manifest: Manifest) -> str | None:
    """Return the digest of something that a manifest itself names and the layout lacks."""
    return next((digest for digest, size in _parts(manifest) if not _has(layout, digest, size)), None)


def _has(layout: Layout, digest: str, size: int | None) -> bool:
    """Return whether a layout has a blob; a file of another size is what an interrupted copy has left.

    :param size: the blob's; ``None`` for any
    """
    actual = layout.blob_size(digest)
    return actual is not None and size in (None, actual)


def _read(layout: Layout, digest: str) -> 'Manifest | None':
    """Return the manifest of a digest, ``None`` where dxf cannot read it."""
    with suppress(DXFError, UnicodeDecodeError):
        return image.read((read_manifest(layout, digest) or b'').decode('utf-8'), verify=False)
    return None


def _parts(manifest: Manifest) -> Iterable[tuple[str, int | None]]:
    """Return the digests of what a manifest names, and the sizes of blobs.

    There are indexes in which the sizes of manifests are wrong, and these can be read all the same.
    """
    if isinstance(manifest, Index):
        return [(entry.digest, None) for entry in manifest.manifests]
    if isinstance(manifest, ImageManifest):
        return [(blob.digest, blob.size) for blob in manifest.required]
    return [(digest, None) for digest in manifest.blobs]
