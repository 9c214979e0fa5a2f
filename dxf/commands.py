"""Commands: one function a subcommand, and the table that says how each is used.

A function checks all its operands before the first request, and prints its result. Errors are told elsewhere.
"""

import errno
import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import dxf
from dxf import console
from dxf.documents import printable
from dxf.exceptions import DXFAuthInsecureError, DXFInvalidNameError
from dxf.names import (FOLDER, check_alias, check_platform, check_registry, complete_digest, hash_file, is_folder,
                       repository_at)
from dxf.progress import Progress, progress
from dxf.settings import OTHER, Settings, read_date, read_other_settings


STDIN = '-'


class UsageError(Exception):
    """Operands that cannot be right."""


class Job(NamedTuple):
    """A command that is to be run: its settings, what it may ask a token for, and its operands."""

    settings: Settings
    actions: tuple[str, ...]
    repository: str | None
    operands: list[str]
    options: Mapping[str, Any]
    environ: Mapping[str, str]

    @property
    def credential(self) -> str:
        """Say which credential is used, without its value."""
        host = self.options.get('to')
        if host is None:
            return self.settings.credential
        other = read_other_settings(self.environ, host).credential
        return f'for {self.settings.host}, {self.settings.credential}; for {host}, {other.replace("DXF_", OTHER)}'

    def registry(self) -> Any:
        """Return the registry, or the repository where the command names one; no request is made."""
        settings = self.settings
        if settings.insecure and (settings.username or settings.authorization):
            raise DXFAuthInsecureError('Auth requires HTTPS: nothing was sent; unset DXF_INSECURE, or the credentials')
        options = (self._auth(), settings.insecure, settings.auth_host, settings.tlsverify, settings.timeout)
        idle = settings.timeout if isinstance(settings.timeout, float) else settings.timeout[1]
        registry: Any
        if self.repository is None:
            registry = dxf.DXFBase(settings.host, *options)
        else:
            registry = dxf.DXF(settings.host, self.repository, *options)
            registry._schema = settings.schema or registry._schema
            registry._jobs = settings.jobs
        registry._limits = dxf.Limits(retries=settings.retries, stall_seconds=idle)
        if settings.token is not None:
            registry.token = settings.token
        return registry

    def _auth(self) -> Callable[[Any, Any], None] | None:
        """Return what answers a challenge: the first with all that the command will need, later ones as they are.

        Nothing does over http, nor where a token is all that there is.
        """
        settings = self.settings
        if settings.insecure or settings.token is not None and not (settings.username or settings.authorization):
            return None
        actions = [self.actions]

        def answer(registry: Any, response: Any) -> None:
            registry.authenticate(settings.username, settings.password, actions.pop() if actions else None,
                                  response=response, authorization=settings.authorization)
        return answer


class Target(NamedTuple):
    """A blob, or the blobs of an alias, as an operand names them; or a manifest from standard input."""

    digest: str | None = None
    alias: str | None = None
    manifest: str | None = None

    def blobs(self, registry: Any, platform: str | None, sizes: bool = False) -> Any:
        """Return the digests of the blobs; by platform for a multi-platform alias."""
        if self.digest is not None:
            return [(self.digest, registry.blob_size(self.digest)) if sizes else self.digest]
        return registry.get_alias(self.alias, self.manifest, sizes=sizes, platform=platform)


def _alias(name: str) -> str:
    try:
        return check_alias(name)
    except DXFInvalidNameError as error:
        raise UsageError(str(error)) from None


def _at_alias(operand: str) -> str:
    if not operand.startswith('@'):
        raise UsageError(f'invalid alias {operand!r}: write it with an @ before it')
    return _alias(operand[1:])


def _digest(operand: str, other: str = '', meaning: str = '') -> str:
    """Return the digest that an operand is; the message for one that is none names what ``other`` would mean."""
    try:
        return complete_digest(operand)
    except dxf.exceptions.DXFError as error:
        hint = f'; {meaning} is written {other}' if other and ':' not in operand else ''
        raise UsageError(f'{error}{hint}') from None


