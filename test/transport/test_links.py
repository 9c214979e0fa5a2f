"""Link headers: what is written in them is read, and what is not a link is an error."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxf.exceptions import DXFProtocolError
from dxf.transport.links import Link, next_target, parse_links

TOKEN = st.text(string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~", min_size=1, max_size=8)
TARGET = st.text(string.ascii_letters + string.digits + '/?&=;,:%"\' ', max_size=20)
VALUE = st.text(string.ascii_letters + ' \t;,=<>"\\', max_size=12)
SPACE = st.text(' \t', max_size=2)
RELATIONS = st.lists(st.sampled_from(['next', 'NEXT', 'prev', 'last', 'https://example.com/x']), min_size=1, max_size=3)


@st.composite
def parameters(draw: st.DrawFn) -> str:
    """Return a parameter that is no relation, with or without a value."""
    name = draw(TOKEN.filter(lambda name: name.lower() != 'rel'))
    value = draw(st.one_of(st.just(''), TOKEN.map('='.__add__), VALUE.map(quoted)))
    return f'{draw(SPACE)};{draw(SPACE)}{name}{draw(SPACE) if value else ""}{value}'


def quoted(value: str) -> str:
    """Return the value of a parameter as a quoted string."""
    return '="' + value.replace('\\', '\\\\').replace('"', '\\"') + '"'


@st.composite
def written_links(draw: st.DrawFn) -> tuple[str, Link]:
    """Return a link as a header has it, and as it is to be read."""
    target, relations = draw(TARGET), draw(RELATIONS)
    is_token = len(relations) == 1 and draw(st.booleans())
    name = draw(st.sampled_from(['rel', 'Rel', 'REL']))
    relation = f';{draw(SPACE)}{name}{draw(SPACE)}=' + (relations[0] if is_token else f'"{" ".join(relations)}"')
    before, after = (''.join(draw(st.lists(parameters(), max_size=2))) for _ in range(2))
    return f'<{target}>{before}{relation}{after}', Link(target, tuple(map(str.lower, relations)))


@given(st.lists(written_links(), max_size=4), st.sampled_from([',', ', ', ' ,\t', ',, ']), SPACE)
def test_a_header_that_is_built_of_links_is_read_as_these_links(links: list[tuple[str, Link]], comma: str, space: str
                                                                ) -> None:
    header = space + comma.join(written for written, _ in links) + space
    assert parse_links(header) == [link for _, link in links]


@given(st.lists(written_links(), min_size=1, max_size=3), st.data())
def test_a_header_that_is_cut_is_an_error_or_still_names_whole_links(links: list[tuple[str, Link]], data: st.DataObject
                                                                     ) -> None:
    header = ', '.join(written for written, _ in links)
    cut = header[:data.draw(st.integers(0, len(header)))]
    try:
        found = parse_links(cut)
    except DXFProtocolError:
        return
    assert [link.target for link in found] == [link.target for _, link in links][:len(found)]


@pytest.mark.parametrize('header, target', [
    ('', None),
    (' , ', None),
    ('</x>; rel="prev"', None),
    ('</x>; rel="nextpage"', None),
    ('</x>; rel="next"', '/x'),
    ('</x>; rel=next', '/x'),
    ('</x>; REL=NEXT', '/x'),
    ('</x>; rel="prev next"', '/x'),
    ('</a,b;c=d>; rel="next"', '/a,b;c=d'),
    ('</x>; title="; rel=prev"; rel="next"', '/x'),
    ('</x>; title*=UTF-8\'\'a%20b; rel="next"', '/x'),
    ('</x>; rel="prev", </y>; rel="next"', '/y'),
    ('</x>; rel="next", </x>; rel="next"', '/x'),
    ('</x>; rel="next"; anchor="#a"', '/x'),
])
def test_the_next_page_is_found_however_its_link_is_written(header: str, target: str | None) -> None:
    assert next_target(header) == target


@pytest.mark.parametrize('header', [
    'x', '<x', '<x>', '<x>;', '<x>; rel', '<x>; rel=', '<x>; rel=""', '<x>; rel="next', '<x>; rel=next last',
    '<x>; rel="next" x', '<x><y>; rel=next', '<x>; title="a" b; rel=next', 'rel=next', '</x>; rel=next, y',
    '</x>; rel=next, </y>; rel=next', '<x>; rel=prev; =; rel=next',
])
def test_a_header_that_cannot_be_parsed_is_an_error(header: str) -> None:
    with pytest.raises(DXFProtocolError):
        next_target(header)


@pytest.mark.parametrize('header', ['<' * 100_000, '<x>' + ';' * 100_000, '<x>' + ' ' * 100_000 + 'x',
                                    '<x>; a="' + '\\' * 99_999, ',' * 100_000 + 'x', '<x>; ' + 'a' * 100_000])
def test_a_long_header_that_cannot_be_parsed_is_an_error_at_once(header: str) -> None:
    with pytest.raises(DXFProtocolError):
        next_target(header)
