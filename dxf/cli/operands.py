"""Operands: what stands behind a command, checked and turned into what it means, before the first request."""

import errno
import os
import re
import stat
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from dxf.cli import console
from dxf.cli.context import Context, UsageError
from dxf.cli.mistakes import is_digest
from dxf.cli.operand_mistakes import about_alias, about_digest, about_empty, about_file, about_program
from dxf.exceptions import DXFError, DXFInvalidDocumentError, DXFInvalidNameError
from dxf.local import special_files
from dxf.names import (FOLDER, check_alias_at, check_platform, check_registry, check_repository, complete_digest,
                       is_folder, is_sha256, repository_at)
from dxf.strict_json import load_object

if TYPE_CHECKING:
    from dxf.cli.command_source import CommandSource
    from dxf.layout.store import Layout


_BEFORE_WILD = r'[^*?\[]*(?=[*?\[])'
"""The beginning of a pattern of the shell."""


class Target(NamedTuple):
    """A blob, or the blobs of an alias, as an operand names them; or a manifest from standard input.

    :param manifest: a text, or what ``resolve`` returned for the alias
    """

    digest: str | None = None
    alias: str | None = None
    manifest: Any = None

    @property
    def named(self) -> dict[str, str | None]:
        """What it is called in an answer as JSON."""
        return {'digest': self.digest} if self.digest is not None else {'alias': self.alias}

    def blobs(self, registry: Any, platform: str | None, sizes: bool = False) -> Any:
        """Return the digests of the blobs; by platform for a multi-platform alias."""
        if self.digest is not None:
            return [(self.digest, registry.blob_size(self.digest)) if sizes else self.digest]
        return self.check_found(registry.get_alias(self.alias, self.manifest, sizes=sizes, platform=platform))

    def check_found(self, found: Any) -> Any:
        """Return what was found for it, by platform perhaps.

        :raises DXFInvalidDocumentError: it is an index without any image that dxf reads
        """
        if found == {}:
            raise DXFInvalidDocumentError(f'{self.shown} is an index without any image that dxf reads')
        return found

    @property
    def shown(self) -> str:
        """What it is called in a message."""
        return 'the manifest' if self.alias is None else f'the alias {self.alias!r}'

    def described(self, registry: Any, platform: str | None) -> Any:
        """Return the blobs to pull, each with the size that a manifest gives, where one does; or by platform."""
        from dxf.client import DXF  # there is a registry: requests is loaded
        if self.digest is not None:
            return [self.digest]
        if getattr(type(registry), 'get_alias', None) is not DXF.get_alias:  # a class in place of ours decides itself
            return registry.get_alias(self.alias, self.manifest, platform=platform)
        return self.check_found(registry.described_blobs(self.alias, self.manifest, platform))


def alias(operand: str, host: str = '') -> str:
    """Return an alias, which may be written with an ``@``.

    In a folder it may also be the full reference by which another tool named a manifest.
    """
    return _checked_alias(operand.removeprefix('@'), host)


def _checked_alias(name: str, host: str = '') -> str:
    try:
        return check_alias_at(host, name)
    except DXFInvalidNameError as error:
        raise UsageError(f'{error}{about_empty(name)}') from None


def _alias_to_read(operand: str, host: str = '') -> str:
    """Return an alias; the message for one that is not valid ends with what ``about_alias`` knows."""
    name = operand.removeprefix('@')
    try:
        return _checked_alias(name, host)
    except UsageError as error:
        hint = '; a hash is written without the @' if name != operand and is_digest(name) else about_alias(name)
        raise UsageError(f'{error}{hint}') from None


def reference(operand: str, host: str = '') -> str:
    """Return an alias, or the digest of a manifest."""
    return digest(operand) if is_sha256(operand) else _alias_to_read(operand, host)


def named(operand: str, host: str) -> str:
    """Return the alias of something that is read; in a folder, whose manifests need no name, also a digest."""
    name = operand.removeprefix('@')
    return digest(name) if is_folder(host) and is_sha256(name) else _alias_to_read(operand, host)


