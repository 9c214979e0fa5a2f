"""The registry of a command: by --host, by its repository, or by DXF_HOST; and who gets which credential."""

import base64
import json
import shutil
from pathlib import Path

import pytest

from dxf import DXF
from dxf.cli.command_table import COMMANDS
from dxf.cli.context import UsageError
from dxf.cli.registry_choice import choose
from dxf.exceptions import DXFConflictError

from ..helpers.endpoints import PASSWORD, USERNAME, Endpoint
from ..helpers.processes import Ended, Runner
from ..helpers.traffic import Traffic
from ..servers.certificates import Certificates
from ..servers.scripted_registry import ScriptedRegistry, guard

REPO = 'fred/x'
NOBODY = 'localhost:1'
BASIC = 'Basic ' + base64.b64encode(f'{USERNAME}:{PASSWORD}'.encode()).decode()
INDEX = 'application/vnd.oci.image.index.v1+json'

TYPED = {
    'push-blob': 'push-blob {} f.dat @new', 'pull-blob': 'pull-blob {} @old', 'blob-size': 'blob-size {} @old',
    'mount-blob': 'mount-blob {} fred/x {digest} @new', 'verify': 'verify {} f.dat @old',
    'set-alias': 'set-alias {} @new @old', 'get-alias': 'get-alias {} @old', 'del-alias': 'del-alias {} @old',
    'list-aliases': 'list-aliases {} --prefix=@ol', 'copy': 'copy {} @old --to=oci:./there --to-alias=@new',
    'push-files': 'push-files {} @new f.dat', 'pull-files': 'pull-files {} @files --to=here',
    'attach': 'attach {} @old f.dat --type=a/b', 'referrers': 'referrers {} @old', 'inspect': 'inspect {} @old',
    'get-digest': 'get-digest {} @old', 'get-manifest': 'get-manifest {} @old',
    'get-manifest-digest': 'get-manifest-digest {} @old', 'del-blob': 'del-blob {} @old', 'gc': 'gc {}',
    'list-repos': 'list-repos', 'probe': 'probe {}', 'du': 'du {}', 'diff': 'diff {} @old @old',
    'prune': 'prune {} --prefix=@ol --keep-match=old', 'backup': 'backup {} d @new',
    'restore': 'restore {} @snapshot --to=there', 'list-files': 'list-files {} @files'}
"""Each command that a folder serves, with each of its aliases behind an ``@``."""

WITHOUT_FOLDER = {'login', 'logout', 'auth'}


