"""Wrong usage is told before anything is on the wire; help and reference say what there is."""

import re
from pathlib import Path

import pytest

from dxf.cli import blob_commands, command_table, dispatch, progress
from dxf.cli.command import Command, Operand, Option
from dxf.environment.variables import COMMON, PROGRESS, PROGRESS_MODES, VARIABLES
from dxf.limits import TIMEOUT, Limits
from dxf.main import doit
from dxf.options import JOBS
from dxf.version import VERSION

from ..helpers.tables import for_each, paired
from ..helpers.traffic import Traffic

REFERENCE = Path(__file__).parents[2] / 'docs' / 'reference.rst'
REPO = 'fred/datalogger'
DIGEST = 'sha256:' + 'a' * 64
HEX = 'a' * 64
FILE = 'FILE'
"""Stands in the tables for a file that can be read."""

WIDEST = 120
WIDEST_HELP = 79
"""A terminal has 80 columns, and some go to the next line when the last is written to."""


@pytest.fixture(name='files')
def write_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A readable file, a directory and what cannot be read, in the working directory."""
    monkeypatch.chdir(tmp_path)
    Path(FILE).write_bytes(b'readings')
    Path('directory').mkdir()
    Path('loop').symlink_to('loop')
    Path('dangling').symlink_to('nowhere')


def rejected(capfd: pytest.CaptureFixture[str], traffic: Traffic, *args: str, **variables: str | None) -> str:
    """Run a command that must be refused before anything is sent; return its one line."""
    environ = {'DXF_HOST': 'localhost:1', 'DXF_INSECURE': '1', 'DXF_RETRIES': '0', **variables}
    with pytest.raises(SystemExit) as ended:
        doit(args, {name: value for name, value in environ.items() if value is not None})
    out, err = capfd.readouterr()
    assert ended.value.code == 2
    assert (traffic.requests, traffic.connections) == ([], [])
    assert out == ''
    assert err.startswith('dxf: ') and err.endswith('\n') and err.count('\n') == 1
    assert err[:-1].isprintable()
    return err


REPOSITORIES = {
    'climbs out': '../..', 'climbs out in the middle': 'fred/../datalogger', 'is a dot': '.', 'empty component': 'a//b',
    'upper case': 'Fred/datalogger', 'a query': 'fred?x=1', 'a fragment': 'fred#x', 'escaped dots': '%2e%2e/fred',
    'a space': 'fred datalogger', 'a newline at the end': 'fred\n', 'a control character': 'fred\x07',
    'an escape sequence': 'fred\x1b[2J', 'empty': '', 'begins with a slash': '/fred', 'ends with a slash': 'fred/',
    'two dots in a component': 'fred..x', 'three underscores': 'fred___x', 'begins with a separator': '.fred',
    'letters beyond ASCII': 'fréd', 'digits beyond ASCII': 'fred١', 'a tag': 'fred:latest', 'an alias': '@fred',
    'too long': 'a' * 256, 'too long with the host': 'a' * 250, 'a bidirectional override': 'fred\u202e',
    'a back slash': 'fred\\datalogger', 'a lone surrogate': 'fred\udcff',
}
ALIASES = {
    'empty': '', 'a slash': 'a/b', 'begins with a dot': '.a', 'begins with a dash after the @': '-a', 'a space': 'a b',
    'climbs out': '..', 'a newline at the end': 'a\n', 'a query': 'a?b', 'a fragment': 'a#b', 'an escape': 'a%2fb',
    'too long': 'a' * 129, 'letters beyond ASCII': 'é', 'a control character': 'a\x00', 'a colon': 'a:b',
}
DIGESTS = {
    'empty': '', 'another algorithm': 'md5:' + 'a' * 32, 'sha512': 'sha512:' + 'a' * 128, 'too short': DIGEST[:-1],
    'too long': DIGEST + 'a', 'upper case': 'sha256:' + 'A' * 64, 'no hexadecimal digit': 'sha256:' + 'g' * 64,
    'no digits': 'sha256:', 'bare and short': HEX[:-1], 'bare and long': HEX + 'a', 'bare upper case': 'A' * 64,
    'two colons': 'sha256:sha256:' + HEX, 'a newline at the end': DIGEST + '\n', 'bare with a newline': HEX + '\n',
    'a path': 'sha256:../../' + 'a' * 58, 'an alias without its @': 'latest', 'a space': ' ' + DIGEST,
    'another algorithm in upper case': 'SHA256:' + HEX, 'digits beyond ASCII': 'sha256:' + '١' * 64,
}


COMMANDS = {command.name: command for command in command_table.COMMANDS}
OF_REPOSITORIES = {name: name for name, command in COMMANDS.items() if command.operands}


@for_each('command, repository', paired(OF_REPOSITORIES, REPOSITORIES))
@pytest.mark.usefixtures('files')
def test_an_invalid_repository_is_rejected(command: str, repository: str, capfd: pytest.CaptureFixture[str],
                                           traffic: Traffic) -> None:
    operands = {'push-blob': [FILE], 'pull-blob': [DIGEST], 'blob-size': [DIGEST], 'del-blob': [DIGEST],
                'mount-blob': [REPO, DIGEST], 'set-alias': ['a', DIGEST], 'list-aliases': [], 'gc': [], 'du': [],
                'diff': ['a', 'b'], 'probe': [], 'prune': ['--keep-last', '1'],
                'verify': [FILE, 'a'], 'copy': ['a', '--to', 'oci:b'], 'push-files': ['a', FILE],
                'attach': ['a', FILE, '--type', 'a/b'], 'backup': [FILE, '@a'], 'auth': ['pull']}
    line = rejected(capfd, traffic, command, repository, *operands.get(command, ['a']))
    assert 'invalid repository' in line


@for_each('repository', REPOSITORIES)
def test_an_invalid_repository_to_mount_from_is_rejected(repository: str, capfd: pytest.CaptureFixture[str],
                                                         traffic: Traffic) -> None:
    assert 'invalid repository' in rejected(capfd, traffic, 'mount-blob', REPO, repository, DIGEST)


def table(*rows: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Return a table of arguments."""
    return {' '.join(row): row for row in rows}


