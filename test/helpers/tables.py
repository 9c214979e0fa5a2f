"""Tables of tests: which values of two tables meet."""

from collections.abc import Iterable, Mapping
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
