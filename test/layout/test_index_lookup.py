"""Lookups in ``index.json``: a file that stays the same is read at most twice, and no change is missed."""

import json
import os
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any, BinaryIO

import pytest

from dxf import DXF, hash_bytes
from dxf.exceptions import DXFError
from dxf.layout import folder, index, index_lookup

MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
OCI_INDEX = 'application/vnd.oci.image.index.v1+json'
ALIASES = [f'v{number}' for number in range(30)]


@pytest.fixture(name='client')
def make_client(tmp_path: Path) -> DXF:
    """Return a repository with many aliases of one blob, whose index was changed long ago."""
    client = DXF(f'oci:{tmp_path}/store', 'fred/data')
    digest = client.push_blob(data=b'content')
    for alias in ALIASES:
        client.set_alias(alias, digest)
    settle(tmp_path)
    return DXF(f'oci:{tmp_path}/store', 'fred/data')


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


def test_an_index_that_was_just_changed_is_compared_each_time(client: DXF, readings: list[str], tmp_path: Path,
                                                              monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_lookup, 'SETTLED', 3600)
    path, text = index_of(tmp_path), index_of(tmp_path).read_text('utf-8')
    times = path.stat()
    for alias in ALIASES:
        client.get_alias(alias)
    for name in ('w1', 'x1'):
        path.write_text(text.replace('"v1"', f'"{name}"'), 'utf-8')
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        assert client.exists(name)
        assert not client.exists('v1')
    assert len(readings) == 4


@pytest.fixture(name='parsed')
def count_entries(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that grows by the text of each entry that is parsed."""
    parsed: list[str] = []

    def entries_in(file: BinaryIO, fields: dict[str, str]) -> Iterator[tuple[Any, str]]:
        for entry, text in index.entries_in(file, fields):
            parsed.append(text)
            yield entry, text
    monkeypatch.setattr(folder, 'entries_in', entries_in)
    return parsed


def test_many_aliases_are_set_and_each_entry_is_parsed_once(client: DXF, parsed: list[str]) -> None:
    digest = client.push_blob(data=b'another')
    for alias in ALIASES:
        client.set_alias(f'new-{alias}', digest)
        client.set_alias(alias, digest)
    assert len(parsed) <= 3 * len(ALIASES)  # all of them once, and the first one each time
    assert sorted(client.list_aliases()) == sorted([*ALIASES, *(f'new-{alias}' for alias in ALIASES)])
    client.del_alias('v3')
    assert not client.exists('v3')
    assert client.get_alias('v4') == client.get_alias('new-v4') == [digest]


def test_many_manifests_are_stored_by_digest_and_each_entry_is_parsed_at_most_twice(client: DXF,
                                                                                    parsed: list[str]) -> None:
    text = json.loads(client.make_manifest(client.push_blob(data=b'another')))
    for number in range(10):
        one = json.dumps({**text, 'annotations': {'number': str(number)}})
        client.set_manifest(hash_bytes(one.encode()), one)
    assert len(parsed) <= 2 * len(ALIASES)


def test_what_is_remembered_of_an_index_does_not_grow_where_the_index_does_not(tmp_path: Path) -> None:
    path = tmp_path / 'index.json'
    path.write_text('{"manifests": []}', 'ascii')
    known = index_lookup.IndexLookup().current(str(path), lambda content, fields: index.entries_in(
        BytesIO(content), fields))
    assert known is not None
    gone: dict[int, Any] = {}
    for number in range(3):
        entry = {'digest': f'sha256:{number}'}
        known = known.changed(gone, [(entry, json.dumps(entry))])
        gone = known.entries_of(entry['digest'])
        assert list(known.numbers) == [entry['digest']]


def test_a_large_index_is_not_remembered(client: DXF, readings: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_lookup, 'MAX_SIZE', 100)
    for alias in ALIASES:
        client.get_alias(alias)
    assert len(readings) == len(ALIASES)


NAMES = ['v1', 'v2', 'latest', 'example.com/a:v1', 'example.com/b:v2']


def write_as_another_tool(path: Path, random: Random, digests: list[str]) -> None:
    """Add an entry to an index, or change the order of its entries, in a form of its own."""
    document = json.loads(path.read_bytes())
    digest = random.choice(digests)
    named = {'annotations': {'org.opencontainers.image.ref.name': random.choice(NAMES)}}
    document['manifests'].append(random.choice([
        None, {'digest': 5}, {'digest': digest, 'size': 2}, {'digest': digest, **named}, {**named, 'digest': 'md5:1'}]))
    random.shuffle(document['manifests'])
    path.write_text(json.dumps(document, indent=random.choice([None, 3])), 'utf-8')


def change(client: DXF, path: Path, random: Random) -> str:
    """Change a repository in some way; return the name of the error that this was."""
    digests = [client.push_blob(data=b'%d' % number) for number in range(2)]
    texts = [client.make_manifest(digest) for digest in digests]
    manifests = [hash_bytes(text.encode()) for text in texts]
    name, number = random.choice(NAMES), random.randrange(2)
    listed = json.dumps({'schemaVersion': 2, 'mediaType': OCI_INDEX, 'manifests': [
        {'mediaType': MANIFEST, 'digest': one, 'size': len(text)} for one, text in zip(manifests, texts)]})
    action: Callable[[], object] = random.choice([
        lambda: client.set_manifest(name, texts[number]), lambda: client.set_manifest(manifests[number], texts[number]),
        lambda: client.set_manifest(name, listed), lambda: client.del_alias(name),
        lambda: client.del_alias(manifests[number]), lambda: client.del_aliases('v1', 'v2'),
        lambda: write_as_another_tool(path, random, manifests)])
    try:
        action()
    except DXFError as error:
        return type(error).__name__
    return ''


@pytest.mark.parametrize('seed', range(6))
def test_a_remembered_index_becomes_what_one_becomes_that_is_read_each_time(seed: int, tmp_path: Path,
                                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {'remembered': index_lookup.MAX_CHANGED, 'read': 0}
    clients = {name: DXF(f'oci:{tmp_path}/{name}', 'a') for name in sizes}
    for client in clients.values():
        client.set_alias('v1', client.push_blob(data=b'0'))
    for step in range(60):
        found = []
        for name, client in clients.items():
            monkeypatch.setattr(index_lookup, 'MAX_SIZE', sizes[name])
            monkeypatch.setattr(index_lookup, 'MAX_CHANGED', sizes[name])
            path = tmp_path / name / 'a' / 'index.json'
            found.append((change(client, path, Random(f'{seed} {step}')), path.read_text('utf-8')))
        assert found[0] == found[1], step