def _repository(operand: str, host: str) -> str:
    try:
        return repository_at(check_registry(host), operand)
    except DXFInvalidNameError as error:
        raise UsageError(str(error)) from None


def _file(operand: str) -> str:
    """Return the path of a file that can be read; it is not opened, as it may be a pipe."""
    try:
        reason = errno.EISDIR if stat.S_ISDIR(os.stat(operand).st_mode) else \
            errno.EACCES if not os.access(operand, os.R_OK) else 0
    except OSError as error:
        reason = error.errno or errno.EIO
    except ValueError:  # a NUL character
        reason = errno.EINVAL
    if reason:
        raise UsageError(f'cannot read {operand!r}: {os.strerror(reason)}')
    return operand


def _targets(job: Job) -> list[Target]:
    """Return what the operands name; without operands, the manifest on standard input."""
    if not job.operands:
        return [Target(manifest=console.read())]
    return [Target(alias=_at_alias(operand)) if operand.startswith('@') else
            Target(digest=_digest(operand, f'@{operand}', 'an alias')) for operand in job.operands]


def _aliases(job: Job) -> list[Target]:
    if not job.operands:
        return [Target(manifest=console.read())]
    return [Target(alias=_alias(operand)) for operand in job.operands]


def _print(result: Any) -> None:
    """Print one item a line; a multi-platform result as one JSON object."""
    if isinstance(result, dict):
        console.write(json.dumps(result, sort_keys=True) + '\n')
    elif isinstance(result, list):
        for item in result:
            console.write(f'{item}\n')
    else:
        console.write(f'{result}\n')


def auth(job: Job) -> None:
    """Print a token, where the registry gives any; over http none does."""
    settings = job.settings
    with job.registry() as repository:
        token = None if settings.insecure else repository.authenticate(
            settings.username, settings.password, job.operands, authorization=settings.authorization)
        if token is None:  # then the credentials are yet untried
            repository.api_version_check()
        else:
            _print(token)


def push_blob(job: Job) -> None:
    """Store a file or several, give them an alias, print their digests."""
    *operands, last = job.operands
    if len(operands) > 1 and (not last.startswith('@') or any(operand.startswith('@') for operand in operands)):
        raise UsageError('too many arguments: several files are followed by one @alias that names them')
    alias = _at_alias(last) if operands else None
    files = [operand if operand == STDIN else _file(operand) for operand in operands or [last]]
    if len(files) > 1 and STDIN in files or job.options['resume'] and (len(files) > 1 or STDIN in files):
        raise UsageError('standard input, and --resume, are for one blob alone')
    with job.registry() as repository:
        with progress(job.settings.progress, _total(files)) as shown:
            digests = _push(job, repository, files, shown)
        if alias is not None:
            repository.set_alias(alias, *digests)
    _print(digests)


def _total(files: list[str]) -> int | None:
    """Return the bytes of several files."""
    return sum(os.stat(file).st_size for file in files) if len(files) > 1 else None


def _push(job: Job, repository: Any, files: list[str], shown: Progress | None) -> list[str]:
    if files == [STDIN]:
        return [repository.push_blob(None, shown and (lambda digest, chunk: shown(digest, chunk, None)),
                                     console.binary_input())]
    if job.options['resume']:
        return [repository.push_blob(files[0], shown, resume=job.settings.state_folder)]
    if len(files) == 1:
        return [repository.push_blob(files[0], shown)]
    return list(repository.push_blobs(files, shown))