def prefix(text: str, host: str) -> str:
    """Return the beginning of aliases that an option has as its value.

    :raises UsageError: no alias can begin with it
    """
    text = text.removeprefix('@')
    start = _no_pattern(text).removesuffix('/') if is_folder(host) else _no_pattern(text)
    if start and not is_sha256(start):
        try:
            check_alias_at(host, start)
        except DXFInvalidNameError as error:
            raise UsageError(f'--prefix: {error}') from None
    return text


def repository_prefix(text: str) -> str:
    """Return the beginning of repositories that an option has as its value.

    :raises UsageError: no repository can begin with it
    """
    start = _no_pattern(text).rstrip('/._-')
    if text:
        try:
            check_repository(start)
        except DXFInvalidNameError as error:
            raise UsageError(f'--prefix: {error}') from None
    return text


def _no_pattern(text: str) -> str:
    """Return the value of ``--prefix``.

    :raises UsageError: it is a pattern of the shell
    """
    plain = re.match(_BEFORE_WILD, text)
    if plain is not None:
        raise UsageError(f'--prefix: {text!r} is a pattern: write the beginning alone, --prefix={plain[0]}')
    return text


def at_alias(operand: str) -> str:
    """Return the alias behind an ``@``."""
    if not operand.startswith('@'):
        raise UsageError(f'invalid alias {operand!r}: write it with an @ before it')
    return alias(operand)


def is_at_alias(word: str) -> bool:
    """Return whether a word is an alias behind an ``@``, and no file here has this name."""
    try:
        return word.startswith('@') and alias(word) != '' and not os.path.lexists(word[1:])
    except UsageError:
        return False


def digest(operand: str, other: str = '', meaning: str = '') -> str:
    """Return the digest that an operand is; else the message says what ``other`` would mean."""
    try:
        return complete_digest(operand)
    except DXFError as error:
        hint = f'; {meaning} is written {other}' if other and ':' not in operand else ''
        raise UsageError(f'{error}{about_empty(operand) or about_digest(operand) or hint}') from None


def manifest_digest(operand: str, option: str) -> str:
    """Return the digest of a manifest that an option has as its value."""
    try:
        return digest(operand)
    except UsageError as error:
        raise UsageError(f'{option}: {error}; dxf get-manifest-digest prints that of an alias') from None


def repository(operand: str, host: str) -> str:
    """Return the name by which a registry knows a repository."""
    try:
        return repository_at(check_registry(host), operand)
    except DXFInvalidNameError as error:
        raise UsageError(f'{error}{about_empty(operand)}') from None


def layout(host: str, operand: str) -> 'Layout':
    """Return a repository in a folder as the layout that it is."""
    from dxf.layout import store
    return store.Layout(check_registry(host).removeprefix(FOLDER), operand)


def layout_of(context: Context) -> 'Layout':
    """Return the repository of a command in a folder as the layout that it is."""
    return layout(context.settings.host, context.repository or '')


def check_to_create(operand: str, host: str) -> None:
    """Check that a push does not make a layout of the folder of all repositories, whose name is empty.

    :raises UsageError: the repository is that folder, and it is no layout yet
    """
    if not operand and is_folder(host) and not (root := layout(host, operand)).exists():
        raise UsageError(f'invalid repository {operand!r}: it stands for the folder itself, and {root.folder} is no '
                         'layout; is a variable unset?')


def check_place(operand: str, host: str, name: str) -> None:
    """Check that the path of a folder does not end with the repository, which would be stored below that once more.

    :param name: what names the folder: ``DXF_HOST`` or ``--to``
    :raises UsageError: it does, and the folder is not there yet
    """
    path = host.removeprefix(FOLDER)
    full = os.path.abspath(path)
    is_twice = is_folder(host) and operand != '' and full.endswith(f'/{operand}')
    if not is_twice or os.path.isdir(full):
        return
    short = path.rstrip('/')
    short = (short if short.endswith(f'/{operand}') else full).removesuffix(f'/{operand}') or '/'
    raise UsageError(f'{name}: {host} ends with the repository, which would be stored below it as {operand}: '
                     f'write {name}={FOLDER}{short}; if it is meant, make the folder '
                     f'{os.path.join(path, operand)} first')


