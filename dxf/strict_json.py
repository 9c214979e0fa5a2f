"""Documents: JSON, read and written by the same rules, and text that is safe to show.

The rules are RFC 8259, unique keys, numbers that fit, and a depth. What :func:`dump_json` returns,
:func:`load_json` reads. The modules that use a document know what it means.
"""

import json
import math
import os
import re
import unicodedata
from typing import Any, NoReturn

from dxf.exceptions import DXFInvalidDocumentError

Json = Any
_SURROGATE = r'[\ud800-\udfff]'
"""Characters that Python uses for bytes that are not UTF-8: https://peps.python.org/pep-0383/."""

DEPTH = 500
"""How deep objects and arrays may be nested. Python's own limit depends on the caller's stack."""

MARKUP_LENGTH = 100
"""Bytes at the start of a document that tell what it is."""

SHOWN_LENGTH = 20
"""Characters of a wrong number that an error message shows."""


class Number:
    """A number with a fraction or an exponent, as it was written: a ``float`` would change some.

    :raises DXFInvalidDocumentError: it is too large for a ``float``
    """

    def __init__(self, text: str) -> None:
        _finite(text)
        self.text = text

    def __eq__(self, other: object) -> bool:
        if isinstance(other, float):
            return self.text == float.__repr__(other)
        return isinstance(other, Number) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return self.text


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        _no_constant(text)
    return number


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise DXFInvalidDocumentError('invalid JSON: a key stands twice in one object')
    return members


def _no_constant(name: str) -> NoReturn:
    raise DXFInvalidDocumentError(f'invalid JSON: {name[:SHOWN_LENGTH]} is no number that fits')


def _check_depth(document: Json) -> None:
    level = [document]
    for _ in range(DEPTH):
        level = [inner for one in level for inner in (one.values() if isinstance(one, dict) else one)
                 if isinstance(inner, (dict, list))]
        if not level:
            return
    raise RecursionError


def encoded(text: str) -> bytes:
    """Return text as UTF-8.

    :raises DXFInvalidDocumentError: it has a lone surrogate, which UTF-8 cannot encode
    """
    try:
        return text.encode('utf-8')
    except UnicodeEncodeError:
        raise DXFInvalidDocumentError('invalid document: not UTF-8') from None


def is_markup(body: bytes) -> bool:
    """Return whether a document is HTML or XML rather than JSON, as the pages of web servers are."""
    return body[:MARKUP_LENGTH].lstrip(b'\xef\xbb\xbf \t\r\n').startswith(b'<')


def is_utf_8(*texts: str | None) -> bool:
    """Return whether texts can be written as UTF-8; environment variables and arguments may hold bytes that cannot.

    For secrets: the error of a failed encoding shows a character, and holds the whole text.
    """
    return not any(re.search(_SURROGATE, text) for text in texts if text is not None)


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite)


def load_part(text: str, start: int) -> tuple[Json, int] | None:
    """Parse the JSON value that begins at an offset of a text, as strictly as :func:`load_json`.

    :return: the value, and the offset of its end; ``None`` where it breaks off or is no JSON
    :raises DXFInvalidDocumentError: it repeats a key, nests too deep, or holds a number that does not fit
    """
    try:
        value, end = _DECODER.raw_decode(text, start)
        if text.count('[', start, end) + text.count('{', start, end) > DEPTH:
            _check_depth(value)
        return value, end
    except json.JSONDecodeError:
        return None
    except DXFInvalidDocumentError:
        raise
    except RecursionError:
        raise DXFInvalidDocumentError('invalid JSON: nested too deep') from None
    except ValueError:
        raise DXFInvalidDocumentError('invalid JSON: a number too long') from None


def load_json(text: str | bytes, limit: int | None = None, *, exact: bool = False) -> Json:
    """Parse JSON from an untrusted source.

    :param text: the document; bytes are UTF-8 and nothing else
    :param limit: the most bytes that it may have
    :param exact: return numbers with a fraction or an exponent as :class:`Number`, for a document that is written again
    :raises DXFInvalidDocumentError: it is not JSON, too large, repeats a key, nests too deep, or holds a number that
        does not fit
    """
    try:
        # Without a copy, if it is ASCII: a manifest may have 4 MiB.
        length = len(text) if isinstance(text, bytes) or text.isascii() else len(encoded(text))
        if limit is not None and length > limit:
            raise DXFInvalidDocumentError(f'invalid JSON: larger than {limit} bytes')
        content = text.decode('utf-8') if isinstance(text, bytes) else text
        document = json.loads(content, object_pairs_hook=_unique, parse_constant=_no_constant,
                              parse_float=Number if exact else _finite)
        if content.count('[') + content.count('{') > DEPTH:
            _check_depth(document)
        return document
    except DXFInvalidDocumentError:
        raise
    except RecursionError:
        raise DXFInvalidDocumentError('invalid JSON: nested too deep') from None
    except ValueError as error:  # JSONDecodeError, UnicodeError, and an integer of too many digits
        reason = error.msg if isinstance(error, json.JSONDecodeError) else 'not UTF-8, or a number too long'
        raise DXFInvalidDocumentError(f'invalid JSON: {reason}') from None


