"""``dxf copy``: what it prints, how it is used wrongly, and who sees which credential."""

import base64
import errno
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from requests.exceptions import SSLError

import dxf
from dxf import DXF, hash_bytes
from dxf.environment.reader import read_settings
from dxf.environment.variable_values import SettingsError
from dxf.environment.variables import TARGET_PREFIX
from dxf.exceptions import DXFAuthInsecureError, DXFError, DXFPlatformDataNotFound
from dxf.main import doit

from ..helpers.endpoints import Endpoint
from ..helpers.layouts import snapshot
from ..helpers.memory_measurement import MeasuredRun
from ..helpers.processes import Runner
from ..helpers.repository_content import (CONTENTS, lacks_alias, push_alias, push_referrer, reachable, requests_with,
                                          set_document, target_variables)
from ..helpers.traffic import Traffic
from ..servers.certificates import Certificates
from ..servers.scripted_registry import Answer, Request, ScriptedRegistry, error, guard
from ..servers.token_server import TokenServer
from ..trust.test_memory import MIB, _Server, _Zeros, zeros_digest

INDEX = 'application/vnd.oci.image.index.v1+json'
MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json'
REPO = 'fred/datalogger'


@dataclass
class Command:
    """Runs ``dxf copy`` from one place to another."""

    source: Endpoint
    target: Endpoint
    capture: pytest.CaptureFixture[str]

    def run(self, *args: str, status: int = 0, **variables: str) -> tuple[str, str]:
        """Run it; return what it printed, and what it complained of."""
        environ = {**self.source.environ(), **target_variables(self.target), **variables}
        self.capture.readouterr()
        try:
            ended = doit(['copy', *args, '--to', self.target.host], environ)
        except SystemExit as exit_:
            ended = int(str(exit_.code))
        out, problems = self.capture.readouterr()
        assert ended == status, problems
        return out, problems

    def fails(self, *args: str, status: int = 2, **variables: str) -> str:
        """Run what must fail with one line, and return that."""
        out, problems = self.run(*args, status=status, **variables)
        assert out == '' and problems.startswith('dxf: ') and problems.count('\n') == 1
        return problems


@pytest.fixture(name='command', params=['basic_registry', 'folder'])
def each_command(request: pytest.FixtureRequest, token_registry: Endpoint,
                 capfd: pytest.CaptureFixture[str]) -> Command:
    """Copies to a server, and to a folder."""
    return Command(token_registry, request.getfixturevalue(request.param), capfd)


@pytest.fixture(name='to_folder')
def make_command(open_registry: Endpoint, folder: Endpoint, capfd: pytest.CaptureFixture[str]) -> Command:
    """Copies from an open registry to a folder."""
    return Command(open_registry, folder, capfd)


def digest_of(client: DXF, alias: str = 'a') -> str:
    """Return the digest of an alias's manifest."""
    return str(client.head_manifest_and_response(alias)[0])


# What it does


def test_an_alias_is_copied_and_its_digest_printed(command: Command, repo: str) -> None:
    source, target = command.source.dxf(repo), command.target.dxf(repo)
    push_alias(source, *CONTENTS)
    assert command.run(repo, 'a') == (f'{digest_of(source)}\n', '')
    assert reachable(target, 'a') == reachable(source, 'a')


def test_several_aliases_and_all_aliases_are_copied(command: Command, repo: str) -> None:
    source = command.source.dxf(repo)
    for alias in ('b', 'a', 'c'):
        push_alias(source, alias.encode(), b'in all', alias=alias)
    digests = {alias: digest_of(source, alias) for alias in 'abc'}
    assert command.run(repo, 'c', 'a')[0].split() == [digests['c'], digests['a']]
    assert sorted(command.target.dxf(repo).list_aliases()) == ['a', 'c']
    assert sorted(command.run(repo, '--all')[0].split()) == sorted(digests.values())
    assert {alias: digest_of(command.target.dxf(repo), alias) for alias in 'abc'} == digests


def test_all_goes_on_past_a_name_that_is_invalid(server: ScriptedRegistry, to_folder: Command, repo: str) -> None:
    source = DXF(server.host, repo, insecure=True)
    for alias in ('a', 'z'):
        push_alias(source, alias.encode(), alias=alias)
    listing = Answer(200, {'Content-Type': 'application/json'}, b'{"tags": ["a", "no alias", "z"]}')
    server.hook = lambda request: listing if request.path.endswith('/tags/list') else None
    ended = Runner(server.environ()).run('copy', repo, '--all', '--to', to_folder.target.host).insist(1)
    assert ended.out.decode().split() == [digest_of(source, 'a'), digest_of(source, 'z')]
    assert ended.lines[-1].startswith('dxf: left out: ') and 'no alias' in ended.lines[-1]
    assert sorted(to_folder.target.dxf(repo).list_aliases()) == ['a', 'z']


