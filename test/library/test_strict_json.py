"""What a server writes, taken with care: strict JSON, typed members, text that is safe to show."""

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dxf.exceptions import DXFError, DXFInvalidDocumentError
from dxf.strict_json import DEPTH, Number, dump_json, load_json, load_object, member, printable


@pytest.mark.parametrize('text, value', [
    pytest.param('{}', {}, id='empty object'),
    pytest.param(' {"a": [1, -2.5, true, false, null, "x"]}\n', {'a': [1, -2.5, True, False, None, 'x']},
                 id='every kind'),
    pytest.param(b'{"a": "zo\xc3\xab"}', {'a': 'zo\u00eb'}, id='bytes are UTF-8'),
    pytest.param('{"a": {"a": 1}, "b": {"a": 2}}', {'a': {'a': 1}, 'b': {'a': 2}}, id='one key in many objects'),
    pytest.param('"\\ud83d\\ude00"', '\U0001f600', id='an escaped pair of surrogates'),
    pytest.param('[' * 500 + ']' * 500, json.loads('[' * 500 + ']' * 500), id='nesting that people write'),
    pytest.param('9' * 4000, int('9' * 4000), id='a number that Python still reads'),
])
def test_json_is_read(text: str | bytes, value: Any) -> None:
    assert load_json(text) == value


REFUSED = [
    pytest.param('', id='empty'),
    pytest.param('{', id='cut off'),
    pytest.param('{} {}', id='two documents'),
    pytest.param('{"a": 1,}', id='comma at the end'),
    pytest.param("{'a': 1}", id='single quotes'),
    pytest.param('{a: 1}', id='key without quotes'),
    pytest.param('// x\n{}', id='comment'),
    pytest.param('"a\nb"', id='newline in a string'),
    pytest.param('01', id='leading zero'),
    pytest.param('\u0661', id='digit beyond ASCII'),
    pytest.param('{"a": 1, "a": 1}', id='duplicate key'),
    pytest.param('{"a": 1, "\\u0061": 2}', id='duplicate key, once escaped'),
    pytest.param('[{"x": {"a": 1, "b": 2, "a": 3}}]', id='duplicate key deep inside'),
    pytest.param('NaN', id='NaN'),
    pytest.param('{"a": Infinity}', id='Infinity'),
    pytest.param('[-Infinity]', id='minus Infinity'),
    pytest.param('[' * 100_000, id='100,000 open brackets'),
    pytest.param('[' * 100_000 + ']' * 100_000, id='100,000 brackets deep'),
    pytest.param('{"a":' * 100_000 + '1' + '}' * 100_000, id='100,000 objects deep'),
    pytest.param('9' * 5000, id='5,000 digits'),
    pytest.param('{"size": -' + '9' * 5000 + '}', id='5,000 digits below zero'),
    pytest.param('9' * 1_000_000, id='a million digits'),
    pytest.param('[' * (DEPTH + 1) + ']' * (DEPTH + 1), id='one bracket too deep'),
    pytest.param('{"a": [1e400]}', id='a number that becomes Infinity'),
    pytest.param('-1E+999', id='a number that becomes minus Infinity'),
    pytest.param('9' * 1_000_000 + '.0', id='a million digits and a fraction'),
    pytest.param(b'{"a": "\xff"}', id='no UTF-8'),
    pytest.param(b'{"a": "zo\xeb"}', id='Latin-1'),
    pytest.param(b'{"a": "\xc0\x80"}', id='overlong UTF-8'),
    pytest.param(b'{"a": "\xed\xa0\x80"}', id='a surrogate in UTF-8'),
    pytest.param('{}'.encode('utf-16'), id='UTF-16'),
    pytest.param('{}'.encode('utf-32-be'), id='UTF-32'),
    pytest.param(b'\xef\xbb\xbf{}', id='byte order mark'),
    pytest.param('\ufeff{}', id='byte order mark in text'),
    pytest.param(b'\x00', id='NUL'),
]


@pytest.mark.parametrize('text', REFUSED)
def test_what_is_not_strict_json_is_refused_in_one_short_line(text: str | bytes) -> None:
    began = time.process_time()
    with pytest.raises(DXFInvalidDocumentError, match='^invalid JSON: ') as caught:
        load_json(text)
    assert time.process_time() - began < 30
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize('exact', [False, True])
def test_a_number_that_does_not_fit_is_shown_by_its_beginning(exact: bool) -> None:
    with pytest.raises(DXFInvalidDocumentError, match='^invalid JSON: 1e400 is no number that fits$'):
        load_json('1e400', exact=exact)
    with pytest.raises(DXFInvalidDocumentError, match='^invalid JSON: 9{20} is no number that fits$'):
        load_json('9' * 5000 + '.0', exact=exact)