def pull_blob(job: Job) -> None:
    """Write blobs to standard output, one after the other, or into a file; of multi-platform aliases their digests."""
    is_to_file = job.options['output'] is not None
    if is_to_file:
        _check_output(job.options['output'])
    targets = _targets(job)
    with job.registry() as repository:
        resolved = [target.blobs(repository, job.settings.platform, sizes=is_to_file) for target in targets]
        if is_to_file:
            _pull_to_file(job, repository, resolved)
            return
        blobs: list[str] = []
        for named in resolved:
            if isinstance(named, dict):
                _pull(job, repository, blobs)
                blobs = []
                _print(named)
            else:
                blobs += named
        _pull(job, repository, blobs)


def _check_output(filename: str) -> None:
    from dxf import files
    try:
        files.check_target(filename)
    except OSError as error:
        raise UsageError(f'cannot write {filename!r}: {error.strerror}') from None


def _pull_to_file(job: Job, repository: Any, resolved: list[Any]) -> None:
    for named in resolved:
        if isinstance(named, dict):
            raise UsageError(f'the alias has several platforms: set DXF_PLATFORM to one of {", ".join(sorted(named))}')
    blobs = [blob for named in resolved for blob in named]
    total = sum(size for _, size in blobs) if len(blobs) > 1 else None
    with progress(job.settings.progress, total) as shown:
        repository.pull_to_file(job.options['output'], *blobs, progress=shown)


def _pull(job: Job, repository: Any, blobs: list[str]) -> None:
    if not blobs:
        return
    with progress(job.settings.progress) as shown:
        for digest, chunks, size in _fetched(repository, blobs, job.settings.chunk_size or 0):
            out = console.binary_output()
            if job.settings.blob_info:
                out.write(f'{digest} {size}\n'.encode('ascii'))
            if shown is not None:
                shown(digest, b'', size)
            for chunk in chunks:
                out.write(chunk)
                if shown is not None:
                    shown(digest, chunk, size)


def _fetched(repository: Any, blobs: list[str], chunk_size: int) -> Iterator[tuple[str, Iterator[bytes], int]]:
    if len(blobs) == 1:
        chunks, size = repository.pull_blob(blobs[0], size=True, chunk_size=chunk_size)
        yield blobs[0], chunks, size
    else:
        yield from repository.pull_blobs(blobs, chunk_size)


def blob_size(job: Job) -> None:
    """Print sizes: of a blob, or the sum of an alias's blobs."""
    targets = _targets(job)
    with job.registry() as repository:
        for target in targets:
            blobs = target.blobs(repository, job.settings.platform, sizes=True)
            if isinstance(blobs, dict):
                _print({platform: _sum(sized) for platform, sized in blobs.items()})
            else:
                _print(_sum(blobs))


def _sum(blobs: list[tuple[str, int]]) -> int:
    return sum(size for _, size in blobs)


def mount_blob(job: Job) -> None:
    """Mount a blob from another repository, give it an alias, print its digest."""
    source = _repository(job.operands[0], job.settings.host)
    digest = _digest(job.operands[1])
    alias = _at_alias(job.operands[2]) if len(job.operands) > 2 else None
    with job.registry() as repository:
        repository.mount_blob(source, digest)
        if alias is not None:
            repository.set_alias(alias, digest)
    _print(digest)


def del_blob(job: Job) -> None:
    """Delete blobs, each once."""
    targets = _targets(job)
    with job.registry() as repository:
        digests: dict[str, None] = {}
        for target in targets:
            blobs = target.blobs(repository, job.settings.platform)
            for some in blobs.values() if isinstance(blobs, dict) else [blobs]:
                digests.update(dict.fromkeys(some))
        for digest in digests:
            repository.del_blob(digest)


def set_alias(job: Job) -> None:
    """Name blobs, given by digest or by the file that holds the same, and print the manifest."""
    alias = _alias(job.operands[0])
    blobs = [_file(operand) if os.sep in operand else _digest(operand, f'./{operand}', 'a file')
             for operand in job.operands[1:]]
    digests = [hash_file(blob) if os.sep in blob else blob for blob in blobs]
    with job.registry() as repository:
        console.write_exactly(repository.set_alias(alias, *digests))


