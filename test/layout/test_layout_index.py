"""Index files of layouts: whatever their JSON and wherever it is cut for reading, they are read as JSON is, or are one
line; in little memory; and what could not be read again is not written.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxf import DXF, hash_bytes
from dxf.exceptions import DXFInvalidDocumentError
from dxf.layout import index as layout_index
from dxf.layout import index_lookup
from dxf.strict_json import load_json

from ..helpers.layouts import NAME, REPO, entries, snapshot
from ..helpers.memory_measurement import MeasuredRun

CONTENT = b'The quick brown fox jumps over the lazy dog.'
DIGEST = hash_bytes(CONTENT)
VALUES = st.recursive(st.none() | st.booleans() | st.integers() | st.floats(-9, 9) | st.text(), lambda inner: st.lists(
    inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4), max_leaves=8)
FIELDS = st.dictionaries(st.text(max_size=6).filter(lambda name: name != 'manifests'), VALUES, max_size=3)


@pytest.fixture(name='layout')
def make_layout(tmp_path: Path) -> Path:
    """A repository in a folder, with a blob and an alias."""
    with DXF(f'oci:{tmp_path / "blobs"}', REPO) as client:
        client.set_alias('a', client.push_blob(data=CONTENT))
    return tmp_path / 'blobs' / REPO


def read(path: Path) -> tuple[list[Any], dict[str, str]]:
    """Return the entries of an index, and the texts of its fields."""
    fields: dict[str, str] = {}
    with open(path, 'rb') as file:
        found = list(layout_index.entries_in(file, fields))
    assert [load_json(text) for _, text in found] == [entry for entry, _ in found]
    return [entry for entry, _ in found], fields


@pytest.fixture(name='file', scope='module')
def name_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file for indexes."""
    return tmp_path_factory.mktemp('index') / 'index.json'


@given(st.lists(VALUES, max_size=5), FIELDS, FIELDS, st.sampled_from([None, 1, '\t']), st.booleans(),
       st.integers(1, 40))
def test_an_index_is_read_as_its_json_is_wherever_it_is_cut(file: Path, listed: list[Any], before: dict[str, Any],
                                                            after: dict[str, Any], indent: Any, ascii_only: bool,
                                                            piece: int) -> None:
    index = {**before, 'manifests': listed, **after}
    file.write_text(json.dumps(index, indent=indent, ensure_ascii=ascii_only), 'utf-8', 'surrogatepass')
    try:
        load_json(file.read_bytes())
    except DXFInvalidDocumentError:  # a surrogate alone
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout_index, '_PIECE', piece)
        found, fields = read(file)
        assert found == listed
        assert list(fields) == list(index)
        assert {name: load_json(text) for name, text in fields.items() if name != 'manifests'} == {**before, **after}
        written: list[bytes] = []
        layout_index.write_index(written.append, fields, map(json.dumps, found))
    assert json.loads(b''.join(written)) == index


@given(st.lists(VALUES, max_size=3), FIELDS, st.integers(0, 200), st.sampled_from(('', *'}],"x[:')))
def test_an_index_that_is_spoiled_is_what_its_json_is_or_an_error(file: Path, listed: list[Any], fields: dict[str, Any],
                                                                  position: int, put: str) -> None:
    text = json.dumps({**fields, 'manifests': listed})
    position = min(position, len(text))
    file.write_text(text[:position] + put + text[position + 1:], encoding='utf-8')
    try:
        found, _ = read(file)
    except DXFInvalidDocumentError:
        found = None
    try:
        wanted = load_json(file.read_bytes())['manifests']
    except (DXFInvalidDocumentError, KeyError, TypeError):
        wanted = None
    assert found == (wanted if isinstance(wanted, list) else None)


# What does not fit is not written, and nothing else is

def of(layout: Path) -> dict[str, str]:
    """Return the variables for the folder of a repository."""
    return {'DXF_HOST': f'oci:{layout.parent.parent}'}


@pytest.mark.parametrize(('limit', 'value', 'said'), [('MAX_ENTRIES', 1, 'more than 1 entries'),
                                                      ('MAX_LENGTH', 400, 'larger than 400 bytes')])
def test_an_alias_for_which_the_index_has_no_room_is_refused_and_nothing_is_stored(
        layout: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, said: str) -> None:
    monkeypatch.setattr(layout_index, limit, value)
    before = snapshot(layout)
    with DXF(f'oci:{layout.parent.parent}', REPO) as client:
        with pytest.raises(DXFInvalidDocumentError, match=f'index.json: the index would .*{said}'):
            client.set_manifest('b', str(client.get_manifest('a')).replace('{', '{ '))
        assert snapshot(layout) == before
        client.set_alias('a', DIGEST)
        assert client.list_aliases() == ['a']
        client._request('delete', 'manifests/a')
        client.set_alias('b', DIGEST)


