"""Commands about blobs: one function a command.

A function checks all its operands before the first request, and prints its result. Errors are printed elsewhere.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from typing import Any

from dxf.cli import blob_output, byte_range, console, operands, registry_choice, stream_commands, terminal
from dxf.cli.context import Context, UsageError
from dxf.cli.operand_mistakes import about_output
from dxf.cli.progress import Progress, progress
from dxf.cli.stream_commands import STDIN
from dxf.exceptions import DXFError
from dxf.local.file_hash import hash_file
from dxf.names import hash_bytes

STDOUT = '-'

PROGRAM_USAGE = 'dxf push-blob <repo> [@alias] -- <command>...'
"""How to store the output of a command."""


def push_blob(context: Context) -> None:
    """Store files, name them by an alias, and print their digests."""
    if context.options['delta']:
        stream_commands.push(context)
        return
    if context.program is not None:
        _push_output(context, context.program)
        return
    *given, last = context.operands
    _check_order(given, last)
    alias = operands.at_alias(last) if given else None
    files = [operand if operand == STDIN else operands.file(operand, '; dxf push-files stores folders')
             for operand in given or [last]]
    if context.options['resume'] and files == [STDIN]:
        raise UsageError('--resume is for a file: standard input cannot be read again')
    if len(files) > 1 and (context.options['resume'] or STDIN in files):
        raise UsageError('standard input, and --resume, are for one blob alone')
    operands.check_read_once(files)
    stream_commands.check_dry_run(context, files)
    streams = list(filter(stream_commands.is_stream, files))
    with context.registry() as repository:
        if alias is not None and len(files) > 1:
            repository.check_alias_size(alias, [os.stat(file).st_size for file in files])
        if context.options['dry_run']:
            _print_plan(context, repository, files)
            return
        with progress(context.settings.progress, _total_size(files)) as shown:
            digests = _push(repository, files, shown, not context.options['force'],
                            context.settings.state_folder if context.options['resume'] else None)
        for file, digest in zip(files, digests):
            if file in streams:
                _warn_of_empty('standard input was empty' if file == STDIN else f'{file!r} was empty', digest)
        if alias is not None:
            repository.set_alias(alias, *digests)
    for digest in digests:
        context.print_result('digest', digest)


def _print_plan(context: Context, repository: Any, files: list[str]) -> None:
    """Print which blobs would be sent, and which are there, each once; and the bytes to send."""
    total = 0
    for digest, size in dict.fromkeys((hash_file(file), os.stat(file).st_size) for file in files):
        is_sent = context.options['force'] or repository.stored_size(digest, size) is None
        word = 'send' if is_sent else 'skip'
        context.print_action(word, f'{digest} {size}', digest=digest, size=size)
        total += size if is_sent else 0
    context.print_total(total)


def _check_order(given: list[str], last: str) -> None:
    """Check that an alias follows the files that it names; a file may have a name like an alias."""
    if not given and last.startswith('@') and not os.path.lexists(last):
        raise UsageError('too few arguments: a file stands before the @alias; a command follows --: ' + PROGRAM_USAGE)
    is_named = any(operand.startswith('@') and not os.path.lexists(operand) for operand in given)
    if is_named and not last.startswith('@'):
        raise UsageError('the @alias comes last, after the files; a command follows --: ' + PROGRAM_USAGE)
    if len(given) > 1 and (is_named or not last.startswith('@')):
        raise UsageError('too many arguments: several files are followed by one @alias that names them')
    if given and not last.startswith('@') and os.path.lexists(last):
        raise UsageError(f'invalid alias {last!r}: it is written with an @; several files are followed by one @alias')
    if given and os.path.lexists(last) and os.path.abspath(last) not in map(os.path.abspath, given):  # from a pattern
        raise UsageError(f'invalid alias {last!r}: it is also a file here, which would not be stored; write ./{last} '
                         'before the alias to store it too')


def _push_output(context: Context, command: list[str]) -> None:
    """Store the output of a program that ends with status 0, name it by an alias, and print its digest."""
    if context.options['resume']:
        raise UsageError('--resume is for a file: the output of a command cannot be read again')
    stream_commands.check_dry_run(context, [])
    if len(context.operands) > 1 or any(operand == STDIN or not operand.startswith('@') and os.path.lexists(operand)
                                        for operand in context.operands):
        raise UsageError('too many arguments: the output of a command is one blob: ' + PROGRAM_USAGE)
    alias = operands.at_alias(context.operands[0]) if context.operands else None
    if alias is None and operands.is_at_alias(command[-1]):
        console.print_error(f'{command[-1]} is given to the command: an alias stands before the --: {PROGRAM_USAGE}')
    with context.registry() as repository, operands.output_of(command, context.environ) as output:
        with progress(context.settings.progress) as shown:
            digest = _push_stream(repository, output, shown, not context.options['force'])
        _warn_of_empty('the command printed nothing', digest)
        if alias is not None:
            repository.set_alias(alias, digest)
    context.print_result('digest', digest)


def _warn_of_empty(reason: str, digest: str) -> None:
    """Warn about an empty blob from a program, which may have failed."""
    if digest == hash_bytes(b''):
        console.print_error(f'{reason}: an empty blob is stored')


def _push_stream(repository: Any, stream: Any, shown: Progress | None, check_exists: bool) -> str:
    digest: str = repository.push_blob(None, shown and (lambda digest, chunk: shown(digest, chunk, None)), stream,
                                       check_exists=check_exists)
    return digest


def _total_size(files: list[str]) -> int | None:
    """Return the sum of the sizes of several files; ``None`` for one file."""
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


def pull_blob(context: Context) -> None:
    """Write blobs to standard output or to a file; print the digests of multi-platform aliases."""
    output = context.options['output']
    is_to_file = output not in (None, STDOUT)
    stream_commands.check_using(context)
    if context.options['range'] is not None:
        _pull_range(context, byte_range.parse(context.options['range']), is_to_file)
        return
    if is_to_file:
        _check_output(output)
    targets = operands.targets(context)
    with context.registry() as repository:
        targets = [stream_commands.loaded(target, repository) for target in targets]
        stream = stream_commands.stream_of(context, repository, targets)
        if stream is not None:
            stream_commands.pull(context, stream, output if is_to_file else None)
            return
        resolved = [target.described(repository, context.settings.platform) for target in targets]
        if not any(resolved):
            raise _no_blobs(targets, 'nothing was written' + (': the file stays as it is' if is_to_file else ''))
        if is_to_file:
            _pull_to_file(context, repository, resolved)
            return
        blobs: list[Any] = []
        for named in resolved:
            if isinstance(named, dict):
                _pull(context, repository, blobs)
                blobs = []
                console.print_items({platform: [_digest(blob) for blob in some] for platform, some in named.items()})
            else:
                blobs += named
        _pull(context, repository, blobs)
    console.sync()  # here, as the disk may be full or broken only when the bytes reach it


def _pull_range(context: Context, wanted: byte_range.ByteRange, is_to_file: bool) -> None:
    """Write part of a blob, or of the blobs of an alias, to standard output."""
    if is_to_file:
        raise UsageError('-o is for whole blobs, which are verified: write a range to a file by > FILE')
    if len(context.operands) != 1:
        raise UsageError('--range is for one hash, or one @alias')
    target = operands.targets(context)[0]
    with context.registry() as repository:
        target = stream_commands.loaded(target, repository)
        stream = stream_commands.stream_of(context, repository, [target])
        opened: Any = stream_commands.opened(repository, target, context.settings.platform) if stream is None else \
            nullcontext(stream)
        with opened as file:
            start, end = wanted.within(file.size)
            digest = target.digest or (stream.digest if stream is not None else file.digests[0])
            blob_output.print_blobs(context, [(digest, file.part(start, end), end - start)], False)
    console.sync()


def _no_blobs(targets: list[operands.Target], consequence: str) -> DXFError:
    """Return the error for manifests that name no blobs, so that a command has nothing to do."""
    shown = ', '.join(target.shown for target in targets)
    return DXFError(f'{shown}: no blobs are named, and {consequence}')


def _digest(blob: Any) -> str:
    """Return the digest of a blob, which may be given with its size."""
    return str(blob if isinstance(blob, str) else blob[0])


def _check_output(filename: str) -> None:
    from dxf.local import atomic_files
    try:
        atomic_files.check_target(filename)
    except OSError as error:
        raise UsageError(f'cannot write {filename!r}: {error.strerror}{about_output(filename, error.errno)}') from None


def _pull_to_file(context: Context, repository: Any, resolved: list[Any]) -> None:
    from dxf.transfer import pulling  # there is a repository: requests is loaded
    for named in resolved:
        if isinstance(named, dict):
            raise UsageError(f'the alias has several platforms: set DXF_PLATFORM to one of {", ".join(sorted(named))}')
    blobs = [blob for named in resolved for blob in named]
    total = sum(repository.sizes_of(pulling.check_wanted(blobs))) if len(blobs) > 1 else None
    with progress(context.settings.progress, total) as shown:
        repository.pull_to_file(context.options['output'], *blobs, progress=shown)


def _pull(context: Context, repository: Any, blobs: list[Any]) -> None:
    if blobs:
        fetched = _fetch(repository, blobs, context.settings.chunk_size or 0)
        blob_output.print_blobs(context, fetched, context.settings.blob_info)


def _fetch(repository: Any, blobs: list[Any], chunk_size: int) -> Iterator[tuple[str, Iterator[bytes], int]]:
    if len(blobs) == 1 and isinstance(blobs[0], str):
        chunks, size = repository.pull_blob(blobs[0], size=True, chunk_size=chunk_size)
        yield blobs[0], chunks, size
    else:
        yield from repository.pull_blobs(blobs, chunk_size)


def blob_size(context: Context) -> None:
    """Print the size of each blob, or the sum for each alias."""
    targets = operands.targets(context)
    with context.registry() as repository:
        for target in targets:
            target = stream_commands.loaded(target, repository)
            size = stream_commands.size_of(repository, target)
            if size is not None:
                context.print_result('size', size, **target.named)
                continue
            blobs = target.blobs(repository, context.settings.platform, sizes=True)
            sizes = {platform: _sum(sized) for platform, sized in blobs.items()} if isinstance(blobs, dict) else \
                _sum(blobs)
            context.print_result('size', sizes, **target.named)


def _sum(blobs: list[tuple[str, int]]) -> int:
    return sum(size for _, size in blobs)


def mount_blob(context: Context) -> None:
    """Mount a blob from another repository, name it by an alias, and print its digest."""
    source = registry_choice.within(context.settings, context.operands[0])
    source = operands.repository(source, context.settings.host)
    digest = operands.digest(context.operands[1])
    alias = operands.at_alias(context.operands[2]) if len(context.operands) > 2 else None
    with context.registry() as repository:
        repository.mount_blob(source, digest)
        if alias is not None:
            repository.set_alias(alias, digest)
    context.print_result('digest', digest)


def del_blob(context: Context) -> None:
    """Delete blobs, each once."""
    targets = operands.targets(context)
    with context.registry() as repository:
        digests: dict[str, None] = {}
        for target in targets:
            blobs = target.blobs(repository, context.settings.platform)
            for some in blobs.values() if isinstance(blobs, dict) else [blobs]:
                digests.update(dict.fromkeys(some))
        if not digests:
            raise _no_blobs(targets, 'nothing was deleted')
        for digest in digests:
            if context.options['dry_run']:
                console.print_items(f'delete {digest} {repository.blob_size(digest)}')
            else:
                repository.del_blob(digest)
    if terminal.is_terminal(sys.stderr):  # for programs, a success is silent there
        _tell_that_aliases_stay(context, targets)


def _tell_that_aliases_stay(context: Context, targets: Iterable[operands.Target]) -> None:
    """Tell what the deletion of an alias's blobs leaves: people mean the alias."""
    names = [target.alias for target in targets if target.alias is not None]
    if names and not context.options['dry_run']:
        console.print_error(f'the blobs are deleted, and the alias {names[0]} stays without them; dxf del-alias '
                            f'{context.typed_repository} {names[0]} deletes it')