@pytest.mark.parametrize('text', ['0.1000000000000000055', '1.0', '-0.0', '1E+2', '1e-400', '1e5', '100000.0', '0.1'])
def test_an_exact_number_is_written_as_it_was_read(text: str) -> None:
    assert dump_json(load_json(f'{{"a": [{text}, "{text}"]}}', exact=True)) == f'{{"a": [{text}, "{text}"]}}'
    assert repr(load_json(text, exact=True)) == text
    assert len({Number(text), Number(text)}) == 1


def test_a_document_is_read_and_written_up_to_its_limit() -> None:
    assert load_json('{"a": 1}', 8) == {'a': 1}
    assert dump_json({'a': 1}, 8) == '{"a": 1}'
    with pytest.raises(DXFInvalidDocumentError, match='^invalid JSON: larger than 7 bytes$'):
        load_json('{"a": 1}', 7)
    with pytest.raises(DXFInvalidDocumentError, match='^a document of 8 bytes: at most 7 can be read$'):
        dump_json({'a': 1}, 7)
    with pytest.raises(DXFInvalidDocumentError, match='^invalid JSON: larger than 3 bytes$'):
        load_json('"\u00e9"', 3)  # four bytes, three characters


def nested(depth: int) -> list[Any]:
    """Return lists within lists."""
    document: list[Any] = []
    for _ in range(depth - 1):
        document = [document]
    return document


def circle() -> list[Any]:
    """Return a list that is in itself."""
    document: list[Any] = []
    document.append(document)
    return document


@pytest.mark.parametrize('document', [
    pytest.param(float('nan'), id='NaN'), pytest.param([float('inf')], id='Infinity'),
    pytest.param({'a': -float('inf')}, id='minus Infinity'), pytest.param({'a': object()}, id='an object'),
    pytest.param(b'a', id='bytes'), pytest.param((1, 2), id='a tuple, which would be read as a list'),
    pytest.param({1: 2}, id='a key that is no text'), pytest.param({1: 2, '1': 3}, id='a key that is there twice'),
    pytest.param({None: 1, 'a': 2}, id='keys that have no order'), pytest.param(circle(), id='a list in itself'),
    pytest.param(['\ud83d\ude00'], id='two surrogates, which would be read as one character'),
    pytest.param(10 ** 5000, id='5,000 digits'), pytest.param(nested(DEPTH + 1), id='a list too deep'),
    pytest.param(nested(100_000), id='100,000 lists deep')])
@pytest.mark.parametrize('indent', [None, 1])
def test_what_would_not_be_read_as_the_same_is_not_written(document: Any, indent: int | None) -> None:
    with pytest.raises(DXFInvalidDocumentError, match='^invalid [^\n]*$'):
        dump_json(document, indent=indent)


def test_the_deepest_document_is_written_and_read() -> None:
    assert load_json(dump_json(nested(DEPTH))) == nested(DEPTH)


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(st.characters(exclude_categories=[])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.text(st.characters(exclude_categories=[]), max_size=5) | st.integers(0, 3) | st.none(), inner, max_size=4))


@settings(deadline=None, max_examples=3 * settings().max_examples)
@given(document=VALUES, sort_keys=st.booleans(), indent=st.sampled_from([None, 1, '\t']), limit=st.integers(0, 300))
def test_what_is_written_is_read_as_the_same(document: Any, sort_keys: bool, indent: Any, limit: int) -> None:
    try:
        text = dump_json(document, limit, sort_keys=sort_keys, indent=indent)
    except DXFInvalidDocumentError:
        return
    assert text.isascii()
    assert load_json(text, limit) == document
    assert load_json(text, limit, exact=True) == document
    assert dump_json(load_json(text, exact=True), limit, sort_keys=sort_keys, indent=indent) == text


def test_a_lone_surrogate_is_read_and_made_safe_to_show() -> None:
    assert printable(load_json('"\\ud800"')) == '\\ud800'


@pytest.mark.parametrize('text', ['[]', '"{}"', '1', 'true', 'null', '[{}]'])
def test_an_object_is_insisted_on(text: str) -> None:
    with pytest.raises(DXFInvalidDocumentError, match='^invalid JSON: not an object$'):
        load_object(text)


