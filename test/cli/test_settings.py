"""The settings: what each variable means, what an empty one means, and what is refused."""

from pathlib import Path
from typing import Any

import pytest

from dxf.environment.reader import TARGET_SETTINGS, read_date, read_settings
from dxf.environment.settings import Settings
from dxf.environment.variable_values import SettingsError
from dxf.environment.variables import TARGET_PREFIX, VARIABLES
from dxf.limits import TIMEOUT, Limits
from dxf.transport.proxies import Proxies

from ..helpers.tables import for_each

HOST = 'registry.example.com:5000'
CA = str(Path(__file__))
"""Any file that can be read."""

READ = [
    ('DXF_HOST', 'localhost', 'host', 'localhost', 'a name alone'),
    ('DXF_HOST', 'docker.io', 'host', 'docker.io', 'Docker Hub'),
    ('DXF_HOST', '[::1]:5000', 'host', '[::1]:5000', 'IPv6'),
    ('DXF_HOST', '192.0.2.1:5000', 'host', '192.0.2.1:5000', 'IPv4'),
    ('DXF_INSECURE', '1', 'insecure', True, 'http'),
    ('DXF_INSECURE', '0', 'insecure', False, 'the seed: set this to 1'),
    ('DXF_AUTHORIZATION', 'Basic Zm9v', 'authorization', 'Basic Zm9v', 'verbatim'),
    ('DXF_TOKEN', 'abc.def', 'token', 'abc.def', 'verbatim'),
    ('DXF_AUTH_HOST', 'auth.example.com', 'auth_host', 'auth.example.com', 'a name'),
    ('DXF_AUTH_HOST', 'localhost:1', 'auth_host', 'localhost:1', 'with a port'),
    ('DXF_PROGRESS', '1', 'progress', 'bar', 'always'),
    ('DXF_PROGRESS', '0', 'progress', 'none', 'never'),
    ('DXF_PROGRESS', 'lines', 'progress', 'lines', 'as --progress=lines'),
    ('DXF_PROGRESS', 'json', 'progress', 'json', 'as --progress=json'),
    ('DXF_BLOB_INFO', '1', 'blob_info', True, 'wanted'),
    ('DXF_BLOB_INFO', '0', 'blob_info', False, 'the seed: set this to 1'),
    ('DXF_CHUNK_SIZE', '1', 'chunk_size', 1, 'the least'),
    ('DXF_CHUNK_SIZE', '65536', 'chunk_size', 65536, 'a number'),
    ('DXF_CHUNK_SIZE', '007', 'chunk_size', 7, 'decimal'),
    ('DXF_PLATFORM', 'linux/arm/v7', 'platform', 'linux/arm/v7', 'with a variant'),
    ('DXF_TIMEOUT', '5', 'timeout', 5.0, 'seconds'),
    ('DXF_TIMEOUT', '0.5', 'timeout', 0.5, 'fractions'),
    ('DXF_RETRIES', '0', 'retries', 0, 'one attempt'),
    ('DXF_RETRIES', '9', 'retries', 9, 'a number'),
    ('DXF_JOBS', '1', 'jobs', 1, 'one after the other'),
    ('DXF_JOBS', '64', 'jobs', 64, 'the most'),
    ('XDG_STATE_HOME', '/var/lib', 'state_folder', '/var/lib/dxf/uploads', 'a folder'),
    ('HOME', '/home/fred', 'state_folder', '/home/fred/.local/state/dxf/uploads', 'the default'),
    ('DXF_SCHEMA', 'v2', 'schema', 'v2', 'schema 2'),
    ('DXF_SCHEMA', 'oci', 'schema', 'oci', 'OCI'),
    ('DXF_SCHEMA', 'v1', 'schema', 'v1', 'signed schema 1'),
    ('DXF_DEBUG', '1', 'debug', True, 'each request is told'),
    ('DXF_DEBUG', '0', 'debug', False, 'as empty'),
    ('DXF_SKIPTLSVERIFY', '1', 'tlsverify', False, 'off'),
    ('DXF_SKIPTLSVERIFY', '0', 'tlsverify', True, 'only 1 turns it off'),
    ('DXF_TLSVERIFY', CA, 'tlsverify', CA, 'a file'),
    ('REQUESTS_CA_BUNDLE', CA, 'tlsverify', CA, 'a file'),
    ('HTTPS_PROXY', 'http://proxy', 'proxies', Proxies('', 'http://proxy'), 'for https alone'),
    ('https_proxy', 'proxy:1', 'proxies', Proxies('', 'proxy:1'), 'in lower case too'),
    ('HTTP_PROXY', 'proxy', 'proxies', Proxies('proxy', ''), 'for http alone'),
    ('ALL_PROXY', 'proxy', 'proxies', Proxies('proxy', 'proxy'), 'for both'),
    ('NO_PROXY', 'a,b', 'proxies', Proxies('', '', 'a,b'), 'as it is'),
]