def get_alias(job: Job) -> None:
    """Print the digests that aliases name."""
    targets = _aliases(job)
    with job.registry() as repository:
        for target in targets:
            _print(target.blobs(repository, job.settings.platform))


def del_alias(job: Job) -> None:
    """Delete aliases, and print the digests that they named."""
    aliases = [_alias(operand) for operand in job.operands]
    with job.registry() as repository:
        for alias in aliases:
            _print(repository.del_alias(alias))


def list_aliases(job: Job) -> None:
    """Print the repository's aliases as the registry gives them out."""
    with job.registry() as repository:
        for name in repository.list_aliases(iterate=True):
            _print(name)


def list_repos(job: Job) -> None:
    """Print the registry's repositories as it gives them out."""
    with job.registry() as registry:
        for name in registry.list_repos(iterate=True):
            _print(name)


def copy(job: Job) -> None:
    """Copy aliases, and all that they lead to, to another registry; print the digests of their manifests."""
    options = job.options
    aliases = [_alias(operand) for operand in job.operands]
    if options['all'] == bool(aliases):
        raise UsageError('too few arguments: name aliases, or give --all' if not aliases else
                         'too many arguments: --all is for all aliases')
    if options['to'] is None:
        raise UsageError('too few arguments: --to=HOST names the registry to copy to')
    if options['to_alias'] is not None and len(aliases) != 1:
        raise UsageError('--to-alias is for one alias')
    to_alias = None if options['to_alias'] is None else _alias(options['to_alias'])
    platform = None if options['platform'] is None else _platform(options['platform'])
    settings = read_other_settings(job.environ, options['to'])
    repository = str(job.repository if options['to_repo'] is None else options['to_repo'])
    _repository(repository, settings.host)
    other = job._replace(settings=settings, repository=repository, actions=('pull', 'push'))
    with job.registry() as source, other.registry() as target:
        seen: dict[str, int] = {}
        for alias in aliases or source.list_aliases(iterate=True):
            copying = dxf.Copying(source, target, alias, to_alias, platform, options['referrers'])
            if options['dry_run']:
                _print_plan(copying.outcome, seen)
            else:
                with progress(job.settings.progress, sum(copying.outcome.moved.values())) as shown:
                    copying.carry_out(shown)
                _print(copying.outcome.digest)
    if options['dry_run']:
        _print(f'total {sum(seen.values())}')


def _print_plan(outcome: Any, seen: dict[str, int]) -> None:
    """Print what would be moved and has not been named yet, and what need not be."""
    for word, blobs in (('copy', outcome.moved), ('skip', outcome.found)):
        for digest, size in blobs.items():
            if digest not in seen:
                _print(f'{word} {digest} {size}')
                seen[digest] = size if word == 'copy' else 0


def _platform(operand: str) -> str:
    try:
        return check_platform(operand)
    except DXFInvalidNameError as error:
        raise UsageError(str(error)) from None


def gc(job: Job) -> None:
    """Print, or remove, the blobs of a layout in a folder that nothing leads to."""
    from dxf import garbage, layout
    folder = check_registry(job.settings.host)
    if not is_folder(folder):
        raise UsageError('gc is for folders, DXF_HOST=oci:PATH; a registry collects its garbage itself')
    repository = layout.Layout(folder.removeprefix(FOLDER), job.repository or '')
    if not repository.exists():
        raise UsageError(f'there is no layout in {repository.folder}')
    for digest, size in garbage.collect(repository, job.options['delete']):
        _print(f'{digest} {size}')


def push_files(job: Job) -> None:
    """Store files and folders with their names under an alias; print the digest of the manifest."""
    from dxf import artifacts
    alias, *operands = job.operands
    _alias(alias)
    given = _about_files(job, operands)
    with job.registry() as repository, progress(job.settings.progress) as shown:
        digest = artifacts.push_files(repository, alias, progress=shown, **given)
    _print(digest)