@pytest.fixture(name='filled', scope='module')
def fill_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file and a store that has it under three aliases; no test changes it."""
    folder = tmp_path_factory.mktemp('filled')
    (folder / 'f.dat').write_bytes(b'hello')
    run = Runner({'DXF_HOST': 'oci:./blobs'})
    run.run('push-blob', REPO, 'f.dat', '@old', cwd=folder).insist(0)
    run.run('push-files', REPO, '@files', './f.dat', cwd=folder).insist(0)
    (folder / 'd').mkdir()
    (folder / 'd' / 'f').write_bytes(b'x')
    run.run('backup', REPO, 'd', '@snapshot', cwd=folder).insist(0)
    return folder


@pytest.fixture(name='here')
def copy_here(filled: Path, tmp_path: Path) -> Path:
    """A copy of it, of one test."""
    return shutil.copytree(filled, tmp_path / 'here')


@pytest.mark.parametrize('command', [command for command in COMMANDS if command.name not in WITHOUT_FOLDER],
                         ids=lambda command: command.name)
def test_each_command_takes_its_registry_by_host_and_its_aliases_behind_an_at(command: object, here: Path) -> None:
    typed = TYPED[command.name].format(REPO, digest=(  # type: ignore[attr-defined]
        'sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824')).split()
    run = Runner({'DXF_HOST': NOBODY, 'DXF_TIMEOUT': '30'})
    printed = run.run(*typed, '--host=oci:./blobs', cwd=here).insist(0).out
    assert printed or typed[0] in ('verify', 'del-blob', 'diff', 'gc', 'referrers', 'restore')


@pytest.mark.parametrize(('default', 'option', 'operand', 'chosen'), [
    (None, None, 'registry.example.com/fred/x', ('registry.example.com', 'fred/x')),
    (None, None, 'localhost/fred/x', ('localhost', 'fred/x')),
    (None, None, 'fred:5000/x', ('fred:5000', 'x')),
    (None, None, '[::1]:5000/fred/x', ('[::1]:5000', 'fred/x')),
    (None, None, 'fred/x', (None, 'fred/x')),
    ('a.org', None, 'fred.d/x', ('a.org', 'fred.d/x')),
    ('a.org', None, 'b.org:5000/fred/x', ('b.org:5000', 'fred/x')),
    ('oci:./blobs', None, 'localhost:5000/fred/x', ('localhost:5000', 'fred/x')),
    ('a.org', 'b.org', 'fred.d/x', ('b.org', 'fred.d/x')),
    (None, 'b.org:5000', 'b.org:5000/fred/x', ('b.org:5000', 'fred/x')),
    ('a.org', 'oci:./blobs', 'fred/x', ('oci:./blobs', 'fred/x')),
    ('a.org', 'b.org', None, ('b.org', None)),
])
def test_the_registry_is_told_as_docker_tells_it(default: str | None, option: str | None, operand: str | None,
                                                 chosen: tuple[str | None, str | None]) -> None:
    found = choose({} if default is None else {'DXF_HOST': default}, option, operand)
    assert (found.environ.get('DXF_HOST'), found.repository) == chosen


def test_only_what_gives_no_secret_away_holds_for_another_registry() -> None:
    secrets = {f'DXF_{name}': 'x' for name in ('USERNAME', 'PASSWORD', 'AUTHORIZATION', 'TOKEN', 'CERT', 'KEY',
                                               'AUTH_HOST', 'SKIPTLSVERIFY')}
    others = {'DXF_INSECURE': '1', 'DXF_TLSVERIFY': 'ca.pem', 'DXF_TIMEOUT': '5', 'DXF_TO_PASSWORD': 'y'}
    default = {'DXF_HOST': 'a.org', **secrets, **others}
    for found in (choose(default, 'b.org', 'fred/x'), choose(default, None, 'b.org:443/fred/x'),
                  choose(default, 'a.org:444', None)):
        assert {name: value for name, value in found.environ.items() if name != 'DXF_HOST'} == others
        assert found.set_aside == 'a.org'
    assert choose(default, 'a.org', 'fred/x').environ == default
    assert choose({**secrets}, 'b.org', None).environ == {**secrets, 'DXF_HOST': 'b.org'}


def test_the_registry_of_dxf_host_keeps_its_credential_where_it_is_copied_to() -> None:
    default = {'DXF_HOST': 'a.org', 'DXF_USERNAME': 'fred', 'DXF_PASSWORD': 'x', 'DXF_AUTH_HOST': 'auth.org'}
    assert choose(default, 'oci:./usb', 'fred/x', 'a.org').environ == {
        'DXF_HOST': 'oci:./usb', 'DXF_TO_USERNAME': 'fred', 'DXF_TO_PASSWORD': 'x'}
    assert choose(default, 'oci:./usb', 'fred/x', 'b.org').environ == {'DXF_HOST': 'oci:./usb'}
    own = {**default, 'DXF_TO_TOKEN': 'y'}
    assert choose(own, 'oci:./usb', 'fred/x', 'a.org').environ == {'DXF_HOST': 'oci:./usb', 'DXF_TO_TOKEN': 'y'}


def test_both_repositories_of_a_mount_may_begin_with_the_registry(open_registry: Endpoint, repo: str) -> None:
    with open_registry.dxf(repo) as repository:
        digest = repository.push_blob(data=b'hello')
    run, host = Runner({'DXF_INSECURE': '1'}), open_registry.host
    run.run('mount-blob', f'{host}/{repo}-2', f'{host}/{repo}', digest).insist(0)
    run.run('mount-blob', f'{host}/{repo}-2', f'localhost:1/{repo}', digest).insist(2)


def test_two_registries_and_a_wrong_one_are_refused() -> None:
    with pytest.raises(UsageError, match='two registries'):
        choose({}, 'a.org', 'b.org:5000/fred/x')


@pytest.mark.parametrize('typed', ['list-aliases {repo} --host={host}', 'list-aliases {host}/{repo}'])
def test_the_credential_of_one_registry_is_not_sent_to_another(
        typed: str, secure: ScriptedRegistry, elsewhere: ScriptedRegistry, certificates: Certificates) -> None:
    elsewhere.hook = guard(BASIC, 'Basic realm="elsewhere"')
    run = Runner({**secure.environ(), 'REQUESTS_CA_BUNDLE': certificates.ca, 'DXF_USERNAME': USERNAME,
                  'DXF_PASSWORD': PASSWORD})
    line, = run.run(*typed.format(repo=REPO, host=elsewhere.host).split()).insist(13).lines
    assert [request.authorization for request in elsewhere.requests] == [None] * len(elsewhere.requests) != []
    assert secure.requests == []
    assert line.endswith(f'no credential is set: the DXF_ variables are for {secure.host}; dxf login '
                         f'--host={elsewhere.host}')
    own = Runner({'REQUESTS_CA_BUNDLE': certificates.ca, 'DXF_USERNAME': USERNAME, 'DXF_PASSWORD': PASSWORD})
    elsewhere.memory.put_manifest(REPO, 'a', INDEX, b'{}')
    assert own.run(*typed.format(repo=REPO, host=elsewhere.host).split()).insist(0).out == b'a\n'


@pytest.mark.parametrize('typed', ['list-aliases {repo} --host={host}', 'list-aliases {host}/{repo}'])
def test_a_stored_credential_is_found_for_the_registry_that_a_command_names(
        typed: str, token_registry: Endpoint, repo: str, tmp_path: Path) -> None:
    with token_registry.dxf(repo) as repository:
        repository.set_alias('a', repository.push_blob(data=b'hello'))
    login = base64.b64encode(f'{USERNAME}:{PASSWORD}'.encode()).decode()
    (tmp_path / 'config.json').write_text(json.dumps({'auths': {token_registry.host: {'auth': login}}}))
    for default in ({}, {'DXF_HOST': NOBODY, 'DXF_USERNAME': 'other', 'DXF_PASSWORD': 'wrong'}):
        run = Runner({**default, 'DOCKER_CONFIG': str(tmp_path), 'REQUESTS_CA_BUNDLE': token_registry.ca or ''})
        assert run.run(*typed.format(repo=repo, host=token_registry.host).split()).insist(0).out == b'a\n'


def next_line(ended: Ended) -> list[str]:
    """Return the command in a message that ends with what prints something."""
    return ended.lines[0].rpartition('; dxf ')[2].partition(' prints')[0].split()


def test_the_next_step_of_a_message_works_as_it_is_typed(open_registry: Endpoint, repo: str) -> None:
    with open_registry.dxf(repo) as repository:
        repository.set_alias('a', repository.push_blob(data=b'hello'))
    run = Runner({'DXF_INSECURE': '1'})
    for typed in ([f'{open_registry.host}/{repo}'], [repo, f'--host={open_registry.host}']):
        missing = run.run('get-alias', *typed, 'nope').insist(2)
        assert run.run(*next_line(missing)).insist(0).out == b'a\n'


def index_of(repository: DXF, alias: str) -> str:
    """Store an index under an alias, and return its text; its spaces are those of no other program."""
    child = repository.set_alias('child', repository.push_blob(data=b'hello'))
    entry = {'mediaType': json.loads(child)['mediaType'], 'size': len(child),
             'digest': repository.manifest_digest('child'), 'platform': {'os': 'linux', 'architecture': 'amd64'}}
    text = json.dumps({'schemaVersion': 2, 'mediaType': INDEX, 'manifests': [entry]}, indent=3)
    repository.set_manifest(alias, text)
    return text


@pytest.mark.parametrize('kind', ['image', 'index'])
def test_a_second_name_is_the_same_manifest_by_one_request_to_read_and_one_to_write(
        kind: str, endpoint: Endpoint, repo: str, traffic: Traffic) -> None:
    with endpoint.dxf(repo) as repository:
        if kind == 'index':
            index_of(repository, 'old')
        else:
            repository.set_alias('old', repository.push_blob(data=b'hello'))
        text, response = repository.get_manifest_and_response('old')
        before = len(traffic.requests)
        assert repository.add_alias('new', 'old') == text
        assert [request.method for request in traffic.requests[before:] if endpoint.is_folder or
                endpoint.is_own(request.url or '')][-2:] == ['GET', 'PUT']
        assert len(traffic.requests) - before <= 3  # a token for writing is one more
        again, copied = repository.get_manifest_and_response('new')
        assert (again, copied.headers['Content-Type']) == (text, response.headers['Content-Type'])
        assert repository.manifest_digest('new') == repository.manifest_digest('old')


def test_a_second_name_keeps_the_conditions_of_set_alias(open_registry: Endpoint, repo: str) -> None:
    with open_registry.dxf(repo) as repository:
        for alias in ('old', 'other'):
            repository.set_alias(alias, repository.push_blob(data=alias.encode()))
        digest, other = repository.manifest_digest('old'), repository.manifest_digest('other')
        with pytest.raises(DXFConflictError):
            repository.add_alias('other', 'old', if_absent=True)
        run = Runner(open_registry.environ())
        run.run('set-alias', repo, 'other', '@old', '--if-absent').insist(1)
        run.run('set-alias', repo, 'other', '@old', f'--if-match={digest}').insist(1)
        assert repository.manifest_digest('other') == other
        run.run('set-alias', repo, 'other', '@old', f'--if-match={other}').insist(0)
        assert repository.manifest_digest('other') == digest
        run.run('set-alias', repo, 'third', f'@{digest}', '--if-absent').insist(0)
        assert repository.manifest_digest('third') == digest
        run.run('set-alias', repo, 'fourth', '@nope').insist(2)
        assert sorted(repository.list_aliases()) == ['old', 'other', 'third']