def test_all_of_no_aliases_is_nothing(to_folder: Command, folder: Endpoint, repo: str) -> None:
    source = to_folder.source.dxf(repo)
    push_alias(source, b'content')
    source.del_alias('a')
    assert to_folder.run(repo, '--all') == ('', '')
    assert not (folder.registry.storage / repo).exists()
    assert to_folder.run(repo, '--all', '--dry-run') == ('total 0\n', '')


def test_all_of_a_repository_that_is_not_there_is_told(to_folder: Command, repo: str) -> None:
    assert 'Not Found' in to_folder.fails(repo, '--all')


def test_an_alias_gets_another_repository_and_name(command: Command, repo: str) -> None:
    source = command.source.dxf(repo)
    push_alias(source, *CONTENTS)
    assert command.run(repo, 'a', '--to-repo', f'{repo}-other', '--to-alias', 'b')[0] == f'{digest_of(source)}\n'
    target = command.target.dxf(f'{repo}-other')
    assert target.list_aliases() == ['b']
    assert reachable(target, 'b') == reachable(source, 'a')


def test_the_folder_itself_may_be_the_repository(to_folder: Command, repo: str, tmp_path: Path) -> None:
    source = to_folder.source.dxf(repo)
    push_alias(source, *CONTENTS)
    digest = f'{digest_of(source)}\n'
    itself, back = f'oci:{tmp_path / "itself"}', f'{repo}-back'
    DXF(itself, '').push_blob(data=b'')  # it is a layout already
    assert doit(['copy', repo, 'a', '--to', itself, '--to-repo', ''], to_folder.source.environ()) == 0
    assert (tmp_path / 'itself' / 'index.json').exists()
    assert doit(['copy', '', 'a', '--to', to_folder.source.host, '--to-repo', back],
                {'DXF_HOST': itself, **target_variables(to_folder.source)}) == 0
    assert to_folder.capture.readouterr().out == digest * 2
    assert reachable(to_folder.source.dxf(back), 'a') == reachable(source, 'a')


def index_of(client: DXF) -> dict[str, str]:
    """Name an index of two platforms ``all``, and return the digests of their manifests."""
    digests, entries = {}, []
    for platform in ('linux/amd64', 'linux/arm64'):
        push_alias(client, platform.encode())
        digests[platform] = digest_of(client)
        text, _ = client.get_manifest_and_response('a')
        entries.append({'mediaType': MANIFEST, 'digest': digests[platform], 'size': len(text),
                        'platform': dict(zip(('os', 'architecture'), platform.split('/'), strict=True))})
    set_document(client, {'schemaVersion': 2, 'mediaType': INDEX, 'manifests': entries}, 'all')
    return digests


def test_of_several_platforms_one_is_copied(command: Command, repo: str) -> None:
    digests = index_of(command.source.dxf(repo))
    assert command.run(repo, 'all', '--platform', 'linux/arm64')[0] == digests['linux/arm64'] + '\n'
    target = command.target.dxf(repo)
    assert target.get_alias('all') == [hash_bytes(b'linux/arm64')]
    assert command.run(repo, 'all', DXF_PLATFORM='linux/arm64')[0] != digests['linux/arm64'] + '\n'
    assert target.get_alias('all', platform='linux/amd64') == [hash_bytes(b'linux/amd64')]
    with pytest.raises(DXFPlatformDataNotFound):
        command.run(repo, 'all', '--platform', 'linux/s390x')


def test_referrers_are_copied_where_that_is_asked_for(command: Command, repo: str) -> None:
    source, target = command.source.dxf(repo), command.target.dxf(repo)
    push_alias(source, b'subject')
    signature = push_referrer(source, digest_of(source), 'application/x-signature')
    command.run(repo, 'a')
    assert target.list_referrers(digest_of(source)) == []
    assert command.run(repo, 'a', '--referrers')[0] == f'{digest_of(source)}\n'
    assert [entry['digest'] for entry in target.list_referrers(digest_of(source))] == [signature]


def test_a_dry_run_prints_what_would_move_and_changes_nothing(to_folder: Command, folder: Endpoint, repo: str) -> None:
    source = to_folder.source.dxf(repo)
    first, second = push_alias(source, b'first', b'second')
    push_alias(source, b'second', b'the third', alias='b')
    folder.dxf(repo).push_blob(data=b'first')
    before = snapshot(folder.registry.storage)
    out, _ = to_folder.run(repo, 'a', 'b', '--dry-run')
    assert out.splitlines() == [f'copy {second} 6', f'skip {first} 5', f'copy {hash_bytes(b"the third")} 9', 'total 15']
    assert snapshot(folder.registry.storage) == before
    to_folder.run(repo, 'a', 'b')
    out, _ = to_folder.run(repo, 'a', 'b', '--dry-run')
    assert [line.split()[0] for line in out.splitlines()] == ['skip', 'skip', 'skip', 'total']
    assert out.endswith('\ntotal 0\n')