def test_an_object_is_returned() -> None:
    assert load_object(b'{"a": []}') == {'a': []}


@pytest.mark.parametrize('value, kind', [
    ('x', str), ('', str), (0, int), (-1, int), ([], list), ([1], list), ({}, dict)])
def test_a_member_of_the_wanted_type_is_returned(value: Any, kind: type) -> None:
    assert member({'a': value}, 'a', kind) == value


@pytest.mark.parametrize('document, kind', [
    pytest.param({}, str, id='missing'),
    pytest.param({'A': 'x'}, str, id='other case'),
    pytest.param({'a': None}, str, id='null'),
    pytest.param({'a': 1}, str, id='number for text'),
    pytest.param({'a': '1'}, int, id='text for number'),
    pytest.param({'a': 1.0}, int, id='float for integer'),
    pytest.param({'a': True}, int, id='true for integer'),
    pytest.param({'a': False}, int, id='false for integer'),
    pytest.param({'a': {}}, list, id='object for list'),
    pytest.param({'a': []}, dict, id='list for object'),
    pytest.param(['a'], str, id='the document is a list'),
    pytest.param('a', str, id='the document is text'),
    pytest.param(None, str, id='the document is null'),
    pytest.param(7, str, id='the document is a number'),
])
def test_a_member_that_is_missing_or_of_another_type_is_refused(document: Any, kind: type) -> None:
    with pytest.raises(DXFInvalidDocumentError, match=f'^invalid document: a is missing or is no {kind.__name__}$'):
        member(document, 'a', kind)


@pytest.mark.parametrize('text, shown', [
    pytest.param('\x1b[2J', '\\x1b[2J', id='terminal sequence'),
    pytest.param('a\x00b', 'a\\x00b', id='NUL'),
    pytest.param('a\r\nb\tc', 'a\\r\\nb\\tc', id='line ends and tab'),
    pytest.param('a\x08b', 'a\\x08b', id='backspace'),
    pytest.param('a\x7fb', 'a\\x7fb', id='DEL'),
    pytest.param('\x9b2J', '\\x9b2J', id='C1: a terminal sequence in one character'),
    pytest.param('\x85', '\\x85', id='C1: next line'),
    pytest.param('a\u202eb\u202c', 'a\\u202eb\\u202c', id='direction override'),
    pytest.param('\u2066a\u2069', '\\u2066a\\u2069', id='direction isolate'),
    pytest.param('\u200e\u200f\u061c', '\\u200e\\u200f\\u061c', id='direction marks'),
    pytest.param('a\u2028b\u2029c', 'a\\u2028b\\u2029c', id='line and paragraph separators'),
    pytest.param('a\u200bb\ufeff', 'a\\u200bb\\ufeff', id='characters without width'),
    pytest.param('\ud800', '\\ud800', id='lone surrogate'),
    pytest.param('\U000e0041', '\\U000e0041', id='invisible tag'),
])
def test_what_could_drive_a_terminal_or_hide_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize('text', [
    '', 'plain ASCII ~!"\'\\', 'zo\u00eb', '\u043f\u0430\u0440\u043e\u043b\u044c', '\u65e5\u672c\u8a9e',
    '\u05e9\u05dc\u05d5\u05dd', 'e\u0301', '\U0001f600', 'a\u00a0b'])
def test_ordinary_text_of_any_language_stays(text: str) -> None:
    assert printable(text) == text


@given(st.text())
def test_whatever_the_text_it_is_one_line_that_can_be_written(text: str) -> None:
    shown = printable(text)
    shown.encode('utf-8')
    assert len(shown.splitlines()) <= 1
    assert printable(shown) == shown


JSON_LIKE = st.lists(st.sampled_from(
    ['{', '}', '[', ']', ':', ',', '"', '"a"', '"a":', '1', '-', '.', 'e9', 'NaN', 'null', 'true', ' ', '\\', '\\ud800',
     '\n', '\ufeff', '\u00e9'])).map(''.join)


@settings(max_examples=5 * settings().max_examples, deadline=None)
@given(st.one_of(st.text(), st.binary(), JSON_LIKE, JSON_LIKE.map(str.encode)))
def test_any_text_and_any_bytes_are_an_object_or_a_dxf_error(text: str | bytes) -> None:
    try:
        assert isinstance(load_object(text), dict)
    except DXFError:
        pass