MALFORMED = [
    ('DXF_PROGRESS', 'yes', 'it may mean 1; the seed took it for empty'),
    ('DXF_PROGRESS', 'off', 'it may mean 0'),
    ('DXF_HOST', 'https://x', 'a scheme'),
    ('DXF_HOST', 'x/y', 'a path'),
    ('DXF_HOST', 'x:0', 'no port'),
    ('DXF_AUTH_HOST', 'x@y', 'a user name'),
    ('DXF_CHUNK_SIZE', '0', 'no size'),
    ('DXF_CHUNK_SIZE', '-8', 'negative'),
    ('DXF_CHUNK_SIZE', '+8', 'a sign'),
    ('DXF_CHUNK_SIZE', ' 8', 'a space'),
    ('DXF_CHUNK_SIZE', '8_0', 'int() would take it'),
    ('DXF_CHUNK_SIZE', '٨', 'int() would take it'),
    ('DXF_CHUNK_SIZE', '1e3', 'float() would take it'),
    ('DXF_CHUNK_SIZE', '9' * 5000, 'int() refuses it with an error of its own'),
    ('DXF_TIMEOUT', '0', 'no time'),
    ('DXF_TIMEOUT', ' 5', 'a blank'),
    ('DXF_TIMEOUT', '1_0', 'a line between digits'),
    ('DXF_TIMEOUT', '-0.5', 'negative'),
    ('DXF_TIMEOUT', 'nan', 'neither more nor less than 0'),
    ('DXF_TIMEOUT', 'inf', 'no number that a socket takes'),
    ('DXF_TIMEOUT', '1e300', 'no number that a socket takes'),
    ('DXF_TIMEOUT', 'x', 'no number'),
    ('DXF_JOBS', '0', 'nothing would be done'),
    ('DXF_JOBS', '-1', 'negative'),
    ('DXF_JOBS', '65', 'more than a registry should be asked for at once'),
    ('DXF_JOBS', 'x', 'no number'),
    ('DXF_RETRIES', '-1', 'negative'),
    ('DXF_RETRIES', '1.0', 'no whole number'),
    ('DXF_RETRIES', 'x', 'no number'),
    ('DXF_SCHEMA', 'v3', 'no such schema'),
    ('DXF_TLSVERIFY', '/nowhere/ca.pem', 'not there'),
    ('REQUESTS_CA_BUNDLE', '/nowhere/ca.pem', 'not there'),
    ('DXF_USERNAME', 'fred', 'no password'),
    ('DXF_CERT', '/nowhere/my.pem', 'not there'),
    ('DXF_CERT', CA, 'no PEM'),
    ('DXF_KEY', CA, 'no certificate to it'),
    ('HTTPS_PROXY', 'ftp://proxy', 'no kind of proxy'),
    ('HTTPS_PROXY', 'http://fred:secret#@proxy', 'a character that ends the address'),
    ('ALL_PROXY', 'socks5h://proxy', 'SOCKS'),
    *((name, value, 'neither 0 nor 1')
      for name in ('DXF_INSECURE', 'DXF_SKIPTLSVERIFY', 'DXF_BLOB_INFO', 'DXF_DEBUG')
      for value in ('true', 'yes', 'no', '2', '01', ' 1', '-1')),
]


def test_all_but_the_host_has_a_default() -> None:
    assert read_settings({'DXF_HOST': HOST, 'HOME': '/home/fred'}) == Settings(
        host=HOST, insecure=False, username=None, password=None, authorization=None, token=None, auth_host=None,
        tlsverify=True, progress=None, blob_info=False, chunk_size=None, platform=None, timeout=TIMEOUT,
        retries=4, schema=None, jobs=6, state_folder='/home/fred/.local/state/dxf/uploads')
    assert (TIMEOUT, Limits().retries) == ((10, 60), 4)