def test_progress_is_told_in_lines_and_in_json(command: Command, repo: str) -> None:
    digests = push_alias(command.source.dxf(repo), *CONTENTS[:2])
    _, told = command.run(repo, 'a', '--progress=json', DXF_JOBS='1')
    reports = [json.loads(line) for line in told.splitlines()]
    assert [(report['blob'], report['total']) for report in reports if report['done']] == [
        (digests[0], 5), (digests[1], 256000)]
    _, told = command.run(repo, 'a', '--to-repo', f'{repo}-other', '--progress=lines')
    if not command.target.is_folder:  # else mounted
        return
    assert sorted(line.split()[0] for line in told.splitlines() if '100%' in line) == sorted(digests)


def test_one_job_asks_for_one_thing_after_the_other(open_registry: Endpoint, basic_registry: Endpoint, repo: str,
                                                    capfd: pytest.CaptureFixture[str], traffic: Traffic) -> None:
    push_alias(open_registry.dxf(repo), *(b'%d' % number for number in range(5)))
    traffic.clear()
    Command(open_registry, basic_registry, capfd).run(repo, 'a', DXF_JOBS='1')
    assert sorted(traffic.connections) == sorted([open_registry.host, basic_registry.host])


def test_within_a_registry_a_command_mounts(token_registry: Endpoint, repo: str, capfd: pytest.CaptureFixture[str],
                                            traffic: Traffic) -> None:
    push_alias(token_registry.dxf(repo), *CONTENTS)
    traffic.clear()
    assert doit(['copy', repo, 'a', '--to', token_registry.host, '--to-repo', f'{repo}-other'],
                token_registry.environ()) == 0
    assert capfd.readouterr().out == f'{digest_of(token_registry.dxf(repo))}\n'
    assert not [line for line in traffic.lines() if 'uploads/' in line and not line.startswith('POST')]
    assert reachable(token_registry.dxf(f'{repo}-other'), 'a') == reachable(token_registry.dxf(repo), 'a')


def test_one_token_a_side_will_do(token_registry: Endpoint, folder: Endpoint, tokens: TokenServer, repo: str,
                                  capfd: pytest.CaptureFixture[str]) -> None:
    push_alias(token_registry.dxf(repo), *CONTENTS)
    for source, target, actions in ((token_registry, folder, 'pull'), (folder, token_registry, 'pull,push')):
        tokens.requests.clear()
        name = repo if target is folder else f'{repo}-folder'
        Command(source, target, capfd).run(name, 'a', '--to-repo', f'{repo}-folder')
        assert [request.scopes for request in tokens.requests] == [(f'repository:{name}:{actions}',)]


# How it is used wrongly


@pytest.mark.parametrize('args, said', [
    (['a'], '--to'),
    (['--to', 'localhost:1'], 'too few arguments'),
    (['a', '--all', '--to', 'localhost:1'], 'too many arguments'),
    (['a', 'b', '--to-alias', 'c', '--to', 'localhost:1'], '--to-alias is for one alias'),
    (['--all', '--to-alias', 'c', '--to', 'localhost:1'], '--to-alias is for one alias'),
    (['a', '--to', 'https://localhost:1'], "--to: invalid host 'https://localhost:1'"),
    (['a', '--to', 'fred:secret@localhost:1'], '--to: invalid host'),
    (['a', '--to', 'oci:'], "--to: invalid folder 'oci:'"),
    (['a', '--to', ''], '--to is not set'),
    (['a', '--to', 'localhost:1', '--to-repo', 'Fred'], "invalid repository 'Fred'"),
    (['a', '--to', 'localhost:1', '--to-repo', ''], "invalid repository ''"),
    (['a', '--to', 'localhost:1', '--to-alias', '@@b'], "invalid alias '@b' (write it without the @)"),
    (['a', '--to', 'localhost:1', '--to-alias', ''], "invalid alias ''"),
    (['a', '--to', 'localhost:1', '--platform', 'arm64'], "invalid platform 'arm64'"),
    (['@@a', '--to', 'localhost:1'], "invalid alias '@a' (write it without the @)"),
    (['a', 'b/c', '--to', 'localhost:1'], "invalid alias 'b/c'"),
    (['a', '--to', 'localhost:1', '--progress=loud'], '--progress'),
    (['a', '--to', 'localhost:1', '--dry'], '--dry'),
    (['a', '--to', 'localhost:1', '--delete'], '--delete is for all aliases: give --all'),
    (['a', '--to', 'localhost:1', '--match', '2026-*'], '--match is for all aliases: give --all'),
    (['a', '--to', 'localhost:1', '--skip-existing'], '--skip-existing is for all aliases: give --all'),
    (['--all', '--to', 'localhost:1', '--match', ''], '--match is empty'),
    (['--all', '--to', 'localhost:1', '--max-delete', '3'], '--max-delete is for --delete'),
    (['--all', '--to', 'localhost:1', '--delete', '--max-delete=-1'], '--max-delete is a number of aliases, or 0'),
    (['--all', '--to', 'localhost:1', '--from-file', '/nowhere'], 'too many arguments: --from-file and --match-repo'),
    (['a', '--to', 'localhost:1', '--limit-rate', '10 MB'], '--limit-rate is a number of bytes a second'),
    (['a', '--to', 'localhost:1', '--limit-rate', '1000'], '--limit-rate is a number of bytes a second, at least 1024'),
])
def test_what_is_wrong_is_one_line_and_no_request(open_registry: Endpoint, traffic: Traffic,
                                                  capfd: pytest.CaptureFixture[str], args: list[str], said: str
                                                  ) -> None:
    with pytest.raises(SystemExit) as ended:
        doit(['copy', REPO, *args], open_registry.environ())
    out, problems = capfd.readouterr()
    assert (ended.value.code, out, problems.count('\n')) == (2, '', 1)
    assert problems.startswith('dxf: ') and said in problems and 'secret' not in problems
    assert traffic.requests == [] and traffic.connections == []