def file(operand: str, folders: str = '') -> str:
    """Return the path of a file that can be read; it is not opened, as it may be a pipe.

    :param folders: how the message for a folder ends
    """
    try:
        reason = errno.EISDIR if stat.S_ISDIR(os.stat(operand).st_mode) else \
            errno.EACCES if not os.access(operand, os.R_OK) else 0
    except OSError as error:
        reason = error.errno or errno.EIO
    except ValueError:  # a NUL character
        reason = errno.EINVAL
    if reason:
        hint = folders if reason == errno.EISDIR else about_file(operand)
        raise UsageError(f'cannot read {operand!r}: {os.strerror(reason)}{hint}')
    return operand


def alias_to_copy(operands: list[str]) -> str | None:
    """Return what gets a second name by ``set-alias``, an alias or a manifest's digest; ``None`` if blobs get a name.

    :param operands: those behind the new alias
    :raises UsageError: an alias stands among blobs
    """
    names = [operand for operand in operands
             if operand.startswith('@') and not (os.sep in operand and os.path.lexists(operand))]
    if names and len(operands) > 1:
        raise UsageError(f'too many arguments: {names[0]} stands alone, as its manifest gets a second name; '
                         f'dxf get-alias prints the hashes of its blobs')
    return names[0].removeprefix('@') if names else None


def check_read_once(files: list[str]) -> None:
    """Check that no pipe is given twice, by whatever names: each of its readers would get a part."""
    twice = special_files.read_twice(files)
    if twice is not None:
        raise UsageError(f'{twice!r} is given twice: what can be read only once is one blob alone')


def output_of(command: list[str], environ: Mapping[str, str]) -> 'CommandSource':
    """Start a command, and return its output.

    :param environ: the variables of this run of dxf
    """
    from dxf.cli import command_source
    try:
        return command_source.CommandSource(command, {**os.environ, **environ})
    except (OSError, ValueError) as error:  # ValueError: a NUL character
        reason = getattr(error, 'strerror', None) or error
        raise UsageError(f'cannot run {command[0]!r}: {reason}; {about_program(command)}') from None


def platform_of(operand: str) -> str:
    """Return a platform."""
    try:
        return check_platform(operand)
    except DXFInvalidNameError as error:
        raise UsageError(str(error)) from None


def _manifest(context: Context, operand: str) -> str:
    """Return the manifest on standard input, which is read where no operand was given.

    :param operand: what the operand would be
    """
    if console.is_typed():
        console.print_error(f'no {operand} was given: type a manifest, and Ctrl-D to end it')
    text = console.read()
    if not text.strip():
        raise UsageError(f'no {operand} was given, and standard input is empty; dxf list-aliases '
                         f'{context.typed_repository} prints the aliases')
    try:
        is_manifest = bool({'schemaVersion', 'mediaType'} & set(load_object(text)))
        reason = 'it has no schemaVersion'
    except DXFInvalidDocumentError as error:
        is_manifest, reason = False, str(error)
    if not is_manifest:
        raise DXFInvalidDocumentError(f'standard input is no manifest: {reason}; the {operand} is given after the '
                                      'repository')
    return text


def targets(context: Context) -> list[Target]:
    """Return what the operands name; without operands, the manifest on standard input."""
    if not context.operands:
        return [Target(manifest=_manifest(context, 'hash or alias'))]
    return [Target(alias=named(operand, context.settings.host)) if operand.startswith('@') else
            Target(digest=_digest_to_read(context, operand)) for operand in context.operands]


def _digest_to_read(context: Context, operand: str) -> str:
    """Return the digest that an operand is; the name of a file to write is answered with its option."""
    is_file = 'output' in context.options and context.options['output'] is None and operand != context.operands[0]
    return digest(operand, f'@{operand}', f'a file to write to is given by -o {operand}, an alias' if is_file else
                  'an alias')


def aliases(context: Context) -> list[Target]:
    """Return what the aliases name that the operands are; without operands, the manifest on standard input."""
    if not context.operands:
        return [Target(manifest=_manifest(context, 'alias'))]
    return [Target(alias=named(operand, context.settings.host)) for operand in context.operands]
