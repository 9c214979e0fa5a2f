"""Commands that are about blobs and aliases: one function a subcommand.

A function checks all its operands before the first request, and prints its result. Errors are told elsewhere.
"""

import os
import stat
import sys
from collections.abc import Iterator
from itertools import chain
from typing import Any

from dxf.cli import console, operands, terminal
from dxf.cli.context import Job, UsageError
from dxf.cli.operand_mistakes import about_output
from dxf.cli.progress import Progress, progress
from dxf.exceptions import DXFError, DXFSizeMismatchError
from dxf.names import hash_bytes, hash_file
from dxf.strict_json import load_object, printable
from dxf.transfer import pulling

STDIN = STDOUT = '-'

OUTPUT_OF = 'dxf push-blob <repo> [@alias] -- <command>...'
"""How the output of a command is stored."""

LOOKED_AT = 2000
"""Bytes at the start of a blob among which a NUL means binary: curl looks at as many before it writes to a terminal."""

DIFFERENCES = 5
"""How many are told."""


def push_blob(job: Job) -> None:
    """Store a file or several, give them an alias, print their digests."""
    if job.options['command'] is not None:
        _push_output(job, job.options['command'])
        return
    *given, last = job.operands
    _check_order(given, last)
    alias = operands.at_alias(last) if given else None
    files = [operand if operand == STDIN else operands.file(operand, '; dxf push-files stores folders')
             for operand in given or [last]]
    if len(files) > 1 and STDIN in files or job.options['resume'] and (len(files) > 1 or STDIN in files):
        raise UsageError('standard input, and --resume, are for one blob alone')
    are_pipes = [_is_pipe(file) for file in files]
    with job.registry() as repository:
        if alias is not None and len(files) > 1:
            repository.check_alias_size(alias, [os.stat(file).st_size for file in files])
        with progress(job.settings.progress, _total(files)) as shown:
            digests = _push(repository, files, shown, not job.options['force'],
                            job.settings.state_folder if job.options['resume'] else None)
        for file, digest, is_pipe in zip(files, digests, are_pipes):
            if is_pipe:
                _tell_empty('standard input was empty' if file == STDIN else f'{file!r} was empty', digest)
        if alias is not None:
            repository.set_alias(alias, *digests)
    for digest in digests:
        job.tell('digest', digest)


def _check_order(given: list[str], last: str) -> None:
    """Check that an alias follows what it names; a file may have a name like one."""
    if not given and last.startswith('@') and not os.path.lexists(last):
        raise UsageError('too few arguments: a file stands before the @alias; a command follows --: ' + OUTPUT_OF)
    is_named = any(operand.startswith('@') for operand in given)
    if is_named and not last.startswith('@'):
        raise UsageError('the @alias comes last, after the files; a command follows --: ' + OUTPUT_OF)
    if len(given) > 1 and (is_named or not last.startswith('@')):
        raise UsageError('too many arguments: several files are followed by one @alias that names them')
    if given and not last.startswith('@') and os.path.lexists(last):
        raise UsageError(f'invalid alias {last!r}: it is written with an @; several files are followed by one @alias')


def _push_output(job: Job, command: list[str]) -> None:
    """Store what a command prints if it ends with status 0, give it an alias, print its digest."""
    if job.options['resume']:
        raise UsageError('--resume is for a file: the output of a command cannot be read again')
    if len(job.operands) > 1 or any(operand == STDIN or not operand.startswith('@') and os.path.lexists(operand)
                                    for operand in job.operands):
        raise UsageError('too many arguments: the output of a command is one blob: ' + OUTPUT_OF)
    alias = operands.at_alias(job.operands[0]) if job.operands else None
    with job.registry() as repository, operands.output_of(command, job.environ) as output:
        with progress(job.settings.progress) as shown:
            digest = _push_stream(repository, output, shown, not job.options['force'])
        _tell_empty('the command printed nothing', digest)
        if alias is not None:
            repository.set_alias(alias, digest)
    job.tell('digest', digest)


def _tell_empty(reason: str, digest: str) -> None:
    """Warn of an empty blob that came from a program: that may have failed."""
    if digest == hash_bytes(b''):
        console.complain(f'{reason}: an empty blob is stored')


def _is_pipe(file: str) -> bool:
    """Return whether an operand is a pipe, such as a shell makes of ``<(tar c photos)``, or standard input."""
    return file == STDIN or stat.S_ISFIFO(os.stat(file).st_mode)