@pytest.mark.parametrize('variables, said', [
    ({'DXF_TO_USERNAME': 'fred'}, 'DXF_TO_USERNAME is set, but DXF_TO_PASSWORD is not'),
    ({'DXF_TO_TOKEN': 'a\nb'}, 'DXF_TO_TOKEN has characters that no header can carry'),
    ({'DXF_TO_AUTHORIZATION': 'a\nb'}, 'DXF_TO_AUTHORIZATION has characters that no header can carry'),
    ({'DXF_TO_TLSVERIFY': '/nowhere'}, 'DXF_TO_TLSVERIFY: cannot read /nowhere'),
])
def test_a_variable_for_the_target_that_is_wrong_is_named(open_registry: Endpoint, traffic: Traffic,
                                                          capfd: pytest.CaptureFixture[str],
                                                          variables: dict[str, str], said: str) -> None:
    with pytest.raises(SystemExit) as ended:
        doit(['copy', REPO, 'a', '--to', 'localhost:1'], {**open_registry.environ(), **variables})
    assert (ended.value.code, traffic.connections) == (2, [])
    assert said in capfd.readouterr().err


def test_an_alias_that_is_not_there_is_told_and_nothing_made(to_folder: Command, folder: Endpoint, repo: str) -> None:
    assert 'Not Found' in to_folder.fails(repo, 'a')
    assert not (folder.registry.storage / repo).exists()


def test_the_aliases_before_one_that_is_not_there_are_copied(to_folder: Command, folder: Endpoint, repo: str) -> None:
    push_alias(to_folder.source.dxf(repo), b'first')
    out, problems = to_folder.run(repo, 'a', 'missing', 'a', status=errno.ENOENT)
    assert out == f'{digest_of(folder.dxf(repo))}\n'
    assert problems.startswith('dxf: 404 Not Found') and problems.count('\n') == 1


# All aliases, and several repositories


def named(tmp_path: Path, *repos: str) -> str:
    """Return the path of a file that names repositories."""
    path = tmp_path / 'repositories'
    path.write_text(''.join(f'{repo}\n\n' for repo in repos))
    return str(path)


@pytest.mark.parametrize('content, args, said', [
    (b'', ['--from-file', '{}'], 'names no repository'),
    (b'fred/a\nFred\n', ['--from-file', '{}'], "invalid repository 'Fred'"),
    (b'fred/a:v1\n', ['--from-file', '{}'], "repositories: invalid repository 'fred/a:v1': want lower-case letters and "
     'digits, with . _ - or / between them; a line is a repository alone: --match=GLOB chooses aliases, --host=HOST '
     'names the registry'),
    (b'\xff', ['--from-file', '{}'], 'it is not UTF-8'),
    (b'fred/a', ['--from-file', '{}', '--match-repo', '*'], 'give --from-file or --match-repo, and not both'),
    (b'fred/a', ['--from-file', '{}', '--to-repo', 'b'], '--to-repo is for one repository'),
    (b'', ['--from-file', '{}.none'], 'cannot read'),
    (b'', ['--match-repo', ''], '--match-repo is empty'),
    (b'', [], 'too few arguments: name a repository'),
])
def test_repositories_that_are_named_wrongly_are_one_line_and_no_request(to_folder: Command, traffic: Traffic,
                                                                         tmp_path: Path, content: bytes,
                                                                         args: list[str], said: str) -> None:
    path = tmp_path / 'repositories'
    path.write_bytes(content)
    assert said in to_folder.fails('--all', *(arg.format(path) for arg in args))
    assert traffic.requests == []


@pytest.mark.parametrize('way', ['--from-file', '--match-repo'])
def test_several_repositories_are_mirrored_under_their_names(command: Command, repo: str, tmp_path: Path,
                                                             way: str) -> None:
    repos = [f'{repo}-{name}' for name in 'ab']
    for one in repos:
        push_alias(command.source.dxf(one), one.encode())
        push_alias(command.target.dxf(one), b'gone', alias='gone')
    digests = [digest_of(command.source.dxf(one)) for one in repos]
    value = f'{repo}-[ab]' if way == '--match-repo' else named(tmp_path, *repos, repos[0])
    out, _ = command.run('--all', '--delete', way, value, '--json')
    assert [json.loads(line) for line in out.splitlines()] == [
        *({'alias': 'a', 'digest': digest, 'repository': one} for one, digest in zip(repos, digests, strict=True)),
        *({'action': 'delete', 'alias': 'gone', 'repository': one} for one in repos)]
    for one, digest in zip(repos, digests, strict=True):
        assert command.target.dxf(one).list_aliases() == ['a'] and digest_of(command.target.dxf(one)) == digest
    assert command.run('--all', way, value)[0].splitlines() == [
        f'{one} {digest}' for one, digest in zip(repos, digests, strict=True)]