def attach(job: Job) -> None:
    """Store files and folders that belong to an alias; print the digest of the manifest that says so."""
    from dxf import artifacts
    reference, *operands = job.operands
    _reference(reference)
    if job.options['type'] is None:
        raise UsageError('too few arguments: --type=MEDIA_TYPE says what the files are')
    given = _about_files(job, operands)
    with job.registry() as repository, progress(job.settings.progress) as shown:
        digest = artifacts.attach(repository, reference, progress=shown, **given)
    _print(digest)


def _about_files(job: Job, operands: list[str]) -> dict[str, Any]:
    """Return what is to be pushed, and what is to be said of it; all of it is checked."""
    from dxf import artifact_manifest, artifacts
    annotations: dict[str, str] = {}
    for annotation in job.options['annotation'] or []:
        key, equals, value = annotation.partition('=')
        if not key or not equals or key in annotations:
            raise UsageError(f'invalid annotation {annotation!r}: want KEY=VALUE, and each key once')
        annotations[key] = value
    try:
        kind = artifact_manifest.check_media_type(job.options['type'] or artifact_manifest.UNKNOWN_TYPE)
        files = artifacts.choose(operands)
    except dxf.exceptions.DXFError as error:
        raise UsageError(str(error)) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else os.strerror(errno.EINVAL)  # a NUL character
        raise UsageError(f'cannot read {getattr(error, "filename", None) or operands}: {reason}') from None
    return {'files': files, 'artifact_type': kind, 'annotations': annotations, 'created': read_date(job.environ)}


def _reference(operand: str) -> str:
    """Return an alias, or the digest of a manifest."""
    return _digest(operand) if ':' in operand else _alias(operand)


def pull_files(job: Job) -> None:
    """Fetch files and folders into a folder, and print their names; tell what has none."""
    from dxf import artifacts, unpacking
    reference, *names = job.operands
    _reference(reference)
    folder = job.options['to'] or os.curdir
    try:
        unpacking.check_folder(folder)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else os.strerror(errno.EINVAL)  # a NUL character
        raise UsageError(f'cannot write into {folder!r}: {reason}') from None
    with job.registry() as repository, progress(job.settings.progress) as shown:
        pulled = artifacts.pull_files(repository, reference, folder, names=names, overwrite=job.options['overwrite'],
                                      platform=job.settings.platform, progress=shown)
    for blob in pulled.skipped:
        console.complain(f'left out, as it has no name: {blob.digest} ({printable(blob.media_type)})')
    for name in pulled.names:
        console.write_exactly(f'{name}\n')


def referrers(job: Job) -> None:
    """Print the digests of what is attached to an alias, and what it is."""
    from dxf import artifact_manifest, artifacts
    reference, = job.operands
    _reference(reference)
    kind = job.options['type']
    try:
        wanted = None if kind is None else artifact_manifest.check_media_type(kind)
    except DXFInvalidNameError as error:
        raise UsageError(str(error)) from None
    with job.registry() as repository:
        for entry in artifacts.referrers(repository, reference, wanted):
            kind = artifact_manifest.check_media_type(str(entry.get('artifactType') or entry.get('mediaType')))
            _print(f'{entry["digest"]} {kind}')


def get_digest(job: Job) -> None:
    """Print the digests of aliases' configurations."""
    targets = _aliases(job)
    with job.registry() as repository:
        for target in targets:
            _print(repository.get_digest(target.alias, target.manifest, platform=job.settings.platform))


def get_manifest(job: Job) -> None:
    """Print the manifests of aliases as they are stored."""
    aliases = [_alias(operand) for operand in job.operands]
    with job.registry() as repository:
        for alias in aliases:
            manifest = repository.get_manifest(alias, job.settings.platform)
            if isinstance(manifest, dict):
                _print(manifest)
            else:
                console.write_exactly(manifest)