def _push_stream(repository: Any, stream: Any, shown: Progress | None, check_exists: bool) -> str:
    digest: str = repository.push_blob(None, shown and (lambda digest, chunk: shown(digest, chunk, None)), stream,
                                       check_exists=check_exists)
    return digest


def _total(files: list[str]) -> int | None:
    """Return the bytes of several files."""
    return sum(os.stat(file).st_size for file in files) if len(files) > 1 else None


def _push(repository: Any, files: list[str], shown: Progress | None, check_exists: bool, resume: str | None
          ) -> list[str]:
    if files == [STDIN]:
        return [_push_stream(repository, console.binary_input(), shown, check_exists)]
    if resume is not None:
        return [repository.push_blob(files[0], shown, check_exists=check_exists, resume=resume)]
    if len(files) == 1:
        return [repository.push_blob(files[0], shown, check_exists=check_exists)]
    return list(repository.push_blobs(files, shown, check_exists))


def pull_blob(job: Job) -> None:
    """Write blobs to standard output, one after the other, or into a file; of multi-platform aliases their digests."""
    output = job.options['output']
    is_to_file = output not in (None, STDOUT)
    if is_to_file:
        _check_output(output)
    targets = operands.targets(job)
    with job.registry() as repository:
        resolved = [target.described(repository, job.settings.platform) for target in targets]
        if is_to_file:
            _pull_to_file(job, repository, resolved)
            return
        blobs: list[Any] = []
        for named in resolved:
            if isinstance(named, dict):
                _pull(job, repository, blobs)
                blobs = []
                console.say({platform: [_digest(blob) for blob in some] for platform, some in named.items()})
            else:
                blobs += named
        _pull(job, repository, blobs)


def _digest(blob: Any) -> str:
    """Return the digest of a blob that may be given with its size."""
    return str(blob if isinstance(blob, str) else blob[0])


def _check_output(filename: str) -> None:
    from dxf.local import atomic_files
    try:
        atomic_files.check_target(filename)
    except OSError as error:
        raise UsageError(f'cannot write {filename!r}: {error.strerror}{about_output(filename)}') from None


def _pull_to_file(job: Job, repository: Any, resolved: list[Any]) -> None:
    for named in resolved:
        if isinstance(named, dict):
            raise UsageError(f'the alias has several platforms: set DXF_PLATFORM to one of {", ".join(sorted(named))}')
    blobs = [blob for named in resolved for blob in named]
    total = sum(repository._sizes_of(pulling.checked(blobs))) if len(blobs) > 1 else None
    with progress(job.settings.progress, total) as shown:
        repository.pull_to_file(job.options['output'], *blobs, progress=shown)


def _pull(job: Job, repository: Any, blobs: list[Any]) -> None:
    if not blobs:
        return
    is_seen = terminal.is_terminal(sys.stdout)
    is_text_only = is_seen and job.options['output'] is None
    mode = job.settings.progress or ('none' if is_seen else None)  # the content itself shows how far it is
    with progress(mode) as shown:
        for digest, chunks, size in _fetched(repository, blobs, job.settings.chunk_size or 0):
            content = _text(chunks, digest) if is_text_only else chunks
            out = console.binary_output()
            if job.settings.blob_info:
                out.write(f'{digest} {size}\n'.encode('ascii'))
            start = out.written
            if shown is not None:
                shown(digest, b'', size)
            for chunk in content:
                out.write(chunk)
                if shown is not None:
                    shown(digest, chunk, size)
            if out.written - start != size:
                raise DXFSizeMismatchError(out.written - start, size)
            out.flush()


def _text(chunks: Iterator[bytes], digest: str) -> Iterator[bytes]:
    """Return the chunks of a blob that a terminal can show.

    :raises UsageError: it is binary; nothing of it was written
    """
    start: list[bytes] = []
    while sum(map(len, start)) < LOOKED_AT and (chunk := next(chunks, None)) is not None:
        start.append(chunk)
    if any(b'\0' in chunk for chunk in start):
        raise UsageError(f'{digest} is binary, and standard output is a terminal: -o FILE writes it to a file, '
                         '-o - to the terminal all the same')
    return chain(start, chunks)


def _fetched(repository: Any, blobs: list[Any], chunk_size: int) -> Iterator[tuple[str, Iterator[bytes], int]]:
    if len(blobs) == 1 and isinstance(blobs[0], str):
        chunks, size = repository.pull_blob(blobs[0], size=True, chunk_size=chunk_size)
        yield blobs[0], chunks, size
    else:
        yield from repository.pull_blobs(blobs, chunk_size)