def test_a_repository_that_is_not_there_keeps_no_other_from_being_mirrored(to_folder: Command, repo: str,
                                                                           tmp_path: Path) -> None:
    push_alias(to_folder.source.dxf(f'{repo}-b'), b'content')
    push_alias(to_folder.target.dxf(f'{repo}-a'), b'kept')
    with pytest.raises(DXFError, match=f'^{repo}-a: 404 Not Found'):
        to_folder.run('--all', '--delete', '--from-file', named(tmp_path, f'{repo}-a', f'{repo}-b'))
    out = to_folder.capture.readouterr().out
    assert out == f'{repo}-b {digest_of(to_folder.source.dxf(f"{repo}-b"))}\n'
    assert to_folder.target.dxf(f'{repo}-a').list_aliases() == ['a']


def test_a_dry_run_of_a_mirror_tells_what_happens_to_each_alias(to_folder: Command, repo: str) -> None:
    source, target = to_folder.source.dxf(repo), to_folder.target.dxf(repo)
    push_alias(source, b'same', alias='same')
    dxf.copy(source, target, 'same')
    blob, = push_alias(source, b'new', alias='new')
    push_alias(target, b'gone', alias='gone')
    before = snapshot(to_folder.target.registry.storage)
    assert sorted(to_folder.run(repo, '--all', '--delete', '--dry-run')[0].splitlines()) == [
        f'copy {blob} 3', 'delete gone', 'total 3', 'unchanged same']
    out, _ = to_folder.run(repo, '--all', '--delete', '--skip-existing', '--dry-run', '--json')
    assert [json.loads(line) for line in out.splitlines()] == [
        {'action': 'exists', 'alias': 'same'}, {'action': 'copy', 'digest': blob, 'size': 3},
        {'action': 'delete', 'alias': 'gone'}, {'total': 3}]
    assert snapshot(to_folder.target.registry.storage) == before


def test_more_deletions_than_allowed_in_all_repositories_together_are_none(to_folder: Command, repo: str,
                                                                           tmp_path: Path) -> None:
    repos = [f'{repo}-{name}' for name in 'ab']
    for one in repos:
        push_alias(to_folder.source.dxf(one), b'content')
        push_alias(to_folder.target.dxf(one), b'gone', alias='gone')
    args = ('--all', '--delete', '--max-delete=1', '--from-file', named(tmp_path, *repos))
    with pytest.raises(DXFError, match='^2 aliases would be deleted, and at most 1 may be'):
        to_folder.run(*args)
    assert [to_folder.target.dxf(one).list_aliases() for one in repos] == [['a', 'gone']] * 2
    to_folder.capture.readouterr()
    with pytest.raises(DXFError, match='^2 aliases would be deleted'):
        to_folder.run(*args, '--dry-run')
    assert [line for line in to_folder.capture.readouterr().out.splitlines() if 'delete' in line] == [
        f'{one} delete gone' for one in repos]


@pytest.mark.parametrize('args, said', [(['{}', '--all', '--match', 'x-*'], r'no alias matches x-\*'),
                                        (['--all', '--match-repo', '{}-none'], 'no repository of .* matches')])
def test_a_pattern_that_matches_nothing_is_an_error(to_folder: Command, repo: str, args: list[str], said: str) -> None:
    push_alias(to_folder.source.dxf(repo), b'content')
    with pytest.raises(DXFError, match=f'^{said}'):
        to_folder.run(*(arg.format(repo) for arg in args))


# Who sees which credential


def basic(username: str, password: str) -> str:
    """Return the value of a header."""
    return 'Basic ' + base64.b64encode(f'{username}:{password}'.encode()).decode()


@dataclass(frozen=True)
class Way:
    """A way in: its variables, without ``DXF_`` or ``DXF_TO_``, the header that it makes, what nobody else may see."""

    variables: dict[str, str]
    header: str
    secrets: tuple[str, ...]

    def environ(self, prefix: str) -> dict[str, str]:
        """Return the variables with their whole names."""
        return {prefix + name: value for name, value in self.variables.items()}


def ways(side: str) -> list[Way]:
    """Return the ways in of one side."""
    name, password, token = (f'{side}{kind}Secret' for kind in ('Name', 'Password', 'Token'))
    header = basic(name, password)
    secrets = (name, password, token, header.partition(' ')[2])
    return [Way({'USERNAME': name, 'PASSWORD': password}, header, secrets),
            Way({'AUTHORIZATION': header}, header, secrets),
            Way({'TOKEN': token}, f'Bearer {token}', secrets)]


