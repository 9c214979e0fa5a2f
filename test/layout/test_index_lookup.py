"""Lookups in ``index.json``: a file that stays the same is read at most twice, and no change is missed."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from dxf import DXF
from dxf.layout import folder, index, index_lookup

ALIASES = [f'v{number}' for number in range(30)]


@pytest.fixture(name='client')
def make_client(tmp_path: Path) -> DXF:
    """Return a repository with many aliases of one blob, whose index was changed long ago."""
    client = DXF(f'oci:{tmp_path}/store', 'fred/data')
    digest = client.push_blob(data=b'content')
    for alias in ALIASES:
        client.set_alias(alias, digest)
    settle(tmp_path)
    return client


def index_of(tmp_path: Path) -> Path:
    """Return the path of the index."""
    return tmp_path / 'store' / 'fred' / 'data' / 'index.json'


def settle(tmp_path: Path) -> None:
    """Have the index seem to be of last year; its change time stays that of now."""
    os.utime(index_of(tmp_path), (1.7e9, 1.7e9))


@pytest.fixture(name='readings')
def count_readings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that grows with each reading of an index, whose file counts as settled at once."""
    read = index.entries_in
    found: list[str] = []

    def entries_in(file: BinaryIO, fields: dict[str, str]) -> Iterator[tuple[Any, str]]:
        found.append('reading')
        return read(file, fields)
    monkeypatch.setattr(folder, 'entries_in', entries_in)
    monkeypatch.setattr(index_lookup, 'SETTLED', 0)
    return found


def test_many_aliases_are_looked_up_in_two_readings(client: DXF, readings: list[str]) -> None:
    assert len({client.manifest_digest(alias) for alias in ALIASES}) == 1
    assert len({client.get_manifest(alias) for alias in ALIASES}) == 1
    assert len(readings) == 2


def test_many_digests_are_looked_up_in_two_readings(client: DXF, readings: list[str]) -> None:
    digest = client.manifest_digest('v0')
    readings.clear()
    assert {client.resolve(digest).digest for _ in range(10)} == {digest}
    assert len(readings) <= 2


@pytest.mark.usefixtures('readings')
def test_an_alias_that_another_client_sets_is_seen_at_once(client: DXF, tmp_path: Path) -> None:
    other = DXF(f'oci:{tmp_path}/store', 'fred/data')
    for alias in ALIASES[:3]:
        client.get_alias(alias)
    blob = other.push_blob(data=b'another')
    other.set_alias('v1', blob)
    assert client.get_alias('v1') == [blob]
    other.del_alias('v2')
    assert not client.exists('v2')


@pytest.mark.usefixtures('readings')
def test_a_change_in_place_of_equal_length_is_seen(client: DXF, tmp_path: Path) -> None:
    for alias in ALIASES[:3]:
        client.get_alias(alias)
    path = index_of(tmp_path)
    text = path.read_text('utf-8')
    path.write_text(text.replace('"v1"', '"w1"'), 'utf-8')
    settle(tmp_path)  # as a copying tool does that keeps times
    assert client.exists('w1')
    assert not client.exists('v1')


def test_an_index_that_was_just_changed_is_read_each_time(client: DXF, readings: list[str],
                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_lookup, 'SETTLED', 3600)
    for alias in ALIASES:
        client.get_alias(alias)
    assert len(readings) == len(ALIASES)


def test_a_large_index_is_not_remembered(client: DXF, readings: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_lookup, 'MAX_SIZE', 100)
    for alias in ALIASES:
        client.get_alias(alias)
    assert len(readings) == len(ALIASES)
