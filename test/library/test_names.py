"""The grammar of hosts, repositories, aliases, digests and platforms, and the hash behind a digest."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import dxf
from dxf import names
from dxf.exceptions import DXFError, DXFInvalidNameError, DXFUnexpectedDigestMethodError

HUB = 'registry-1.docker.io'
HEX = '0123456789abcdef' * 4
DIGEST = f'sha256:{HEX}'
LABEL = 'a' * 63
LONG_HOST = '.'.join([LABEL] * 3 + ['a' * 61])
EMPTY = 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'


# Hosts

@pytest.mark.parametrize('host', [
    pytest.param('localhost', id='one label'),
    pytest.param('registry.example.com', id='labels'),
    pytest.param('Registry.Example.com', id='upper case is legal in DNS'),
    pytest.param('a-b.c--d.example', id='hyphens within labels'),
    pytest.param('3scale.io', id='a label may begin with a digit'),
    pytest.param(f'{LABEL}.example', id='a label of 63'),
    pytest.param(LONG_HOST, id='a name of 253'),
    pytest.param('127.0.0.1', id='IPv4'),
    pytest.param('127.0.0.1:5000', id='IPv4 with a port'),
    pytest.param('[::1]', id='IPv6'),
    pytest.param('[2001:db8::7f]:5000', id='IPv6 with a port'),
    pytest.param('[::ffff:192.0.2.1]', id='IPv6 with a tail of IPv4'),
    pytest.param('localhost:1', id='the first port'),
    pytest.param('localhost:65535', id='the last port'),
])
def test_a_host_is_returned_as_it_is(host: str) -> None:
    assert names.check_host(host) == host
    assert not names.is_docker_hub(host)


@pytest.mark.parametrize('host', [
    pytest.param('https://registry.example.com', id='scheme'),
    pytest.param('registry.example.com/', id='slash'),
    pytest.param('registry.example.com/v2', id='path'),
    pytest.param('fred@registry.example.com', id='user name'),
    pytest.param('fred:secret@registry.example.com', id='userinfo'),
    pytest.param('registry.example.com#x', id='fragment'),
    pytest.param('registry.example.com?x', id='query'),
    pytest.param('registry.example.com\\x', id='backslash, which browsers take for a slash'),
    pytest.param('registry%2eexample', id='percent'),
    pytest.param('registry.example.com\n', id='trailing newline, which $ would accept'),
    pytest.param('localhost:5000\n', id='newline after the port'),
    pytest.param(' localhost', id='space before'),
    pytest.param('localhost ', id='space after'),
    pytest.param('local host', id='space within'),
    pytest.param('local\x00host', id='NUL'),
    pytest.param('local\thost', id='tab'),
    pytest.param('b\u00fccher.example', id='letters beyond ASCII'),
    pytest.param('\uff41.example', id='full-width letters'),
    pytest.param('localhost:\u0665\u0660', id='digits beyond ASCII'),
    pytest.param('local_host', id='underscore'),
    pytest.param('-localhost', id='label begins with a hyphen'),
    pytest.param('localhost-', id='label ends with a hyphen'),
    pytest.param('.localhost', id='empty first label'),
    pytest.param('registry..example', id='empty label'),
    pytest.param('registry.example.', id='empty last label'),
    pytest.param('..', id='parent directory'),
    pytest.param(':5000', id='port alone'),
    pytest.param('localhost:', id='empty port'),
    pytest.param('localhost:0', id='port 0'),
    pytest.param('localhost:65536', id='port too large'),
    pytest.param('localhost:100000', id='port of six digits'),
    pytest.param('localhost:-1', id='negative port'),
    pytest.param('localhost:http', id='port by name'),
    pytest.param('localhost:5000:5000', id='two ports'),
    pytest.param('::1', id='IPv6 without brackets'),
    pytest.param('[::1', id='bracket not closed'),
    pytest.param('[]', id='empty brackets'),
    pytest.param('[::1::]', id='IPv6 with two gaps'),
    pytest.param('[12345::]', id='IPv6 group too long'),
    pytest.param('[127.0.0.1]', id='IPv4 in brackets'),
    pytest.param('[fe80::1%eth0]', id='IPv6 zone'),
    pytest.param(f'{LABEL}a.example', id='a label of 64'),
    pytest.param(f'{LONG_HOST}a', id='a name of 254'),
])
def test_anything_else_is_no_host(host: str) -> None:
    with pytest.raises(DXFInvalidNameError, match='^invalid host'):
        names.check_host(host)


def test_a_refused_host_does_not_show_the_password_in_it() -> None:
    with pytest.raises(DXFInvalidNameError) as caught:
        names.check_host('fred:secret@registry.example.com')
    assert 'secret' not in str(caught.value)


@pytest.mark.parametrize('host, known_as', [
    pytest.param('', HUB, id='the empty string'),
    pytest.param('docker.io', HUB, id='its name in image references'),
    pytest.param('index.docker.io', HUB, id='its old index'),
    pytest.param(HUB, HUB, id='itself'),
    pytest.param('Docker.IO', HUB, id='any case'),
    pytest.param('docker.io:443', f'{HUB}:443', id='with a port'),
    pytest.param(f'{HUB}:8443', f'{HUB}:8443', id='itself on another port'),
])
def test_docker_hub_has_many_names(host: str, known_as: str) -> None:
    assert names.check_host(host) == known_as
    assert names.is_docker_hub(known_as)
    assert names.repository_at(known_as, 'debian') == 'library/debian'
    assert names.repository_at(known_as, 'fred/debian') == 'fred/debian'


@pytest.mark.parametrize('host', [
    pytest.param('evil-docker.io', id='ends in those letters'),
    pytest.param('evil.docker.io', id='another host of the domain'),
    pytest.param('docker.io.evil.example', id='begins with its name'),
    pytest.param('registry-1.docker.io.evil.example', id='begins with its real name'),
    pytest.param('registry-1-docker.io', id='a dot is a dot'),
    pytest.param('registry-2.docker.io', id='another number'),
])
def test_other_hosts_are_not_docker_hub(host: str) -> None:
    assert names.check_host(host) == host
    assert not names.is_docker_hub(host)
    assert names.repository_at(host, 'debian') == 'debian'


# Repositories

@pytest.mark.parametrize('repository', [
    pytest.param('a', id='one letter'),
    pytest.param('0', id='one digit'),
    pytest.param('fred/datalogger', id='two parts'),
    pytest.param('a/b/c/d/e', id='many parts'),
    pytest.param('a.b_c__d-e--f---g', id='every separator'),
    pytest.param('a' * 255, id='longest'),
])
def test_a_repository_is_returned_as_it_is(repository: str) -> None:
    assert names.check_repository(repository) == repository


@pytest.mark.parametrize('repository', [
    pytest.param('', id='empty'),
    pytest.param('../..', id='up'),
    pytest.param('a/../b', id='up within'),
    pytest.param('.', id='dot'),
    pytest.param('a//b', id='empty part'),
    pytest.param('/a', id='slash first'),
    pytest.param('a/', id='slash last'),
    pytest.param('Fred', id='upper case'),
    pytest.param('fred/Data', id='upper case later'),
    pytest.param('a..b', id='two dots'),
    pytest.param('a___b', id='three underscores'),
    pytest.param('a._b', id='mixed separators'),
    pytest.param('_a', id='separator first'),
    pytest.param('a-', id='separator last'),
    pytest.param('a-/b', id='separator last in a part'),
    pytest.param('a?b', id='query'),
    pytest.param('a#b', id='fragment'),
    pytest.param('%2e%2e/a', id='percent-encoded'),
    pytest.param('a b', id='space'),
    pytest.param('a\n', id='trailing newline, which $ would accept'),
    pytest.param('a\n/b', id='newline in the middle'),
    pytest.param('a\x00', id='NUL'),
    pytest.param('a\x1b[2J', id='terminal sequence'),
    pytest.param('a:b', id='colon'),
    pytest.param('a@b', id='at'),
    pytest.param('a\\b', id='backslash'),
    pytest.param('caf\u00e9', id='letters beyond ASCII'),
    pytest.param('a\u0661', id='digits beyond ASCII'),
    pytest.param('\u017f', id='a letter whose upper case is in ASCII'),
    pytest.param('a' * 256, id='too long'),
])
def test_anything_else_is_no_repository(repository: str) -> None:
    for check in (names.check_repository, lambda name: names.repository_at('localhost', name)):
        with pytest.raises(DXFInvalidNameError, match='^invalid repository'):
            check(repository)


def test_host_and_repository_have_at_most_255_characters_together() -> None:
    host = 'localhost:5000'
    longest = 'a' * (255 - len(host))
    assert names.repository_at(host, longest) == longest
    with pytest.raises(DXFInvalidNameError, match='255'):
        names.repository_at(host, longest + 'a')


def test_the_library_of_docker_hub_counts_for_the_length() -> None:
    longest = 'a' * (255 - len(f'{HUB}library/'))
    assert names.repository_at(HUB, longest) == f'library/{longest}'
    with pytest.raises(DXFInvalidNameError, match='255'):
        names.repository_at(HUB, longest + 'a')


# Aliases

@pytest.mark.parametrize('alias', [
    pytest.param('a', id='one letter'),
    pytest.param('_', id='underscore first'),
    pytest.param('0', id='digit first'),
    pytest.param('may15-readings', id="the seed's"),
    pytest.param('V1.0_rc-2', id='all that is allowed'),
    pytest.param('a..b', id='two dots'),
    pytest.param('A' * 128, id='longest'),
])
def test_an_alias_is_returned_as_it_is(alias: str) -> None:
    assert names.check_alias(alias) == alias
    assert names.check_reference(alias) == alias
    assert not names.is_digest(alias)


@pytest.mark.parametrize('alias', [
    pytest.param('', id='empty'),
    pytest.param('.a', id='dot first'),
    pytest.param('..', id='up'),
    pytest.param('-a', id='hyphen first'),
    pytest.param('a/b', id='slash'),
    pytest.param('a/../../b', id='way out of the repository'),
    pytest.param('a?b', id='query'),
    pytest.param('a#b', id='fragment'),
    pytest.param('%2e', id='percent-encoded'),
    pytest.param('a b', id='space'),
    pytest.param('a\n', id='trailing newline, which $ would accept'),
    pytest.param('a\x7f', id='DEL'),
    pytest.param('a\u202eb', id='direction override'),
    pytest.param('\u00e9t\u00e9', id='letters beyond ASCII'),
    pytest.param('a\u0661', id='digits beyond ASCII'),
    pytest.param('a\u212a', id='the Kelvin sign, a K to those who ignore case'),
    pytest.param('a' * 129, id='too long'),
])
def test_anything_else_is_no_alias(alias: str) -> None:
    for check in (names.check_alias, names.check_reference):
        with pytest.raises(DXFInvalidNameError, match='^invalid alias '):
            check(alias)


@pytest.mark.parametrize('alias', ['@', '@alias'])
def test_the_at_before_an_alias_is_explained(alias: str) -> None:
    with pytest.raises(DXFInvalidNameError, match='^invalid alias .*without the @'):
        names.check_alias(alias)


# Digests

def test_a_digest_is_returned_as_it_is() -> None:
    assert names.check_digest(DIGEST) == DIGEST
    assert names.check_reference(DIGEST) == DIGEST
    assert names.is_digest(DIGEST)


BROKEN_DIGESTS = [
    pytest.param('sha256:', id='no hash'),
    pytest.param(f'sha256:{HEX[:-1]}', id='too short'),
    pytest.param(f'sha256:{HEX}0', id='too long'),
    pytest.param(f'sha256:{HEX.upper()}', id='upper case'),
    pytest.param(f'sha256:{HEX[:-1]}g', id='no hexadecimal digit'),
    pytest.param(f'sha256:{HEX}\n', id='trailing newline, which $ would accept'),
    pytest.param(f'sha256:{HEX[:-1]}\n', id='newline for the last digit'),
    pytest.param(f'sha256:{HEX[:-1]}\uff11', id='full-width digit'),
    pytest.param(f'sha256:{HEX[:-1]}\u0661', id='digit beyond ASCII'),
    pytest.param(f'sha256:{HEX[:-8]}/../../x', id='way out of the repository'),
    pytest.param(f'{DIGEST}:', id='two colons'),
    pytest.param(f'sha256::{HEX}', id='colons side by side'),
]
OTHER_METHODS = [
    pytest.param(f'md5:{"0" * 32}', 'md5', id='broken'),
    pytest.param(f'sha512:{HEX * 2}', 'sha512', id='sound, but not ours'),
    pytest.param(f'sha512:{HEX}', 'sha512', id='of a length that would fit'),
    pytest.param(f'SHA256:{HEX}', 'SHA256', id='upper case'),
    pytest.param(f' sha256:{HEX}', ' sha256', id='space'),
    pytest.param(f':{HEX}', '', id='empty'),
    pytest.param(f'sha256\n:{HEX}', 'sha256\n', id='newline'),
]


@pytest.mark.parametrize('check', [names.check_digest, names.check_reference, names.complete_digest])
@pytest.mark.parametrize('digest', BROKEN_DIGESTS)
def test_anything_else_is_no_digest(check: Callable[[str], str], digest: str) -> None:
    with pytest.raises(DXFInvalidNameError, match='^invalid digest '):
        check(digest)


@pytest.mark.parametrize('check', [names.check_digest, names.check_reference, names.complete_digest,
                                   dxf.split_digest])
@pytest.mark.parametrize('digest, method', OTHER_METHODS)
def test_another_method_is_refused_by_its_name(check: Callable[[str], object], digest: str, method: str) -> None:
    with pytest.raises(DXFUnexpectedDigestMethodError) as caught:
        check(digest)
    assert (caught.value.got, caught.value.expected) == (method, 'sha256')
    assert str(caught.value) == f'expected digest method sha256, got {method}'


@pytest.mark.parametrize('digest', ['', HEX])
def test_a_digest_names_its_method(digest: str) -> None:
    with pytest.raises(DXFInvalidNameError):
        names.check_digest(digest)


def test_a_digest_is_split_at_its_colon() -> None:
    assert dxf.split_digest(DIGEST) == ('sha256', HEX)


@pytest.mark.parametrize('digest', [
    pytest.param('', id='empty'),
    pytest.param(HEX, id='no colon'),
    pytest.param(f'{DIGEST}:', id='two colons'),
    pytest.param(f'md5:{DIGEST}', id='two methods'),
    pytest.param('::', id='colons alone'),
])
def test_splitting_wants_exactly_one_colon(digest: str) -> None:
    with pytest.raises(ValueError) as caught:
        dxf.split_digest(digest)
    assert isinstance(caught.value, DXFError)


@pytest.mark.parametrize('text', [
    pytest.param(HEX, id='bare, as the seed prints it'),
    pytest.param(DIGEST, id='complete already'),
])
def test_a_bare_hash_is_completed(text: str) -> None:
    assert names.complete_digest(text) == DIGEST


@pytest.mark.parametrize('text', [
    pytest.param('', id='empty'),
    pytest.param(HEX[:-1], id='too short'),
    pytest.param(f'{HEX}0', id='too long'),
    pytest.param(HEX.upper(), id='upper case'),
    pytest.param(f'{HEX}\n', id='trailing newline'),
    pytest.param('alias', id='an alias'),
])
def test_what_is_no_hash_is_not_completed(text: str) -> None:
    with pytest.raises(DXFInvalidNameError, match='^invalid digest '):
        names.complete_digest(text)


# Platforms

@pytest.mark.parametrize('platform', ['linux/amd64', 'linux/arm/v7', 'unknown/unknown', 'windows/AMD_64/v1.0'])
def test_a_platform_is_returned_as_it_is(platform: str) -> None:
    assert names.check_platform(platform) == platform


@pytest.mark.parametrize('platform', [
    pytest.param('', id='empty'),
    pytest.param('linux', id='no architecture'),
    pytest.param('linux/', id='empty architecture'),
    pytest.param('linux/arm/v7/x', id='four parts'),
    pytest.param('linux/amd64\n', id='trailing newline'),
    pytest.param('linux/amd 64', id='space'),
    pytest.param('linux/\x1b[2J', id='terminal sequence'),
    pytest.param('l\u0131nux/amd64', id='letters beyond ASCII'),
])
def test_anything_else_is_no_platform(platform: str) -> None:
    with pytest.raises(DXFInvalidNameError, match='^invalid platform '):
        names.check_platform(platform)


@pytest.mark.parametrize('check', [names.check_host, names.check_repository, names.check_alias, names.check_digest,
                                   names.check_platform])
@pytest.mark.parametrize('piece', ['a', 'a-', '-', 'a.', 'a/', '_', ':', '[', '0'])
def test_a_name_of_a_million_characters_is_refused_at_once(check: Callable[[str], str], piece: str) -> None:
    began = time.process_time()
    with pytest.raises((DXFInvalidNameError, DXFUnexpectedDigestMethodError)):
        check(piece * 1_000_000 + '!')
    assert time.process_time() - began < 30  # quadratic it takes hours


# Hashes

@pytest.mark.parametrize('content, digest', [
    pytest.param(b'', EMPTY, id='empty'),
    pytest.param(b'abc', 'sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
                 id='the example of FIPS 180'),
    pytest.param(b'a' * 1_000_000, 'sha256:cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0',
                 id='its long example'),
])
def test_bytes_and_files_have_the_same_digest(tmp_path: Path, content: bytes, digest: str) -> None:
    path = tmp_path / 'content'
    path.write_bytes(content)
    assert dxf.hash_bytes(content) == digest
    assert dxf.hash_file(str(path)) == digest


@pytest.mark.parametrize('size', [(1 << 20) - 1, 1 << 20, (1 << 20) + 1, (5 << 20) + 3])
def test_a_file_larger_than_a_read_is_hashed_to_its_end(tmp_path: Path, size: int) -> None:
    content = bytes(range(251)) * (size // 251 + 1)
    path = tmp_path / 'content'
    path.write_bytes(content[:size])
    assert dxf.hash_file(str(path)) == 'sha256:' + hashlib.sha256(content[:size]).hexdigest()


def test_a_file_that_cannot_be_read_is_an_os_error(tmp_path: Path) -> None:
    for path in (tmp_path / 'missing', tmp_path):
        with pytest.raises(OSError):
            dxf.hash_file(str(path))


@pytest.mark.parametrize('text, expected', [
    pytest.param('', b'', id='empty'),
    pytest.param('zo\u00eb', b'zo\xc3\xab', id='text becomes UTF-8'),
    pytest.param(b'\xff\x00', b'\xff\x00', id='bytes stay'),
])
def test_text_becomes_bytes(text: str | bytes, expected: bytes) -> None:
    assert names.to_bytes(text) == expected
    assert getattr(dxf, '_to_bytes_2and3')(text) == expected
