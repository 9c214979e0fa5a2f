"""Inspection: what an alias holds, and whether local files hold the same, without fetching a blob."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from dxf.arguments import check_path_type, several
from dxf.client import DXF
from dxf.counts import counted
from dxf.local.file_hash import hash_file
from dxf.manifest.image import ImageManifest, Index, media_type_of
from dxf.manifest.named_files import name_of
from dxf.parameters import checked
from dxf.strict_json import Json, load_object
from dxf.transfer.parallel import each_once


class Inspection(NamedTuple):
    """What an alias names.

    ``size`` is the sum of the sizes of its blobs, ``None`` for an index. ``blobs`` have ``digest``, ``size`` and
    ``mediaType``; files with names have ``title``, too. ``platforms`` are the digests of an index's manifests, by
    platform.
    """

    digest: str
    media_type: str
    size: int | None
    blobs: tuple[dict[str, Json], ...]
    platforms: dict[str, str]
    annotations: dict[str, str]

    def lines(self) -> Iterator[str]:
        """Yield the same as lines for people."""
        yield f'digest {self.digest}'
        yield f'type {self.media_type}'
        if self.size is not None:
            yield f'size {self.size}'
        for key, value in self.annotations.items():
            yield f'annotation {key}={value}'
        for platform, digest in self.platforms.items():
            yield f'platform {platform} {digest}'
        for blob in self.blobs:
            yield f'blob {blob["digest"]} {blob["size"]} {blob.get("title", "")}'.rstrip()

    def document(self) -> dict[str, Json]:
        """Return the same as a JSON object."""
        return {'digest': self.digest, 'mediaType': self.media_type, 'size': self.size, 'blobs': list(self.blobs),
                'platforms': self.platforms, 'annotations': self.annotations}


@checked
def inspect(repository: DXF, alias: str, platform: str | None = None) -> Inspection:
    """Return what an alias names.

    :param platform: ``os/architecture[/variant]``: of a multi-platform alias, this platform's image
    :raises DXFHTTPError: the registry refused; 404 where there is no such alias
    :raises DXFPlatformDataNotFound: the alias has nothing for ``platform``
    """
    manifest: Any = repository.resolve(alias, platform)
    document = load_object(manifest.text)
    annotations = document.get('annotations')
    named = {key: str(value) for key, value in annotations.items()} if isinstance(annotations, dict) else {}
    media_type = media_type_of(manifest.text)
    if isinstance(manifest, Index):
        platforms = {name: entry.digest for name, entry in repository.platforms(manifest).items()}
        return Inspection(manifest.digest, media_type, None, (), platforms, named)
    if isinstance(manifest, ImageManifest):
        blobs: list[dict[str, Any]] = [
            {'digest': blob.digest, 'size': blob.size, 'mediaType': blob.media_type, **_title(layer)}
            for blob, layer in zip(manifest.layers, document['layers'], strict=True)]
    else:
        sizes = each_once(repository.blob_size, manifest.blobs, repository.options.jobs)
        blobs = [{'digest': digest, 'size': sizes[digest]} for digest in manifest.blobs]
    return Inspection(manifest.digest, media_type, sum(blob['size'] for blob in blobs), tuple(blobs), {}, named)


def _title(layer: Json) -> dict[str, Json]:
    """Return the name that a layer has, if it has one."""
    annotations = layer.get('annotations')
    title = name_of(annotations) if isinstance(annotations, dict) else None
    return {'title': title} if isinstance(title, str) else {}


@checked
def differences(repository: DXF, alias: str, files: Sequence[str], platform: str | None = None) -> list[str]:
    """Return in what local files differ from the blobs that an alias names, in their order: a sentence each.

    A blob that the repository does not have, or that has another size than the manifest says, is such a difference.

    :param files: their paths
    :raises OSError: a file cannot be read
    """
    files = several(files, 'differences', 'repository, alias, ')
    for file in files:
        check_path_type(file, 'each of the files')
    blobs = repository.get_alias(alias, platform=platform, sizes=True)
    if isinstance(blobs, dict):
        return [f'the alias has several platforms: choose one of {", ".join(sorted(blobs))}']
    found = [f'{file} is not {digest}' for file, (digest, _) in zip(files, blobs, strict=False)
             if hash_file(file) != digest]
    if len(files) != len(blobs):
        found.append(f'the alias names {counted(len(blobs), "blob")}, and '
                     f'{counted(len(files), "file was", "files were")} given')
    if found:
        return found
    stored = each_once(repository.stored_size, [digest for digest, _ in blobs], repository.options.jobs)
    return [f'{digest} is missing in the repository, or does not have {size} bytes'
            for digest, size in dict.fromkeys(blobs) if stored[digest] != size]