def test_an_entry_is_kept_as_it_was_written(layout: Path) -> None:
    text = (layout / 'index.json').read_text('utf-8')
    foreign = '{"digest":  "sha512:7", "x":\n1.50, "caf\u00e9": "\\u00e9"}'
    (layout / 'index.json').write_text(text.replace('"manifests": [', f'"manifests": [{foreign},'), encoding='utf-8')
    with DXF(f'oci:{layout.parent.parent}', REPO) as client:
        client.set_alias('b', DIGEST)
        client._request('delete', 'manifests/a')
    assert foreign in (layout / 'index.json').read_text('utf-8')


# Memory

def write_index(layout: Path, start: str, element: str, size: int, end: str) -> None:
    """Write an index of about a size, of the same element many times."""
    with open(layout / 'index.json', 'w', encoding='utf-8') as file:
        file.write(start)
        for _ in range(size // len(element) // 1000):
            file.write(element * 1000)
        file.write(end)


HOSTILE = [
    pytest.param('{"manifests": [', '{"a": 0},', '0]}', id='objects'),
    pytest.param('{"manifests": [[', '[],', '0]]}', id='lists in one entry'),
    pytest.param('{"manifests": [', '[' * 1000, '', id='lists in each other'),
    pytest.param('{"manifests": [], "x": [', '[],', '0]}', id='another field'),
    pytest.param('{"manifests": ["', 'x' * 1000, '"]}', id='one text'),
    pytest.param('', ' ' * 1000, '', id='nothing'),
]


@pytest.mark.parametrize(('size', 'start', 'element', 'end'), [
    *(pytest.param(66_000_000, *row.values, id=row.id) for row in HOSTILE),
    pytest.param(70_000_000, *HOSTILE[0].values, id='more than the limit, whatever it is')])
def test_a_hostile_index_is_one_line_in_little_memory(layout: Path, tmp_path: Path, start: str, element: str, end: str,
                                                      size: int) -> None:
    write_index(layout, start, element, size, end)
    ran = MeasuredRun(tmp_path, of(layout), 'list-aliases', REPO)
    assert ran.status == 1 and len(ran.lines) == 1 and ran.lines[0].startswith('dxf: '), ran.lines
    assert f'{layout}/index.json: ' in ran.lines[0] and len(ran.lines[0]) < 400
    assert ('larger than 67108864 bytes' in ran.lines[0]) == (size > 67108864)
    assert ran.peak < 64, ran.peak


def test_entries_of_many_values_take_little_memory(layout: Path, tmp_path: Path) -> None:
    with open(layout / 'index.json', 'w', encoding='utf-8') as file:
        file.write('{"manifests": [')
        for _ in range(5):  # all of them together would take 45 MB more than there is
            file.write('[' + '[],' * 100_000 + '0],')
        file.write('0]}')
    ran = MeasuredRun(tmp_path, of(layout), 'list-aliases', REPO)
    assert (ran.status, ran.out, ran.lines) == (0, b'', []) and ran.peak < 64, (ran.lines, ran.peak)


@pytest.mark.parametrize('args', [('list-aliases', REPO), ('set-alias', REPO, 'new', DIGEST), ('del-alias', REPO, 'v7'),
                                  ('gc', REPO)])
def test_fifty_thousand_aliases_take_little_memory(layout: Path, tmp_path: Path, args: tuple[str, ...]) -> None:
    template, index = entries(layout)[0], layout / 'index.json'
    start, end = json.dumps({**template, 'annotations': {NAME: '|'}}).split('|')
    listed = ','.join(f'{start}v{number}{end}' for number in range(50_000))
    index.write_text(f'{{"schemaVersion": 2, "manifests": [{listed}]}}', encoding='utf-8')
    assert index.stat().st_size > index_lookup.MAX_SIZE  # a smaller one may be held in memory
    ran = MeasuredRun(tmp_path, of(layout), *args)
    assert ran.status == 0 and ran.lines == [] and ran.peak < 48, (ran.lines, ran.peak)
    names = {entry['annotations'][NAME] for entry in json.loads(index.read_bytes())['manifests']}
    assert len(names) == {'set-alias': 50_001, 'list-aliases': 50_000, 'gc': 50_000}.get(args[0], len(names))
    assert ('v7' in names) == (args[0] != 'del-alias')