def blob_size(job: Job) -> None:
    """Print sizes: of a blob, or the sum of an alias's blobs."""
    targets = operands.targets(job)
    with job.registry() as repository:
        for target in targets:
            blobs = target.blobs(repository, job.settings.platform, sizes=True)
            job.tell('size', {platform: _sum(sized) for platform, sized in blobs.items()} if isinstance(blobs, dict)
                     else _sum(blobs), **target.named)


def _sum(blobs: list[tuple[str, int]]) -> int:
    return sum(size for _, size in blobs)


def mount_blob(job: Job) -> None:
    """Mount a blob from another repository, give it an alias, print its digest."""
    source = operands.repository(job.operands[0], job.settings.host)
    digest = operands.digest(job.operands[1])
    alias = operands.at_alias(job.operands[2]) if len(job.operands) > 2 else None
    with job.registry() as repository:
        repository.mount_blob(source, digest)
        if alias is not None:
            repository.set_alias(alias, digest)
    job.tell('digest', digest)


def del_blob(job: Job) -> None:
    """Delete blobs, each once."""
    targets = operands.targets(job)
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
    alias = operands.alias(job.operands[0])
    blobs = [operands.blob_to_name(job, operand) for operand in job.operands[1:]]
    expected = job.options['if_match']
    if_match = None if expected is None else operands.manifest_digest(expected, '--if-match')
    if if_match is not None and job.options['if_absent']:
        raise UsageError('--if-absent and --if-match exclude each other')
    digests = [hash_file(blob) if os.sep in blob else blob for blob in blobs]
    condition = {'if_absent': job.options['if_absent'], 'if_match': if_match} if job.options['if_absent'] or if_match \
        else {}
    with job.registry() as repository:
        _tell_manifest(job, repository.set_alias(alias, *digests, **condition), alias)


def _tell_manifest(job: Job, manifest: str, alias: str) -> None:
    if job.options['json']:
        console.say_json({'alias': alias, 'manifest': load_object(manifest, exact=True)})
    else:
        console.write_exactly(manifest)


def get_alias(job: Job) -> None:
    """Print the digests that aliases name."""
    targets = operands.aliases(job)
    with job.registry() as repository:
        for target in targets:
            job.tell('blobs', target.blobs(repository, job.settings.platform), **target.named)


def del_alias(job: Job) -> None:
    """Delete aliases, and print the digests that they named, each when it is gone."""
    from dxf.deletion import alias_deletion
    aliases = [operands.reference(operand, job.settings.host) for operand in job.operands]
    with job.registry() as repository:
        for alias, named in alias_deletion.AliasDeletion(repository, aliases, job.options['with_others']):
            job.tell('blobs', named, alias=alias)


def get_digest(job: Job) -> None:
    """Print the digests of aliases' configurations."""
    targets = operands.aliases(job)
    with job.registry() as repository:
        for target in targets:
            job.tell('digest', repository.get_digest(target.alias, target.manifest, platform=job.settings.platform),
                     **target.named)


def get_manifest(job: Job) -> None:
    """Print the manifests of aliases as they are stored."""
    aliases = [operands.reference(operand, job.settings.host) for operand in job.operands]
    with job.registry() as repository:
        for alias in aliases:
            manifest = repository.get_manifest(alias, job.settings.platform)
            if isinstance(manifest, dict):
                job.tell('manifest', manifest, alias=alias)
            else:
                _tell_manifest(job, manifest, alias)


def get_manifest_digest(job: Job) -> None:
    """Print the digests of the manifests that aliases name, each by one request without a body."""
    aliases = [operands.named(operand, job.settings.host) for operand in job.operands]
    with job.registry() as repository:
        for alias in aliases:
            job.tell('digest', repository.manifest_digest(alias), alias=alias)


def inspect(job: Job) -> None:
    """Print what an alias names: digest, media type, size, annotations, blobs or platforms."""
    from dxf import inspection
    alias = operands.reference(job.operands[0], job.settings.host)
    with job.registry() as repository:
        found = inspection.inspect(repository, alias, job.settings.platform)
    if job.options['json']:
        console.say_json({'alias': alias, **found.document()})
    else:
        for line in found.lines():
            console.say(printable(line))


def verify(job: Job) -> None:
    """Compare files with the blobs that an alias names, in their order; no blob is fetched."""
    from dxf import inspection
    *given, last = job.operands
    alias = operands.named(last.removeprefix('@'), job.settings.host)
    files = [operands.file(operand) for operand in given]
    with job.registry() as repository:
        differences = inspection.differences(repository, alias, files, job.settings.platform)
    if differences:
        raise DXFError('; '.join(differences[:DIFFERENCES]))