@for_each('args, alias', paired(table(
    ('get-alias', '{}'), ('get-alias', 'good', '{}'), ('get-digest', '{}'), ('get-manifest', '{}'),
    ('del-alias', 'good', '{}'), ('set-alias', '{}', DIGEST)), ALIASES))
def test_an_invalid_alias_is_rejected(args: tuple[str, ...], alias: str, capfd: pytest.CaptureFixture[str],
                                      traffic: Traffic) -> None:
    command, *operands = args
    operands = [operand.replace('{}', alias) for operand in operands]
    assert 'invalid alias' in rejected(capfd, traffic, command, REPO, '--', *operands)


@for_each('args, alias', paired(table(
    ('push-blob', FILE), ('pull-blob',), ('pull-blob', DIGEST), ('blob-size',), ('del-blob', DIGEST),
    ('mount-blob', REPO, DIGEST)), {**ALIASES, 'two of it': '@a'}))
@pytest.mark.usefixtures('files')
def test_an_invalid_alias_after_an_at_is_rejected(args: tuple[str, ...], alias: str,
                                                  capfd: pytest.CaptureFixture[str], traffic: Traffic) -> None:
    command, *operands = args
    assert 'invalid alias' in rejected(capfd, traffic, command, REPO, *operands, f'@{alias}')


@for_each('args, digest', paired(table(
    ('pull-blob',), ('pull-blob', DIGEST), ('blob-size', '@a'), ('del-blob',), ('set-alias', 'a'),
    ('set-alias', 'a', HEX), ('mount-blob', REPO)), DIGESTS))
