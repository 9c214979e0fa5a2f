"""The command that tells what a registry is and can do."""

from contextlib import closing
from typing import TYPE_CHECKING

from dxf.cli import operands
from dxf.cli.context import Context, UsageError
from dxf.strict_json import printable

if TYPE_CHECKING:  # commands check their operands without requests
    from dxf.probing import Finding


def probe(context: Context) -> None:
    """Print what a registry is and can do, one finding a line."""
    if context.options['write']:
        if context.repository is None:
            raise UsageError('too few arguments: --write needs a repository: dxf probe <repo> --write')
        operands.check_to_create(context.repository, context.settings.host)
    with context.registry() as registry:
        from dxf import probing
        with closing(probing.probe(registry, context.options['write'])) as findings:
            for finding in findings:
                _print(context, finding)
                if finding.subject == 'login':
                    _print(context, probing.Finding('credential', context.credential))


def _print(context: Context, finding: 'Finding') -> None:
    if context.options['json']:
        context.print_result('answer', finding.answer, subject=finding.subject, detail=finding.detail)
    else:
        context.print_result('answer', printable(finding.line))