@for_each('name, value, field, wanted, reason', READ)
def test_a_variable_becomes_a_typed_value(name: str, value: str, field: str, wanted: Any, reason: str) -> None:
    assert getattr(read_settings({'DXF_HOST': HOST, name: value}), field) == wanted, reason


@for_each('name', [name for name in VARIABLES if name != 'DXF_HOST'])
def test_a_variable_that_is_empty_is_not_set(name: str) -> None:
    assert read_settings({'DXF_HOST': HOST, name: ''}) == read_settings({'DXF_HOST': HOST})


@pytest.mark.parametrize('environ', [{}, {'DXF_HOST': ''}], ids=['not set', 'empty'])
def test_the_host_has_no_default(environ: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match='DXF_HOST .*registry.example.com:5000'):
        read_settings(environ)


@for_each('name, value, reason', MALFORMED)
def test_a_variable_that_is_malformed_is_refused_by_its_name(name: str, value: str, reason: str) -> None:
    with pytest.raises(SettingsError) as raised:
        read_settings({'DXF_HOST': HOST, name: value})
    assert name in str(raised.value), reason


@pytest.mark.parametrize(('variables', 'credentials', 'reason'), [
    ({'DXF_USERNAME': 'fred', 'DXF_PASSWORD': 'pw'}, ('fred', 'pw'), 'both'),
    ({'DXF_USERNAME': 'fréd', 'DXF_PASSWORD': 'pä:ss'}, ('fréd', 'pä:ss'), 'of any characters'),
    ({'DXF_USERNAME': '', 'DXF_PASSWORD': ''}, (None, None), 'empty ones are not set'),
    ({'DXF_USERNAME': 'fred', 'DXF_PASSWORD': '', 'DXF_TOKEN': 'x'}, (None, None), 'a token needs neither'),
    ({'DXF_PASSWORD': 'pw', 'DXF_TOKEN': 'x'}, (None, None), 'a token needs neither'),
    ({'DXF_PASSWORD': 'pw', 'DXF_AUTHORIZATION': 'x'}, (None, None), 'nor does what stands in for them'),
    ({}, (None, None), 'neither'),
])
def test_user_name_and_password_go_together(variables: dict[str, str], credentials: tuple[str | None, str | None],
                                            reason: str) -> None:
    settings = read_settings({'DXF_HOST': HOST, **variables})
    assert (settings.username, settings.password) == credentials, reason


HALVES = [
    ({'USERNAME': 'fred'}, 'DXF_USERNAME is set, but DXF_PASSWORD is not'),
    ({'USERNAME': 'fred', 'PASSWORD': ''}, 'DXF_USERNAME is set, but DXF_PASSWORD is empty'),
    ({'PASSWORD': 's3cr3t'}, 'DXF_PASSWORD is set, but DXF_USERNAME is not'),
    ({'USERNAME': '', 'PASSWORD': 's3cr3t'}, 'DXF_PASSWORD is set, but DXF_USERNAME is empty'),
]


@pytest.mark.parametrize(('variables', 'said'), HALVES)
@pytest.mark.parametrize('prefix', ['DXF_', TARGET_PREFIX])
def test_one_of_user_name_and_password_is_refused_by_the_name_of_the_other(variables: dict[str, str], said: str,
                                                                           prefix: str) -> None:
    environ = {'DXF_HOST': HOST, **{prefix + name: value for name, value in variables.items()}}
    with pytest.raises(SettingsError) as raised:
        read_settings(environ)
        read_settings(environ, TARGET_PREFIX, 'other.example.com')
    assert str(raised.value) == said.replace('DXF_', prefix)


@pytest.mark.parametrize(('variables', 'tlsverify', 'reason'), [
    ({'DXF_TLSVERIFY': '', 'REQUESTS_CA_BUNDLE': ''}, True, 'empty is the default, never off'),
    ({'DXF_TLSVERIFY': CA, 'REQUESTS_CA_BUNDLE': '/nowhere'}, CA, 'our own variable wins'),
    ({'DXF_TLSVERIFY': '', 'REQUESTS_CA_BUNDLE': CA}, CA, 'an empty one does not hide the other'),
    ({'DXF_SKIPTLSVERIFY': '1', 'DXF_TLSVERIFY': CA}, False, 'skipping is said aloud'),
    ({'DXF_SKIPTLSVERIFY': '1', 'REQUESTS_CA_BUNDLE': CA}, False, 'skipping is said aloud'),
    ({'DXF_SKIPTLSVERIFY': '', 'DXF_TLSVERIFY': ''}, True, 'empty is the default, never off'),
])
def test_certificates_are_verified_unless_it_is_said_otherwise(variables: dict[str, str], tlsverify: bool | str,
                                                               reason: str) -> None:
    assert read_settings({'DXF_HOST': HOST, **variables}).tlsverify == tlsverify, reason


