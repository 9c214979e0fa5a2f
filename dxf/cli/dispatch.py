"""The dispatch of a command line to the function of its command, and the exit status of errors of registries."""

import errno
import sys
import warnings
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from importlib import import_module

from dxf.cli import console, new_stores, operands, registry_choice, terminal
from dxf.cli.context import Context, UsageError, target_of
from dxf.cli.error_messages import FAILED, is_answer, line_of, status_of
from dxf.cli.parsers import CommandLine, fail, fail_about_operands
from dxf.environment.reader import read_settings
from dxf.environment.variable_values import SettingsError, read_rate
from dxf.hints import is_of_target, mark_as_target
from dxf.strict_json import printable

FUNCTIONS = {
    'push-blob': 'blob_commands.push_blob',
    'pull-blob': 'blob_commands.pull_blob',
    'blob-size': 'blob_commands.blob_size',
    'mount-blob': 'blob_commands.mount_blob',
    'del-blob': 'blob_commands.del_blob',
    'verify': 'alias_commands.verify',
    'set-alias': 'alias_commands.set_alias',
    'get-alias': 'alias_commands.get_alias',
    'del-alias': 'alias_commands.del_alias',
    'prune': 'retention_commands.prune',
    'list-aliases': 'repository_commands.list_aliases',
    'du': 'repository_commands.du',
    'diff': 'comparison_commands.diff',
    'copy': 'copy_commands.copy',
    'push-files': 'file_commands.push_files',
    'pull-files': 'file_commands.pull_files',
    'attach': 'file_commands.attach',
    'referrers': 'file_commands.referrers',
    'backup': 'snapshot_commands.backup',
    'restore': 'snapshot_commands.restore',
    'list-files': 'snapshot_commands.list_files',
    'inspect': 'alias_commands.inspect',
    'get-digest': 'alias_commands.get_digest',
    'get-manifest': 'alias_commands.get_manifest',
    'get-manifest-digest': 'alias_commands.get_manifest_digest',
    'list-repos': 'repository_commands.list_repos',
    'gc': 'repository_commands.gc',
    'probe': 'probe_commands.probe',
    'login': 'login_commands.login',
    'logout': 'login_commands.logout',
    'auth': 'login_commands.auth',
}
"""The function of each command: its module, which is loaded when the command runs, and its name."""


def function_of(command: str) -> Callable[[Context], int | None]:
    """Return the function of a command."""
    module, _, name = FUNCTIONS[command].partition('.')
    function: Callable[[Context], int | None] = getattr(import_module(f'dxf.cli.{module}'), name)
    return function


def run(line: CommandLine, environ: Mapping[str, str]) -> int:
    """Run a command.

    :return: 0, or what the command returns; ``errno.EACCES`` when unauthorised; ``errno.ENOENT`` when the registry does
        not have it
    :raises SystemExit: with status 2, a setting or an operand cannot be right
    :raises Exception: another error
    """
    try:
        return _run(function_of(line.command.name), _make_context(line, environ))
    except SettingsError as error:
        fail(f'dxf {line.command.name}', str(error))
    except UsageError as error:
        fail_about_operands(line, str(error))


def _make_context(line: CommandLine, environ: Mapping[str, str]) -> Context:
    command = line.command
    operand = line.operands[0] if line.operands else None
    choice = registry_choice.choose(environ, line.options['host'], operand, target_of(line.options))
    settings = read_settings(choice.environ, needs_no_password=command.needs_no_password)
    settings = settings._replace(named_by=choice.named_by, set_aside=choice.set_aside)
    if line.options.get('progress') is not None:
        settings = settings._replace(progress=line.options['progress'])
    if line.options.get('limit_rate') is not None:
        settings = settings._replace(rate=read_rate('--limit-rate', line.options['limit_rate']))
    repository = choice.repository
    if repository is not None:
        operands.repository(repository, settings.host)
        if command.creates_repository:
            operands.check_to_create(repository, settings.host)
            operands.check_place(repository, settings.host, settings.named_by)
    return Context(settings, command.actions, repository, line.operands[1:], line.options, choice.environ,
                   line.program, {})


def _run(function: Callable[[Context], int | None], context: Context) -> int:
    """Call the function of a command; return its exit status, or that of a registry's refusal."""
    try:
        with warnings.catch_warnings(), _notes(context):
            return function(context) or 0
    except Exception as error:
        from dxf.cli import next_steps
        if context.is_about_target(error):
            mark_as_target(error)
        next_steps.add_next_step(context, error)
        status = status_of(error)
        if not is_answer(error) or status == FAILED:
            raise
        console.print_error(_refusal(context, error, status))
        return status


def _notes(context: Context) -> AbstractContextManager[object]:
    """Return a context in which requests, retries and new stores are written to standard error.

    Programs read standard error too. So requests are written only for DXF_DEBUG, the others only on a terminal.
    """
    is_debug, is_terminal = context.settings.debug, terminal.is_terminal(sys.stderr)
    with ExitStack() as notes:
        if is_debug or is_terminal:
            from dxf.cli import request_log  # it brings logging
            notes.enter_context(request_log.on_standard_error(once=not is_debug))
        if is_terminal:
            target = target_of(context.options)
            notes.enter_context(new_stores.told(context.settings.host, *([] if target is None else [target])))
        return notes.pop_all()


def _refusal(context: Context, error: Exception, status: int) -> str:
    """Return the message for what the registry refuses or does not have."""
    line = line_of(error)
    if status == errno.EACCES:
        return line + printable(f'; {context.credential_for(error)}')
    response = getattr(error, 'response', None)
    if response is None or is_of_target(error):
        return line
    from dxf.cli import not_found
    return not_found.explained(context, response, line)
