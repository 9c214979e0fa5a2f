"""The helper that runs a test for all rows of a table: no row is left out, and one that fails is named."""

import inspect
from typing import Any

import pytest

from .tables import for_each


@pytest.mark.parametrize('rows', [
    {'first': (1, 2), 'second': (3, 4)}, [pytest.param(1, 2, id='first'), pytest.param(3, 4, id='second')]],
    ids=['named', 'parameters'])
def test_a_test_is_run_for_each_row_and_a_failure_names_its_row(rows: Any) -> None:
    met: list[tuple[str, int, int]] = []

    def check(given: str, one: int, other: int) -> None:
        met.append((given, one, other))
        assert one < limit
    limit = 9
    run = for_each('one, other', rows)(check)
    run(given='a fixture')
    assert met == [('a fixture', 1, 2), ('a fixture', 3, 4)]
    assert list(inspect.signature(run).parameters) == ['given']  # what pytest takes for fixtures
    limit = 3
    with pytest.raises(AssertionError, match="^the row 'second': "):
        run(given='a fixture')


def test_an_exception_that_is_missing_is_a_failure_of_its_row() -> None:
    def check(number: str) -> None:
        with pytest.raises(ValueError):
            int(number)
    run = for_each('number', ['1', 'x'])(check)
    with pytest.raises(AssertionError, match=r"^the row \"\('1',\)\": DID NOT RAISE"):
        run()


def test_a_table_without_rows_is_a_mistake() -> None:
    with pytest.raises(AssertionError):
        for_each('number', [])