@dataclass
class Sides:
    """Two registries over TLS that record what they are sent, with an alias in the first."""

    source: ScriptedRegistry
    target: ScriptedRegistry
    ca: str

    def admit(self, mine: Way, theirs: Way) -> None:
        """Have each take one credential alone."""
        for registry, way in ((self.source, mine), (self.target, theirs)):
            registry.hook = guard(way.header, 'Basic realm="x"')

    def environ(self, *more: dict[str, str]) -> dict[str, str]:
        """Return the variables of a command."""
        environ = {'DXF_HOST': self.source.host, 'REQUESTS_CA_BUNDLE': self.ca, 'DXF_RETRIES': '0'}
        for one in more:
            environ |= one
        return environ

    def copy(self, *more: dict[str, str]) -> int:
        """Run the command."""
        return doit(['copy', REPO, 'a', '--to', self.target.host], self.environ(*more))

    @property
    def arrived(self) -> bool:
        """Whether the alias is there."""
        return 'a' in self.target.memory.tags[REPO]


def plant(registry: ScriptedRegistry) -> None:
    """Have a registry keep an alias."""
    digest = registry.memory.put(REPO, b'content')
    entry = {'mediaType': 'application/octet-stream', 'digest': digest, 'size': 7}
    registry.memory.put_manifest(REPO, 'a', MANIFEST, json.dumps(
        {'schemaVersion': 2, 'mediaType': MANIFEST, 'config': entry, 'layers': [entry]}).encode())


@pytest.fixture(name='sides')
def start_sides(certificates: Certificates) -> Iterator[Sides]:
    """Two registries."""
    with ScriptedRegistry(certificates) as source, ScriptedRegistry(certificates) as target:
        plant(source)
        yield Sides(source, target, certificates.ca)


@pytest.mark.parametrize('mine, theirs', list(product(ways('mine'), ways('theirs'))),
                         ids=['-'.join(pair) for pair in product(('user', 'header', 'token'), repeat=2)])
def test_the_credential_of_one_side_never_reaches_the_other(sides: Sides, mine: Way, theirs: Way) -> None:
    sides.admit(mine, theirs)
    assert sides.copy(mine.environ('DXF_'), theirs.environ('DXF_TO_')) == 0
    assert sides.arrived
    assert requests_with(sides.target, *mine.secrets) == requests_with(sides.source, *theirs.secrets) == []
    assert {request.authorization for request in sides.target.requests} - {None} == {theirs.header}
    assert {request.authorization for request in sides.source.requests} - {None} == {mine.header}


def test_neither_does_it_by_the_library(sides: Sides) -> None:
    mine, theirs = ways('mine')[0], ways('theirs')[0]
    sides.admit(mine, theirs)

    def client_of(registry: ScriptedRegistry, way: Way) -> DXF:
        return DXF(registry.host, REPO, lambda client, response: client.authenticate(
            way.variables['USERNAME'], way.variables['PASSWORD'], response=response), tlsverify=sides.ca)
    with client_of(sides.source, mine) as source, client_of(sides.target, theirs) as target:
        dxf.copy(source, target, 'a', referrers=True)
    assert sides.arrived
    assert requests_with(sides.target, *mine.secrets) == requests_with(sides.source, *theirs.secrets) == []


@pytest.mark.parametrize('mine', ways('mine'))
def test_another_registry_gets_no_credential_where_none_is_for_it(sides: Sides, capfd: pytest.CaptureFixture[str],
                                                                  mine: Way) -> None:
    sides.admit(mine, mine)
    assert sides.copy(mine.environ('DXF_')) == errno.EACCES
    assert sides.target.requests and not sides.arrived
    assert requests_with(sides.target, *mine.secrets) == []
    assert {request.authorization for request in sides.target.requests} == {None}
    problems = capfd.readouterr().err
    assert problems.count('\n') == 1 and 'DXF_TO_USERNAME and DXF_TO_PASSWORD' in problems


@pytest.mark.parametrize('mine', ways('mine'))
def test_the_same_registry_gets_the_credential_that_it_has_anyway(sides: Sides, mine: Way) -> None:
    sides.admit(mine, mine)
    assert doit(['copy', REPO, 'a', '--to', sides.source.host, '--to-repo', 'fred/other'],
                sides.environ(mine.environ('DXF_'))) == 0
    assert 'a' in sides.source.memory.tags['fred/other']


def test_the_same_registry_may_be_written_by_another_user(sides: Sides) -> None:
    mine, theirs = ways('mine')[0], ways('theirs')[0]

    def admit(request: Request) -> Answer | None:
        wanted = theirs if '/fred/other/' in request.path else mine
        return guard(wanted.header, 'Basic realm="x"')(request)
    sides.source.hook = admit
    assert doit(['copy', REPO, 'a', '--to', sides.source.host, '--to-repo', 'fred/other'],
                sides.environ(mine.environ('DXF_'), theirs.environ('DXF_TO_'))) == 0
    assert 'a' in sides.source.memory.tags['fred/other']
    for request in sides.source.requests:
        assert request.authorization != (mine if '/fred/other/' in request.path else theirs).header


