"""Retention: which aliases of a repository stay by some rules, and the deletion of the others.

:func:`plan` decides, from names and times alone. :func:`times_of` finds out the times, and :func:`apply` deletes. Each
name is loaded when it is first used: a command checks its rules without what makes requests.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dxf.retention.alias_times import Times, times_of
    from dxf.retention.applying import apply, check_number
    from dxf.retention.rules import Decision, Rules, Span, plan, subject_of
    from dxf.retention.time_format import TimeFormat

__all__ = ['Decision', 'Rules', 'Span', 'TimeFormat', 'Times', 'apply', 'check_number', 'plan', 'subject_of',
           'times_of']

_SOURCES = {'Times': 'alias_times', 'times_of': 'alias_times', 'apply': 'applying', 'check_number': 'applying',
            'TimeFormat': 'time_format'}
"""The module of each name; ``rules`` has the others."""

if not TYPE_CHECKING:
    def __getattr__(name: str) -> Any:
        """Return a public name."""
        if name in __all__:
            module = import_module(f'dxf.retention.{_SOURCES.get(name, "rules")}')
            return globals().setdefault(name, getattr(module, name))
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
