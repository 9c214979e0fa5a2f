"""Tables of tests: which values of two tables meet, and what runs a test for all rows of one."""

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from itertools import cycle, islice
from typing import Any

import pytest


def paired(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[Any]:
    """Return pairs in which each value of both tables stands at least once, for ``parametrize``.

    For a check that is one function wherever it is made: all pairs would say the same many times.
    """
    count = max(len(first), len(second))
    return [pytest.param(one, other, id=f'{name}-{other_name}') for (name, one), (other_name, other) in zip(
        islice(cycle(first.items()), count), islice(cycle(second.items()), count), strict=True)]


def on_folder_and_server(names: str, rows: Iterable[Any]) -> pytest.MarkDecorator:
    """Parametrize a test by the rows of a table, each on a folder and on one of the servers, which take turns.

    For what a folder answers by its own code, and all servers by the same whichever way they let users in.
    """
    params = []
    for server, row in zip(cycle(('open', 'htpasswd', 'token')), rows):
        given = row if hasattr(row, 'marks') else pytest.param(*(row if ',' in names else (row,)))
        params += [pytest.param(place, *given.values, marks=given.marks, id=given.id and f'{place}-{given.id}')
                   for place in (server, 'oci')]
    return pytest.mark.parametrize(f'endpoint, {names}', params, indirect=['endpoint'])


Test = Callable[..., None]


def for_each(names: str, rows: Mapping[str, Any] | Iterable[Any]) -> Callable[[Test], Test]:
    """Run a test for each row of a table, as one test; a failure names its row.

    For rows that share their fixtures, and take less time than pytest needs for a test.

    :param names: of the arguments that a row has, as for ``parametrize``
    :param rows: by their names, or those of ``parametrize``
    """
    keys = [name.strip() for name in names.split(',')]
    table = _named(rows if isinstance(rows, Mapping) else list(rows), len(keys))
    assert table

    def decorate(test: Test) -> Test:
        signature = inspect.signature(test)

        @functools.wraps(test)
        def run_all(**fixtures: Any) -> None:
            for name, values in table:
                try:
                    test(**fixtures, **dict(zip(keys, values, strict=True)))
                except (Exception, pytest.fail.Exception) as error:
                    raise AssertionError(f'the row {name!r}: {error}') from error
        given = [parameter for name, parameter in signature.parameters.items() if name not in keys]
        setattr(run_all, '__signature__', signature.replace(parameters=given))
        return run_all
    return decorate


def _named(rows: Mapping[str, Any] | list[Any], count: int) -> list[tuple[str, tuple[Any, ...]]]:
    """Return the rows with their names, and with a tuple of values each."""
    if isinstance(rows, Mapping):
        return [(name, row if count > 1 else (row,)) for name, row in rows.items()]
    params: list[Any] = [row if hasattr(row, 'marks') else pytest.param(*(row if count > 1 else (row,)))
                         for row in rows]
    return [(str(param.id or param.values), tuple(param.values)) for param in params]