@pytest.mark.usefixtures('files')
def test_an_invalid_digest_is_rejected(args: tuple[str, ...], digest: str, capfd: pytest.CaptureFixture[str],
                                       traffic: Traffic) -> None:
    command, *operands = args
    line = rejected(capfd, traffic, command, REPO, *operands, digest)
    if digest.startswith(('md5:', 'sha512:')):
        assert digest.partition(':')[0] in line


@pytest.mark.parametrize('command', ['push-blob', 'set-alias'])
@for_each('path', [
    pytest.param('missing', id='there is none'),
    pytest.param('', id='empty'),
    pytest.param('directory', id='a directory'),
    pytest.param('loop', id='cannot be opened'),
    pytest.param('dangling', id='leads nowhere'),
    pytest.param(f'{FILE}/x', id='a file in the place of a directory'),
    pytest.param('nul\x00', id='no path can hold a NUL'),
    pytest.param('new\nline', id='missing and with a newline'),
    pytest.param('\x1b[2J', id='missing and with an escape sequence'),
    pytest.param('x' * 5000, id='a name too long'),
    pytest.param('\udcff', id='missing and not UTF-8'),
])
@pytest.mark.usefixtures('files')
def test_a_file_that_cannot_be_read_is_rejected(command: str, path: str, capfd: pytest.CaptureFixture[str],
                                                traffic: Traffic) -> None:
    rejected(capfd, traffic, command, REPO, *([path] if command == 'push-blob' else ['a', f'./{path}']))


REJECTED = {
    'a third operand without @': ('invalid alias', 'push-blob', REPO, FILE, 'alias'),
    'a fourth operand without @': ('invalid alias', 'mount-blob', REPO, REPO, DIGEST, 'alias'),
    'two @ where an alias is wanted': ('without the @', 'get-alias', REPO, '@@a'),
    'two @ where an alias is to be set': ('without the @', 'set-alias', REPO, '@@a', DIGEST),
    'two @ where an alias is to be deleted': ('without the @', 'del-alias', REPO, '@@a'),
    'an alias before its file': ('the @alias comes last', 'push-blob', REPO, '@a', FILE),
    'an alias without a file': ('a file stands before the @alias', 'push-blob', REPO, '@a'),
    'no repository': ('<repo> <file>...', 'push-blob', FILE),
    'no repository, but an alias': ('a file stands before the @alias', 'push-blob', 'logger.dat', '@a'),
    'a command without two dashes': ('a command follows --', 'push-blob', REPO, '@a', 'tar', 'c', 'photos'),
    'two files without an alias': ('several files are followed by one @alias', 'push-blob', REPO, FILE, FILE),
    'three files without an alias': ('several files are followed by one @alias', 'push-blob', REPO, FILE, FILE, FILE),
    'a folder to push': ('push-files stores folders', 'push-blob', REPO, 'directory'),
    'an alias without @ before a command': ('write it with an @', 'push-blob', REPO, 'nightly', '--', 'true'),
    'a file before a command': ('one blob', 'push-blob', REPO, FILE, '--', 'true'),
    'a command in quotes': ('write its words without quotes', 'push-blob', REPO, '@a', '--', 'tar c photos'),
    'an alias among hashes': ('@b stands alone', 'set-alias', REPO, 'a', '@b', DIGEST),
    'an alias with a space': ('want up to 128 letters', 'set-alias', REPO, 'a b', DIGEST),
    'an alias behind the repository': ('lower-case letters', 'pull-blob', f'{REPO}:a'),
    'a range of one number': ('want FIRST-LAST', 'pull-blob', REPO, DIGEST, '--range=5'),
    'a range that ends before it begins': ('want FIRST-LAST', 'pull-blob', REPO, DIGEST, '--range=5-4'),
    'a range without bounds': ('want FIRST-LAST', 'pull-blob', REPO, DIGEST, '--range=-'),
    'no last bytes': ('want FIRST-LAST', 'pull-blob', REPO, DIGEST, '--range=-0'),
    'a range of a manifest on standard input': ('one hash, or one @alias', 'pull-blob', REPO, '--range=0-4'),
    'a range of two blobs': ('one hash, or one @alias', 'pull-blob', REPO, DIGEST, '@a', '--range=0-4'),
    'a range into a file': ('write a range to a file by > FILE', 'pull-blob', REPO, DIGEST, '--range=0-4', '-o', 'x'),
    'a path in the place of a host to copy to': ('examples: registry', 'copy', REPO, 'a', '--to', './usb'),
    'an unknown option': ('', 'pull-blob', REPO, '--force'),
    'an unknown option with an escape sequence': ('', 'pull-blob', REPO, '--\x1b[2J\n\u202eforce'),
    'an unknown option before the command': ('', '--force', 'pull-blob', REPO, DIGEST),
    'an option with control characters before the command': ('', '--\x1b[2J\n', 'pull-blob'),
    'no such command': ('no command', 'frobnicate'),
    'no such command, with an escape sequence': ('', '\x1b[2J\n'),
    'an empty command': ('', ''),
    'two dashes alone': ('', '--'),
    'a command after two dashes': ('', '--', 'nothing'),
}


