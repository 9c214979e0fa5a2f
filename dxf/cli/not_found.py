"""Not found: what a registry lacks, and the command that lists what it has, in place of a status and a code."""

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from dxf.cli import operands
from dxf.cli.context import Context
from dxf.environment.settings import Settings
from dxf.exceptions import DXFError
from dxf.names import FOLDER, check_registry, is_docker_hub, is_folder
from dxf.strict_json import printable
from dxf.transport.redaction import public_url

if TYPE_CHECKING:  # commands check their operands without requests
    from requests import Response

NO_LAYOUT = 'there is no layout in '
"""What a folder answers for a repository that it lacks, by the code of what was asked for."""


def _list(settings: Settings) -> str:
    return f'; dxf list-repos{settings.host_option} prints the repositories'


def explained(context: Context, response: 'Response', line: str) -> str:
    """Return the line for a response of 404, where it is known what is missing; else the line as it is.

    :param line: of the error that the response became
    """
    from dxf.missing import missing_in  # there is a response: requests is loaded
    from dxf.transport.responses import error_codes
    path = public_url(response.url).partition('/v2/')[2]
    missing = missing_in(response)
    shown = f' ({path})' if missing is None else f'; {missing}'
    if not path or not line.endswith(shown.removeprefix('; ')):
        return line  # it says already what is missing
    codes = error_codes(response)
    host = check_registry(context.settings.host)
    if is_folder(host) and NO_LAYOUT in line:
        return f'404 Not Found: {line[line.index(NO_LAYOUT):].removesuffix(shown)}{about_layouts(context)}'
    if 'NAME_UNKNOWN' in codes:
        return line if is_docker_hub(host) else line + _list(context.settings)
    if missing is None:
        return line
    repository, what, name = missing
    said = _lost(context, name) if what == 'alias' and repository == context.repository else ''
    hint = _hint(context, what, name) if repository == context.repository else ''
    if getattr(response.request, 'method', None) == 'DELETE' and hint.endswith(_PRINTS):
        hint += ', and dxf del-alias deletes what names it'
    said = said or f'{repository or context.settings.host} has no {what} {name}{hint}'
    return printable(f'404 Not Found: {said}')


_PRINTS = '; if this is the hash of a manifest, dxf get-manifest prints it'


def _hint(context: Context, what: str, name: str) -> str:
    """Return the hint for an alias, a manifest or a blob that the repository of a command lacks."""
    if what == 'alias' and 'inside' in context.options and os.path.isdir(name):
        return f'; a folder on disk is written .{os.sep}{name}'
    if what == 'alias':
        return f'; dxf list-aliases {context.typed_repository} prints its aliases{about_relative(context.settings)}'
    if f'@{name}' in context.operands:
        return '; the hash of a blob is written without the @'
    if what == 'manifest':
        return '; if this is the hash of a blob, dxf pull-blob fetches it'
    damage = damaged(context, name)
    if damage:
        return f'; {damage}'
    is_given = any(name.endswith(operand) for operand in context.operands)
    return _PRINTS if is_given else \
        '; the alias names it: push it again, or copy the alias again'


def _lost(context: Context, alias: str) -> str:
    """Return what is wrong with an alias of a folder whose manifest is not there; empty if there is no such alias."""
    if not is_folder(context.settings.host):
        return ''
    from dxf.layout import manifests
    layout = operands.layout_of(context)
    with suppress(DXFError, OSError):
        for entry in manifests.entries_named(layout, alias):
            return f'{layout.blob_path(entry["digest"])}, the manifest of the alias {alias}, is missing or damaged: ' \
                'copy it again, or delete the alias by dxf del-alias'
    return ''


def damaged(context: Context, digest: str) -> str:
    """Return what to do about a blob of a folder whose file has another hash than its name; empty if it is not so."""
    if not is_folder(context.settings.host) or context.repository is None:
        return ''
    layout = operands.layout_of(context)
    with suppress(DXFError, OSError):
        if layout.digest_in_file(digest) not in (None, digest):
            return f'{layout.blob_path(digest)} is damaged: push the blob again, or copy it again'
    return ''


def about_layouts(context: Context) -> str:
    """Return the hint for a layout that is not there."""
    missing = missing_root(context.settings)
    return f'; {missing}' if missing else _list(context.settings) + about_relative(context.settings)


def about_relative(settings: Settings) -> str:
    """Return the hint for a relative path of a folder, which is another folder elsewhere; empty for other paths."""
    path = settings.host.removeprefix(FOLDER)
    if not is_folder(settings.host) or os.path.isabs(path):
        return ''
    return f'; {settings.host} is {os.path.abspath(path)} here: write the whole path in {settings.named_by}'


def missing_root(settings: Settings) -> str:
    """Return the hint for a folder of repositories that is not there; empty if it is."""
    path = settings.host.removeprefix(FOLDER)
    if os.path.isdir(path):
        return ''
    if os.path.lexists(path):
        return f'{settings.named_by} names {path}, which is no folder'
    if os.path.isabs(path):
        return f'{settings.named_by} names {path}, which does not exist: is that right?'
    return f'{settings.named_by} names {path}, and {os.path.abspath(path)} does not exist: write the whole path in ' \
        f'{settings.named_by}'
