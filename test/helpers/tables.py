"""Tables of tests: which values of two tables meet."""

from collections.abc import Mapping
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