@pytest.mark.parametrize('theirs', [ways('theirs')[0], ways('theirs')[1]])
def test_no_credential_goes_by_http(sides: Sides, theirs: Way) -> None:
    with ScriptedRegistry() as plain, pytest.raises(DXFAuthInsecureError) as caught:
        doit(['copy', REPO, 'a', '--to', plain.host],
             sides.environ({'DXF_TO_INSECURE': '1'}, theirs.environ('DXF_TO_')))
    assert sides.source.requests == plain.requests == []
    assert (sides.source.connections, plain.connections) == (0, 0)
    assert 'DXF_TO_INSECURE' in str(caught.value)


def test_a_token_goes_by_http_to_the_side_that_it_is_for_alone(sides: Sides) -> None:
    theirs = ways('theirs')[2]
    with ScriptedRegistry() as plain:
        assert doit(['copy', REPO, 'a', '--to', plain.host],
                    sides.environ({'DXF_TO_INSECURE': '1'}, theirs.environ('DXF_TO_'))) == 0
        assert {request.authorization for request in plain.requests} == {theirs.header}
        assert requests_with(sides.source, *theirs.secrets) == []


def test_http_of_the_source_is_not_http_of_the_target(certificates: Certificates) -> None:
    with ScriptedRegistry() as source, ScriptedRegistry(certificates) as target:
        plant(source)
        theirs = ways('theirs')[0]
        target.hook = guard(theirs.header, 'Basic realm="x"')
        assert doit(['copy', REPO, 'a', '--to', target.host], {
            'DXF_HOST': source.host, 'DXF_INSECURE': '1', 'REQUESTS_CA_BUNDLE': certificates.ca,
            **theirs.environ('DXF_TO_')}) == 0
        assert target.memory.tags[REPO]


@pytest.mark.parametrize('theirs', ways('theirs'))
def test_a_wrong_credential_of_the_target_is_named(sides: Sides, capfd: pytest.CaptureFixture[str], theirs: Way
                                                   ) -> None:
    mine = ways('mine')[0]
    sides.admit(mine, ways('right')[0])
    assert sides.copy(mine.environ('DXF_'), theirs.environ('DXF_TO_')) == errno.EACCES
    problems = capfd.readouterr().err
    assert problems.startswith('dxf: unauthorized') and problems.count('\n') == 1
    assert f'for {sides.target.host}, the credential used is DXF_TO_' in problems
    assert sides.source.host not in problems
    for secret in (*theirs.secrets[1:], *mine.secrets[1:]):
        assert secret not in problems


def test_a_wrong_password_of_a_real_target_is_named(to_folder: Command, basic_registry: Endpoint, repo: str) -> None:
    push_alias(to_folder.source.dxf(repo), b'content')
    problem = Command(to_folder.source, basic_registry, to_folder.capture).fails(
        repo, 'a', status=errno.EACCES, DXF_TO_PASSWORD='wrong')
    assert f'DXF_TO_PASSWORD of user {basic_registry.username}' in problem
    assert lacks_alias(basic_registry.dxf(repo), 'a')


def test_a_wrong_credential_of_both_sides_is_named_as_it_was_set(sides: Sides, capfd: pytest.CaptureFixture[str]
                                                                ) -> None:
    sides.source.hook = guard(ways('right')[0].header, 'Basic realm="x"')
    assert doit(['copy', REPO, 'a', '--to', sides.source.host, '--to-repo', 'fred/other'],
                sides.environ(ways('mine')[0].environ('DXF_'))) == errno.EACCES
    problems = capfd.readouterr().err
    assert 'DXF_PASSWORD of user' in problems and 'DXF_TO_' not in problems


# Certificates and token servers, each side's own


