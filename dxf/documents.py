"""Documents: what a server writes, JSON and plain text, taken with care.

JSON is read strictly (RFC 8259, no duplicate keys, no NaN), and text is made safe to show. What a
document means belongs to the rooms that read it.
"""

import json
import unicodedata
from typing import Any, NoReturn

from dxf.exceptions import DXFInvalidDocumentError

Json = Any


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise DXFInvalidDocumentError('invalid JSON: a key stands twice in one object')
    return members


def _no_constant(name: str) -> NoReturn:
    raise DXFInvalidDocumentError(f'invalid JSON: {name} is no number')


def encoded(text: str) -> bytes:
    """Return text as UTF-8.

    :raises DXFInvalidDocumentError: a surrogate alone, in text that was read carelessly, cannot be that
    """
    try:
        return text.encode('utf-8')
    except UnicodeEncodeError:
        raise DXFInvalidDocumentError('invalid document: not UTF-8') from None


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)


def load_part(text: str, start: int) -> tuple[Json, int] | None:
    """Parse the JSON value that begins at an offset of a text, as strictly as :func:`load_json`.

    :return: the value, and the offset of its end; ``None`` where it breaks off or is no JSON
    :raises DXFInvalidDocumentError: it repeats a key, nests too deep, or holds a number too long
    """
    try:
        return _DECODER.raw_decode(text, start)
    except json.JSONDecodeError:
        return None
    except DXFInvalidDocumentError:
        raise
    except RecursionError:
        raise DXFInvalidDocumentError('invalid JSON: nested too deep') from None
    except ValueError:
        raise DXFInvalidDocumentError('invalid JSON: a number too long') from None


def load_json(text: str | bytes) -> Json:
    """Parse JSON from a stranger.

    :param text: the document; bytes are UTF-8 and nothing else
    :raises DXFInvalidDocumentError: it is not JSON, repeats a key, nests too deep, or holds a number too long
    """
    try:
        text = (text if isinstance(text, bytes) else encoded(text)).decode('utf-8')
        return _DECODER.decode(text)
    except DXFInvalidDocumentError:
        raise
    except RecursionError:
        raise DXFInvalidDocumentError('invalid JSON: nested too deep') from None
    except ValueError as error:  # JSONDecodeError, UnicodeError, and an integer of too many digits
        reason = error.msg if isinstance(error, json.JSONDecodeError) else 'not UTF-8, or a number too long'
        raise DXFInvalidDocumentError(f'invalid JSON: {reason}') from None


def load_object(text: str | bytes) -> dict[str, Json]:
    """Parse JSON from a stranger, and insist on an object.

    :raises DXFInvalidDocumentError: it is not JSON, or something else than an object
    """
    value = load_json(text)
    if not isinstance(value, dict):
        raise DXFInvalidDocumentError('invalid JSON: not an object')
    return value


def member(document: Json, key: str, kind: type) -> Json:
    """Return ``document[key]``, of the wanted type.

    :param kind: ``str``, ``int``, ``list`` or ``dict``; a boolean does not pass for an integer
    :raises DXFInvalidDocumentError: the document is no object, lacks the key, or holds another type there
    """
    value = document.get(key) if isinstance(document, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        raise DXFInvalidDocumentError(f'invalid document: {key} is missing or is no {kind.__name__}')
    return value


_UNSAFE = frozenset(('Cc', 'Cf', 'Cs', 'Zl', 'Zp'))


def printable(text: str) -> str:
    """Return ``text`` with everything escaped that could drive a terminal or hide a part of itself.

    Control characters (DEL and C1 too), bidirectional and other format characters, line and paragraph
    separators, lone surrogates.
    """
    return ''.join(c.encode('unicode_escape').decode('ascii') if unicodedata.category(c) in _UNSAFE else c
                   for c in text)