@pytest.mark.parametrize(('value', 'seconds'), [(None, None), ('', None), ('0', 0), ('1715731200', 1715731200)])
def test_another_time_may_stand_for_now(value: str | None, seconds: int | None) -> None:
    assert read_date({} if value is None else {'SOURCE_DATE_EPOCH': value}) == seconds


@pytest.mark.parametrize('value', ['-1', '1.5', 'now', '1e9', '253402300800', '9' * 30])
def test_an_invalid_time_is_refused_by_the_name_of_its_variable(value: str) -> None:
    with pytest.raises(SettingsError, match='SOURCE_DATE_EPOCH'):
        read_date({'SOURCE_DATE_EPOCH': value})


NOT_UTF_8 = 's3cr\udce4t'
"""What Python makes of a variable that holds Latin-1: https://peps.python.org/pep-0383/."""


@pytest.mark.parametrize('name', ['DXF_USERNAME', 'DXF_PASSWORD', 'DXF_AUTHORIZATION', 'DXF_TOKEN'])
@pytest.mark.parametrize('prefix', ['DXF_', TARGET_PREFIX])
def test_a_credential_that_is_not_utf_8_is_refused_by_the_name_of_its_variable(name: str, prefix: str) -> None:
    environ = {'DXF_HOST': HOST, 'DXF_USERNAME': 'fred', 'DXF_PASSWORD': 'x', 'DXF_TO_USERNAME': 'fred',
               'DXF_TO_PASSWORD': 'x', name.replace('DXF_', prefix): NOT_UTF_8}
    with pytest.raises(SettingsError) as raised:
        read_settings(environ)
        read_settings(environ, TARGET_PREFIX, 'other.example.com')
    assert str(raised.value).startswith(name.replace('DXF_', prefix))
    assert 's3cr' not in str(raised.value) and str(raised.value).isascii()


@pytest.mark.parametrize('name', ['HTTPS_PROXY', 'https_proxy', 'ALL_PROXY'])
def test_a_proxy_s_password_that_is_not_utf_8_is_refused_by_the_name_of_its_variable(name: str) -> None:
    with pytest.raises(SettingsError) as raised:
        read_settings({'DXF_HOST': HOST, name: f'http://fred:{NOT_UTF_8}@proxy:3128'})
    assert str(raised.value).startswith(name.upper())
    assert 's3cr' not in str(raised.value) and str(raised.value).isascii()


@pytest.mark.parametrize(('prefix', 'host'), [('DXF_', 'other.example.com'), (TARGET_PREFIX, None)])
def test_another_host_and_its_prefix_are_given_together(prefix: str, host: str | None) -> None:
    with pytest.raises(ValueError, match=TARGET_PREFIX):
        read_settings({'DXF_HOST': HOST, 'DXF_TOKEN': 'secret'}, prefix, host)


def test_no_secret_is_in_a_message() -> None:
    for name, value, _ in MALFORMED:
        with pytest.raises(SettingsError) as raised:
            read_settings({'DXF_HOST': HOST, 'DXF_TOKEN': 'secret-token', 'DXF_PASSWORD': 'secret-word',
                           'DXF_AUTHORIZATION': 'secret-value', name: value} if name != 'DXF_USERNAME' else
                          {'DXF_HOST': HOST, name: value})
        assert 'secret' not in str(raised.value)


def test_every_variable_is_explained() -> None:
    assert all(text and text == text.strip() for text in VARIABLES.values())
    files = {'DXF_CERT', 'DXF_KEY'}  # which test_client_certificates makes
    others = {'DXF_USERNAME', 'DXF_PASSWORD', 'SOURCE_DATE_EPOCH', 'DXF_CACHE'}  # the last one is the library's
    assert {name.upper() for name, *_ in READ} - {'HOME'} | others | files == {
        name for name in VARIABLES if not name.startswith((TARGET_PREFIX, 'DOCKER_CONFIG', 'REGISTRY_AUTH_FILE'))}
    assert {TARGET_PREFIX + name for name in TARGET_SETTINGS} < set(VARIABLES)
