"""Link headers: the links that a response names, and what each of them is to the response.

``pagination`` decides where a link may lead.
https://www.rfc-editor.org/rfc/rfc8288#section-3
"""

import re
from typing import NamedTuple

from dxf.exceptions import DXFProtocolError

_SEPARATOR = re.compile(r'[ \t]*(?:,[ \t]*|\Z)', re.ASCII)
_TARGET = re.compile(r'<([^<>]*)>', re.ASCII)
_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_VALUE = r'([^\s,;"<>]+)|"((?:[^"\\]|\\.)*)"'
_PARAMETER = re.compile(rf'[ \t]*;[ \t]*(?:({_NAME})(?:[ \t]*=[ \t]*(?:{_VALUE}))?)?', re.ASCII)
"""A name, and its value as a token or quoted. Values such as ``rel=a/b`` are no tokens, but are in use."""

# A quoted-pair: https://www.rfc-editor.org/rfc/rfc9110#section-5.6.4
_ESCAPED = r'\\(.)'


class Link(NamedTuple):
    """One link: its target as the header has it, and its relations in lower case."""

    target: str
    relations: tuple[str, ...]


def parse_links(header: str) -> list[Link]:
    """Parse the value of a Link header; several headers are one, joined by commas.

    :raises DXFProtocolError: a part of it is no link, or is a link without a relation
    """
    # A parser, not a search for rel="next": a listing that loses its next page would end early with status 0. Whatever
    # cannot be parsed is an error.
    links = []
    header = header.strip(' \t')
    position = _end_of_separators(header, 0)
    while position < len(header):
        target = _TARGET.match(header, position)
        if target is None:
            raise _unreadable()
        position = target.end()
        relations: tuple[str, ...] | None = None
        while (parameter := _PARAMETER.match(header, position)) is not None:
            position = parameter.end()
            # Of several the first counts: https://www.rfc-editor.org/rfc/rfc8288#section-3.3
            if relations is None and (parameter[1] or '').lower() == 'rel':
                relations = _relations(parameter)
        # Without rel a link says nothing (https://www.rfc-editor.org/rfc/rfc8288#section-3.3), but it may have been
        # meant as the next page.
        if not relations:
            raise _unreadable()
        links.append(Link(target[1], relations))
        following = _end_of_separators(header, position)
        if following == position and position < len(header):
            raise _unreadable()
        position = following
    return links


def next_target(header: str) -> str | None:
    """Return the target of the link to the next page; ``None`` where there is no such link.

    A link's ``anchor`` makes no difference: a page too many is an error later, one too few would be lost silently.

    :raises DXFProtocolError: the header cannot be parsed, or names several next pages
    """
    # A set, as proxies that add headers may send one link twice.
    targets = {link.target for link in parse_links(header) if 'next' in link.relations}
    if len(targets) > 1:
        raise DXFProtocolError('the registry names several next pages of one listing')
    return targets.pop() if targets else None


def _end_of_separators(header: str, position: int) -> int:
    """Return the position behind commas and white space; empty elements of a list do not count.

    https://www.rfc-editor.org/rfc/rfc9110#section-5.6.1.2
    """
    while (separator := _SEPARATOR.match(header, position)) is not None and separator.end() > position:
        position = separator.end()
    return position


def _relations(parameter: re.Match[str]) -> tuple[str, ...]:
    # Relations are compared without regard to case: https://www.rfc-editor.org/rfc/rfc8288#section-2.1.1. One parameter
    # may have several.
    value = parameter[2] if parameter[2] is not None else re.sub(_ESCAPED, r'\1', parameter[3] or '')
    return tuple(value.lower().split())


def _unreadable() -> DXFProtocolError:
    return DXFProtocolError('the registry sent a Link header that dxf cannot read: there may be more pages')