@for_each('row', REJECTED)
@pytest.mark.usefixtures('files')
def test_other_operands_that_cannot_be_right_are_rejected(row: tuple[str, ...], capfd: pytest.CaptureFixture[str],
                                                          traffic: Traffic) -> None:
    said, *args = row
    assert said in rejected(capfd, traffic, *args)


HOSTS = {
    'not set': None, 'empty': '', 'with a scheme': 'https://localhost:5000', 'with a path': 'localhost:5000/v2',
    'with a user': 'fred@localhost', 'with a user and password': 'fred:pw@localhost', 'with a fragment': 'localhost#x',
    'with a query': 'localhost?x', 'port 0': 'localhost:0', 'port too large': 'localhost:65536',
    'no port': 'localhost:', 'no number for a port': 'localhost:http', 'a space': 'local host',
    'a newline at the end': 'localhost\n', 'an escape sequence': 'local\x1b[2Jhost', 'a port alone': ':5000',
    'an open bracket': '[::1', 'no IPv6': '[::x]',
    'IPv6 without brackets': '::1', 'an empty label': 'a..b', 'a dash at the end': 'a-', 'beyond ASCII': 'réseau',
    'too long a label': 'a' * 64, 'too long a name': '.'.join(['a' * 60] * 5),
}


@for_each('host', HOSTS)
def test_an_invalid_host_is_rejected_with_its_variable_and_an_example(
        host: str | None, capfd: pytest.CaptureFixture[str], traffic: Traffic) -> None:
    line = rejected(capfd, traffic, 'list-repos', DXF_HOST=host)
    assert 'DXF_HOST' in line and 'registry.example.com:5000' in line


SETTINGS = {
    'chunks of nothing': ('DXF_CHUNK_SIZE', '0'), 'negative chunks': ('DXF_CHUNK_SIZE', '-1'),
    'half a byte': ('DXF_CHUNK_SIZE', '0.5'), 'chunks in words': ('DXF_CHUNK_SIZE', '8k'),
    'chunks beyond ASCII': ('DXF_CHUNK_SIZE', '٨'), 'chunks with a newline': ('DXF_CHUNK_SIZE', '8\n'),
    'no time': ('DXF_TIMEOUT', '0'), 'negative time': ('DXF_TIMEOUT', '-1'), 'not a time': ('DXF_TIMEOUT', 'nan'),
    'for ever': ('DXF_TIMEOUT', 'inf'), 'time in words': ('DXF_TIMEOUT', 'soon'),
    'negative attempts': ('DXF_RETRIES', '-1'), 'attempts in words': ('DXF_RETRIES', 'many'),
    'half an attempt': ('DXF_RETRIES', '1.5'), 'no such schema': ('DXF_SCHEMA', 'v3'),
    'a schema in upper case': ('DXF_SCHEMA', 'OCI'), 'a schema with an escape': ('DXF_SCHEMA', '\x1b[2J\n'),
    'no host for tokens': ('DXF_AUTH_HOST', 'https://auth.example.com'),
    'a host for tokens with a path': ('DXF_AUTH_HOST', 'auth.example.com/token'),
    'no such file of certificates': ('DXF_TLSVERIFY', '/nowhere/ca.pem'),
    'no such bundle': ('REQUESTS_CA_BUNDLE', '/nowhere/ca.pem'),
    'a bundle with an escape': ('REQUESTS_CA_BUNDLE', '/nowhere/\x1b[2J\n'),
    'a user name without a password': ('DXF_USERNAME', 'fred'),
    'a key without a certificate': ('DXF_KEY', '/nowhere/my.key'),
    'no such certificate': ('DXF_CERT', '/nowhere/my.pem'),
    'a proxy of no kind': ('HTTP_PROXY', 'gopher://proxy'), 'a SOCKS proxy': ('HTTP_PROXY', 'socks5://proxy'),
    'a proxy with a path': ('HTTP_PROXY', 'http://proxy/x'), 'a proxy with an escape': ('http_proxy', '\x1b[2J'),
}