def load_object(text: str | bytes, limit: int | None = None, *, exact: bool = False) -> dict[str, Json]:
    """Parse JSON from an untrusted source, and require an object.

    The parameters are those of :func:`load_json`.

    :raises DXFInvalidDocumentError: it is not JSON, or something else than an object
    """
    value = load_json(text, limit, exact=exact)
    if not isinstance(value, dict):
        raise DXFInvalidDocumentError('invalid JSON: not an object')
    return value


def dump_json(document: Json, limit: int | None = None, *, sort_keys: bool = True,
              indent: int | str | None = None) -> str:
    """Write JSON that :func:`load_json` reads as the same document.

    :param document: as :func:`load_json` returns it
    :param limit: the most bytes that its reader takes
    :return: ASCII
    :raises DXFInvalidDocumentError: :func:`load_json` would refuse the text, or read another document
    """
    try:
        text = _dumped(document, sort_keys, indent)
        is_same = load_json(text, exact=True) == document
    except DXFInvalidDocumentError:
        raise
    except RecursionError:
        raise DXFInvalidDocumentError('invalid JSON: nested too deep') from None
    except (TypeError, ValueError):  # another type, a circle, NaN, or an integer of too many digits
        is_same = False
    if not is_same:
        raise DXFInvalidDocumentError('invalid document: JSON cannot hold something in it')
    if limit is not None and len(text) > limit:
        raise DXFInvalidDocumentError(f'a document of {len(text)} bytes: at most {limit} can be read')
    return text


_ENCODER = json.JSONEncoder(allow_nan=False, separators=(',', ':'))


def dump_line(document: Json) -> str:
    """Write a document that was made by dxf, of strings, integers, lists and dictionaries, on one line.

    It is not read back, as :func:`dump_json` does: an index of a snapshot has 100,000 lines.

    :return: ASCII
    """
    return _ENCODER.encode(document)


def _dumped(document: Json, sort_keys: bool, indent: int | str | None) -> str:
    mark = os.urandom(16).hex()  # no string of the document begins with it

    def marked(value: object) -> str:
        if not isinstance(value, Number):
            raise TypeError
        marks.append(mark)
        return mark + value.text
    marks: list[str] = []
    text = json.dumps(document, sort_keys=sort_keys, indent=indent, allow_nan=False, default=marked)
    return re.sub(f'"{mark}([^"]*)"', r'\1', text) if marks else text


def member(document: Json, key: str, kind: type) -> Json:
    """Return ``document[key]``, of the wanted type.

    :param kind: ``str``, ``int``, ``list`` or ``dict``; a boolean does not pass for an integer
    :raises DXFInvalidDocumentError: the document is no object, lacks the key, or holds another type there
    """
    value = document.get(key) if isinstance(document, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        raise DXFInvalidDocumentError(f'invalid document: {key} is missing or is no {kind.__name__}')
    return value


def members_of(document: Json, **kinds: type) -> list[Json]:
    """Return several members of a document, each of the wanted type: see :func:`member`."""
    return [member(document, key, kind) for key, kind in kinds.items()]


_UNSAFE = frozenset(('Cc', 'Cf', 'Cs', 'Zl', 'Zp'))


def printable(text: str) -> str:
    """Return ``text`` with everything escaped that could drive a terminal or hide a part of itself.

    Control characters (DEL and C1 too), bidirectional and other format characters, line and paragraph
    separators, lone surrogates.
    """
    if text.isprintable():  # has none of them, and is much faster
        return text
    return ''.join(c.encode('unicode_escape').decode('ascii') if unicodedata.category(c) in _UNSAFE else c
                   for c in text)


def shortened(text: str, length: int) -> str:
    """Return ``text`` as :func:`printable` does, cut to ``length`` characters and ``...`` where it is longer."""
    shown = printable(text[:length + 1])
    return shown if len(shown) <= length else shown[:length] + '...'