@pytest.fixture(name='others', scope='module')
def make_others(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Another authority."""
    return Certificates(tmp_path_factory.mktemp('others'))


def test_each_side_is_verified_by_its_own_authority(certificates: Certificates, others: Certificates) -> None:
    with ScriptedRegistry(certificates) as source, ScriptedRegistry(others) as target:
        plant(source)
        environ = {'DXF_HOST': source.host, 'DXF_TLSVERIFY': certificates.ca, 'DXF_RETRIES': '0'}
        args = ['copy', REPO, 'a', '--to', target.host]
        for more in ({}, {'DXF_TO_TLSVERIFY': certificates.ca}, {'REQUESTS_CA_BUNDLE': certificates.ca}):
            with pytest.raises(SSLError):
                doit(args, environ | more)
            assert not target.requests
        assert doit(args, {**environ, 'DXF_TO_TLSVERIFY': others.ca}) == 0
        assert target.memory.tags[REPO]


def test_a_target_is_verified_where_the_source_is_not(certificates: Certificates, others: Certificates) -> None:
    with ScriptedRegistry(certificates) as source, ScriptedRegistry(others) as target:
        plant(source)
        with pytest.raises(SSLError):
            doit(['copy', REPO, 'a', '--to', target.host], {
                'DXF_HOST': source.host, 'DXF_SKIPTLSVERIFY': '1', 'DXF_RETRIES': '0'})
        assert not target.requests


def test_an_authority_of_the_target_alone_leaves_the_same_registry_its_credential(sides: Sides) -> None:
    mine = ways('mine')[0]
    sides.admit(mine, mine)
    assert doit(['copy', REPO, 'a', '--to', sides.source.host, '--to-repo', 'fred/other'],
                sides.environ(mine.environ('DXF_'), {'DXF_TO_TLSVERIFY': sides.ca})) == 0


def test_the_token_server_in_place_of_the_source_s_is_not_that_of_the_target(sides: Sides, certificates: Certificates
                                                                             ) -> None:
    mine, theirs = ways('mine')[0], ways('theirs')[0]

    def give(request: Request) -> Answer | None:
        return Answer(body=b'{"token": "given"}') if request.path == '/token' else None

    def want(registry: ScriptedRegistry) -> None:
        challenge = {'WWW-Authenticate': f'Bearer realm="{registry.url}/token",service="x"'}
        registry.hook = lambda request: give(request) or (
            None if request.authorization == 'Bearer given' else error(401, 'UNAUTHORIZED', headers=challenge))
    with ScriptedRegistry(certificates) as tokens:
        tokens.hook = give
        want(sides.source)
        want(sides.target)
        assert sides.copy(mine.environ('DXF_'), theirs.environ('DXF_TO_'), {'DXF_AUTH_HOST': tokens.host}) == 0
        assert 'GET /token' in sides.target.lines() and 'GET /token' not in sides.source.lines()
        assert {request.authorization for request in tokens.requests} == {mine.header}
        assert requests_with(sides.target, *mine.secrets) == requests_with(sides.source, *theirs.secrets) == []


def test_what_is_not_about_the_way_in_is_for_both_sides() -> None:
    environ = {'DXF_HOST': 'a', 'DXF_TIMEOUT': '7', 'DXF_RETRIES': '1', 'DXF_JOBS': '2', 'DXF_USERNAME': 'fred',
               'DXF_PASSWORD': 'x', 'DXF_TOKEN': 'x', 'DXF_AUTHORIZATION': 'x', 'DXF_INSECURE': '1',
               'DXF_AUTH_HOST': 'c', 'DXF_SKIPTLSVERIFY': '1'}
    settings = read_settings(environ, TARGET_PREFIX, 'b')
    assert (settings.host, settings.timeout, settings.retries, settings.jobs) == ('b', 7, 1, 2)
    assert (settings.username, settings.password, settings.token, settings.authorization) == (None,) * 4
    assert (settings.insecure, settings.auth_host, settings.tlsverify) == (False, None, True)
    own = read_settings({**environ, 'DXF_HOST': 'index.docker.io'}, TARGET_PREFIX, 'docker.io')
    assert (own.username, own.token, own.insecure, own.auth_host, own.tlsverify) == ('fred', 'x', True, 'c', False)
    assert read_settings({**environ, 'DXF_TO_USERNAME': ''}, TARGET_PREFIX, 'b').username is None
    with pytest.raises(SettingsError, match='^DXF_TIMEOUT '):
        read_settings({**environ, 'DXF_TIMEOUT': 'x'}, TARGET_PREFIX, 'b')


# Memory


class _Source(_Zeros):
    """A registry of zeros with a store of its own."""

    blobs: dict[str, int] = {}
    manifests: dict[str, bytes] = {}


class _Target(_Zeros):
    """Another."""

    blobs: dict[str, int] = {}
    uploads: dict[str, Any] = {}
    manifests: dict[str, bytes] = {}

    def _serve_manifest(self, path: str) -> None:
        if self.command == 'HEAD':
            self._answer(200, len(self.manifests[path]), Docker_Content_Digest=hash_bytes(self.manifests[path]))
        else:
            super()._serve_manifest(path)


def test_a_large_blob_is_copied_in_little_memory(tmp_path: Path) -> None:
    digest, size = zeros_digest(100), 100 * MIB
    entry = {'mediaType': 'application/octet-stream', 'digest': digest, 'size': size}
    _Source.blobs[digest] = size
    _Source.manifests['/v2/fred/x/manifests/a'] = json.dumps(
        {'schemaVersion': 2, 'mediaType': MANIFEST, 'config': entry, 'layers': [entry]}).encode()
    with _Server(('127.0.0.1', 0), _Source) as source, _Server(('127.0.0.1', 0), _Target) as target:
        threads = [Thread(target=server.serve_forever, args=(0.01,)) for server in (source, target)]
        for thread in threads:
            thread.start()
        try:
            ran = MeasuredRun(tmp_path, {
                'DXF_HOST': f'localhost:{source.server_port}', 'DXF_INSECURE': '1', 'DXF_TO_INSECURE': '1',
                'DXF_JOBS': '1'}, 'copy', 'fred/x', 'a', '--to', f'localhost:{target.server_port}')
        finally:
            for server, thread in zip((source, target), threads, strict=True):
                server.shutdown()
                thread.join()
    assert ran.status == 0 and ran.lines == [] and ran.peak < 64, (ran.lines, ran.peak)
    assert _Target.blobs == {digest: size}
    assert _Target.manifests == _Source.manifests