@for_each('name, value', SETTINGS)
def test_a_variable_that_is_malformed_is_rejected_by_its_name(name: str, value: str,
                                                              capfd: pytest.CaptureFixture[str],
                                                              traffic: Traffic) -> None:
    assert name.upper() in rejected(capfd, traffic, 'list-aliases', REPO, **{name: value})


@pytest.mark.parametrize('variables', [{'DXF_USERNAME': 'fred', 'DXF_PASSWORD': ''}, {'DXF_PASSWORD': 's3cr3t'}])
@pytest.mark.parametrize('insecure', ['', '1'])
def test_an_empty_password_and_one_without_a_user_name_are_named(
        variables: dict[str, str], insecure: str, capfd: pytest.CaptureFixture[str], traffic: Traffic) -> None:
    line = rejected(capfd, traffic, 'list-aliases', REPO, DXF_INSECURE=insecure, **variables)
    assert 'DXF_PASSWORD' in line and 'DXF_USERNAME' in line and 's3cr3t' not in line


@for_each('command', COMMANDS)
def test_the_wordings_of_wrong_counts_are_kept(command: Command, capfd: pytest.CaptureFixture[str],
                                               traffic: Traffic) -> None:
    if command.min_operands:
        line = rejected(capfd, traffic, command.name, *['a'] * (command.min_operands - 1))
        assert 'too few arguments' in line and f'dxf {command.name} <repo>' in line
    if command.max_operands is not None:
        line = rejected(capfd, traffic, command.name, *['a'] * (command.max_operands + 1))
        assert 'too many arguments' in line and f'dxf {command.name}' in line


COUNTS = {'push-blob': (2, None), 'pull-blob': (1, None), 'blob-size': (1, None), 'mount-blob': (3, 4),
          'del-blob': (1, None), 'set-alias': (3, None), 'get-alias': (1, None), 'del-alias': (2, None),
          'get-digest': (1, None), 'get-manifest': (2, None), 'list-aliases': (1, 1), 'list-repos': (0, 0),
          'du': (1, 1), 'diff': (3, 3), 'copy': (0, None), 'gc': (1, 1), 'probe': (0, 1), 'prune': (1, 1),
          'get-manifest-digest': (2, None), 'inspect': (2, 2),
          'verify': (2, None), 'push-files': (3, None), 'pull-files': (2, None),
          'backup': (3, None), 'restore': (2, None), 'list-files': (2, 3),
          'attach': (3, None), 'referrers': (2, 2), 'login': (0, 0), 'logout': (0, 0), 'auth': (1, None)}


def test_the_commands_are_those_of_the_contract_with_their_numbers_of_operands() -> None:
    assert {command.name: (command.min_operands, command.max_operands) for command in command_table.COMMANDS} == COUNTS


ONCE = {f'{command.name} {option.flags[0]}': (command, option) for command in command_table.COMMANDS
        for option in command.options if option.has_value and not option.many}


@for_each('command, option', ONCE)
def test_an_option_with_one_value_is_rejected_if_it_is_given_twice(
        command: Command, option: Option, capfd: pytest.CaptureFixture[str], traffic: Traffic) -> None:
    value = option.choices[0] if option.choices else 'a'
    first, last = option.flags[0], option.flags[-1]
    assert rejected(capfd, traffic, command.name, first, value, 'operand', last, value) == \
        f'dxf: {last} was given twice: it takes one value (see dxf {command.name} --help)\n'


@for_each('typed, meant', [('push_blob', 'push-blob'), ('pullblob', 'pull-blob'),
                           ('list-alias', 'list-aliases'), ('set-aliases', 'set-alias')])
def test_a_command_that_is_misspelt_is_answered_with_the_near_one(typed: str, meant: str,
                                                                  capfd: pytest.CaptureFixture[str],
                                                                  traffic: Traffic) -> None:
    assert meant in rejected(capfd, traffic, typed, REPO)


def test_dxf_alone_prints_the_help_and_is_wrong_usage(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        doit([], {})
    out, err = capfd.readouterr()
    assert ended.value.code == 2
    assert out == shown(capfd, '--help')
    assert 'too few arguments' in err and err.startswith('dxf: ') and err.count('\n') == 1


# Help


def shown(capfd: pytest.CaptureFixture[str], *args: str) -> str:
    """Run a command that only shows something, without any variable; return what it showed."""
    capfd.readouterr()
    with pytest.raises(SystemExit) as ended:
        doit(args, {})
    out, err = capfd.readouterr()
    assert (ended.value.code, err) == (0, '')
    return out


@for_each('command, columns', paired(COMMANDS, {'unset': '', '40': '40', '80': '80', '300': '300'}))
def test_every_command_has_its_own_help(command: Command, columns: str, capfd: pytest.CaptureFixture[str],
                                        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('COLUMNS', columns)
    text = shown(capfd, command.name, '--help')
    assert ' '.join(f'{command.summary} {command.details}'.split()) in ' '.join(text.split())
    assert ' '.join(text.split()).startswith(f'usage: {" ".join(command.usage)} ')
    flags = [', '.join(option.flags) for option in command.options]
    assert [flag for flag in flags if flag not in text.replace(' FILE', '')] == []
    assert command.examples and all(f'  {one}\n' in text and f'dxf {command.name}' in one for one in command.examples)
    assert [name for name in (*command.variables, *COMMON) if name not in text] == []
    assert [line for line in text.splitlines() if len(line) > WIDEST_HELP] == []


@pytest.mark.parametrize('args', [('push-blob', '-h'), ('push-blob', REPO, FILE, '--help'), ('list-repos', '-h')],
                         ids=' '.join)
def test_help_is_given_wherever_it_is_asked_for(args: tuple[str, ...], capfd: pytest.CaptureFixture[str]) -> None:
    assert shown(capfd, *args) == shown(capfd, args[0], '--help')


def test_the_variables_of_a_command_are_those_that_it_reads() -> None:
    said = {command.name: set(command.variables) for command in command_table.COMMANDS}
    assert said['push-blob'] == {'DXF_JOBS', 'DXF_PROGRESS', 'DXF_SCHEMA', 'SOURCE_DATE_EPOCH', 'XDG_STATE_HOME'}
    assert said['pull-blob'] == {'DXF_JOBS', 'DXF_PROGRESS', 'DXF_BLOB_INFO', 'DXF_CHUNK_SIZE', 'DXF_PLATFORM'}
    assert said['set-alias'] == said['mount-blob'] == {'DXF_SCHEMA'}
    for name in ('blob-size', 'del-blob', 'get-alias', 'get-digest', 'get-manifest'):
        assert said[name] == {'DXF_PLATFORM'}


@pytest.mark.parametrize('columns', ['', '40', '80', '300'])
@pytest.mark.parametrize('option', ['--help', '--help-env'])
def test_no_line_of_the_help_is_too_wide(option: str, columns: str, capfd: pytest.CaptureFixture[str],
                                         monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('COLUMNS', columns)
    assert [line for line in shown(capfd, option).splitlines() if len(line) > WIDEST_HELP] == []


def test_the_help_lists_each_command_in_its_group_and_fits_a_window(capfd: pytest.CaptureFixture[str]) -> None:
    text = shown(capfd, '--help')
    assert len(text.splitlines()) <= 52
    groups: dict[str, list[str]] = {}
    for line in text.partition('options:')[0].splitlines():
        if heading := re.fullmatch('([a-z ]+):', line):
            groups[heading[1]] = []
        elif entry := re.match(r'  ([a-z-]+)  +[A-Z]', line):
            groups[list(groups)[-1]].append(entry[1])
    assert tuple(groups) == command_table.GROUPS
    assert groups == {group: [command.name for command in command_table.COMMANDS if command.group == group]
                      for group in groups}


def test_the_help_names_the_options_before_a_command(capfd: pytest.CaptureFixture[str]) -> None:
    text = shown(capfd, '--help')
    for option in ('--help', '--help-env', '--version', '--completion'):
        assert option in text.partition('\n')[0] and re.search(rf'^  .*{option}\b', text, re.MULTILINE)


def test_the_help_has_the_defaults_of_the_library() -> None:
    assert f'(default {JOBS})' in VARIABLES['DXF_JOBS']
    assert f'(default {Limits().retries})' in VARIABLES['DXF_RETRIES']
    connect, read = TIMEOUT
    assert f'(default {connect:.0f} and {read:.0f})' in VARIABLES['DXF_TIMEOUT']


def test_each_mode_of_progress_is_a_choice_and_a_value_of_the_variable() -> None:
    assert set(PROGRESS.values()) == set(PROGRESS_MODES) == {'bar', 'none', *progress.INTERVALS}


OPERANDS = [
    (Operand('<repo>'), '<repo>', 1, 1),
    (Operand('<alias>', optional=True), '[<alias>]', 0, 1),
    (Operand('<file>', many=True), '<file>...', 1, None),
    (Operand('<name>', many=True, optional=True), '[<name>...]', 0, None),
]


@pytest.mark.parametrize(('operand', 'usage', 'least', 'most'), OPERANDS, ids=[usage for _, usage, *_ in OPERANDS])
def test_usage_and_numbers_of_operands_come_from_the_operands(operand: Operand, usage: str, least: int,
                                                              most: int | None) -> None:
    command = Command('name', 'blobs', 'Do something.', operands=(operand,))
    assert (operand.usage, command.line) == (usage, f'dxf name {usage}')
    assert (command.min_operands, command.max_operands) == (least, most)


OPTIONS = [
    (Option(('--json',), ''), '[--json]'),
    (Option(('-o', '--output'), '', 'FILE'), '[-o FILE]'),
    (Option(('--to',), '', 'HOST', required=True), '--to=HOST'),
    (Option(('--annotation',), '', 'KEY=VALUE', many=True), '[--annotation=KEY=VALUE]...'),
    (Option(('--progress',), '', choices=('bar', 'none')), '[--progress=bar|none]'),
]


@pytest.mark.parametrize(('option', 'usage'), OPTIONS, ids=[usage for _, usage in OPTIONS])
def test_the_usage_of_an_option_comes_from_its_record(option: Option, usage: str) -> None:
    assert option.usage == usage


def test_messages_show_the_usage_with_a_program_as_it_is() -> None:
    assert blob_commands.PROGRAM_USAGE == COMMANDS['push-blob'].program_line == \
        'dxf push-blob <repo> [@alias] -- <command>...'


def test_each_command_that_shows_progress_can_be_slowed_and_the_reference_names_it() -> None:
    moving = [command.name for command in command_table.COMMANDS if '--progress' in command.flags]
    assert moving == [command.name for command in command_table.COMMANDS if '--limit-rate' in command.flags]
    listed = REFERENCE.read_text().split('``--limit-rate=RATE`` (')[1].split(')')[0]
    assert sorted(re.findall(r'``([a-z-]+)``', listed)) == sorted(moving)


def test_each_command_has_a_function() -> None:
    assert list(dispatch.FUNCTIONS) == [command.name for command in command_table.COMMANDS]
    assert all(dispatch.function_of(name).__doc__ for name in dispatch.FUNCTIONS)


def test_the_help_has_a_line_for_each_command(capfd: pytest.CaptureFixture[str],
                                              monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('COLUMNS', '100')
    text = ' '.join(shown(capfd, '--help').split())
    for command in command_table.COMMANDS:
        assert f'{command.name} {command.summary}' in text


def test_the_version_is_shown(capfd: pytest.CaptureFixture[str]) -> None:
    assert shown(capfd, '--version') == f'dxf {VERSION}\n'


# The page of commands and variables, and the command line, agree


def first_cells(text: str) -> list[str]:
    """Return what is literal in the first cells of the rows of the simple tables."""
    cells = []
    inside = False
    for line in text.splitlines():
        if re.fullmatch(r'=+( =+)+', line):
            inside = not inside
        elif inside and line.startswith('``'):
            cells.append(line[2:line.index('``', 2)])
    return cells


def test_the_reference_has_a_row_for_each_command_with_its_operands() -> None:
    rows = [cell for cell in first_cells(REFERENCE.read_text()) if cell.startswith('dxf ')]
    assert rows == [cell.rstrip() for cell in rows]
    assert sorted(rows) == sorted(command.line
                                  for command in command_table.COMMANDS)


def test_the_reference_names_no_other_command() -> None:
    names = {command.name for command in command_table.COMMANDS}
    named = re.findall(r'\bdxf ([a-z]+-[a-z]+(?:-[a-z]+)*)', REFERENCE.read_text())
    assert set(named) <= names


def test_the_reference_has_a_row_for_each_variable() -> None:
    rows = [cell for cell in first_cells(REFERENCE.read_text()) if re.fullmatch('[A-Z_]+', cell)]
    assert sorted(rows) == sorted(VARIABLES)


def test_reference_help_and_settings_name_the_same_variables(capfd: pytest.CaptureFixture[str]) -> None:
    def named(text: str) -> set[str]:
        return set(re.findall(r'\b(?:DXF_[A-Z_]+|REQUESTS_CA_BUNDLE|XDG_STATE_HOME|DOCKER_CONFIG|REGISTRY_AUTH_FILE|'
                              r'[A-Z]+_PROXY|SOURCE_DATE_EPOCH)\b', text))

    assert named(REFERENCE.read_text()) == named(shown(capfd, '--help-env')) == set(VARIABLES)
    for command in command_table.COMMANDS:
        assert set(command.variables) <= set(VARIABLES)
    used = set(COMMON).union(*(command.variables for command in command_table.COMMANDS))
    assert used | {'DXF_CACHE'} == set(VARIABLES)  # which DXF.open reads, and no command


def test_reference_and_help_name_the_same_commands(capfd: pytest.CaptureFixture[str]) -> None:
    listed = re.findall(r'^ {2,6}([a-z]+(?:-[a-z]+)*)\b', shown(capfd, '--help'), re.MULTILINE)
    rows = [cell.split()[1] for cell in first_cells(REFERENCE.read_text()) if cell.startswith('dxf ')]
    assert set(rows) == {command.name for command in command_table.COMMANDS} <= set(listed)


def test_the_tables_of_the_reference_are_whole() -> None:
    """A simple table of RST: each text of a column begins under its rule, and rules come in twos or threes."""
    rules: list[str] = []
    for line in REFERENCE.read_text().splitlines():
        if re.fullmatch(r'=+( =+)+', line):
            rules.append(line)
        elif len(rules) % 2 and line.strip():
            assert line.ljust(WIDEST)[rules[-1].index(' ')] == ' ', line
            assert len(line) <= WIDEST, line
    assert len(rules) % 2 == 0
    assert rules[::2] == rules[1::2]
