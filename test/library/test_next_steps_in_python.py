"""Errors of the library that name the next step: what a program passes by mistake, and what answers it."""

import codecs
import inspect
import io
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from requests.exceptions import SSLError

import dxf
from dxf import DXF, DXFBase, Limits, Options, artifacts, copy, hash_bytes, snapshots
from dxf.credentials import from_docker_config
from dxf.exceptions import DXFInvalidDocumentError, DXFInvalidNameError, DXFNotFoundError, DXFSourceError
from dxf.parameters import CHECKS, ELSEWHERE, METHODS
from dxf.snapshots import Snapshot
from dxf.snapshots.snapshot import NAMES

from ..helpers.endpoints import Endpoint
from ..servers.certificates import Certificates
from ..servers.scripted_registry import ScriptedRegistry

REPO = 'fred/x'
DIGEST = 'sha256:' + 'a' * 64
NOBODY = 'localhost:1'
FAST = Limits(retries=0)


def client() -> Any:
    """Return a client of a registry that nobody runs."""
    return DXF(NOBODY, REPO, insecure=True, limits=FAST)


PAIR: Any = [('fred', 'SECRET')]
AUTH = 'auth is a function: auth=lambda dxf, response: dxf.authenticate(USERNAME, PASSWORD, response=response)'
PATH = 'filename is the path of a file, and not {}: write push_blob(data=...) for what to store'
FILE = 'pull_to_file takes each digest, or (digest, size), by itself, and not {}: write pull_to_file(filename, *[...])'
ANY: Any = SimpleNamespace(DXF=DXF, Limits=Limits, DXFBase=DXFBase, copy=copy, artifacts=artifacts, Options=Options,
                           hash_bytes=hash_bytes, from_docker_config=from_docker_config, snapshots=snapshots)
"""What is called with arguments that its types do not allow."""

HOST = "host is a str, and not {}: write 'registry.example.com:5000', '' for Docker Hub, or 'oci:./folder'"
TLSVERIFY = 'tlsverify is True, False or the path of a file of CA certificates, and not a str: write tlsverify'
STORED = 'from_docker_config takes a mapping such as os.environ, or nothing: write auth=from_docker_config()'
NO_FILE = 'filename is the path of a file, and not a digest: write pull_to_file(filename, digest)'
TIMEOUT = 'timeout is a number of seconds, or a pair of two, and not {}'
BATCH_SIZE = 'batch_size is an int, and not a str: the repository is given by DXF(host, repo)'
REPOSITORY = 'repository is a DXF, and not a str: write DXF(host, repo)'


class Table(str):
    """A table as pandas has it, as far as dxf looks at it."""

    columns = ('SECRET',)

    def to_csv(self) -> str:
        """Return it as text."""
        return str(self)


def push_text(path: Path, push: Callable[[Any], object]) -> None:
    """Push a file that is open as text."""
    path.write_text('SECRET')
    with path.open(encoding='utf-8') as file:
        push(file)


def push_temporary(path: Path) -> None:
    """Push a temporary file that is open as text."""
    with tempfile.NamedTemporaryFile('w+', dir=path) as file:
        client().push_blob(data=file)


CALLS: dict[str, tuple[Callable[[Any], object], str]] = {
    'bytes to push': (lambda _: client().push_blob(b'SECRET'), PATH.format('bytes')),
    'a file to push': (lambda _: client().push_blob(io.BytesIO(b'SECRET')), PATH.format('a BytesIO')),
    'a number to push': (lambda _: client().push_blob(3), PATH.format('an int')),
    'one path to push': (lambda _: client().push_blobs('f'),
                         'push_blobs takes a list, and not a str: write push_blobs([...])'),
    'one text of bytes to push': (lambda _: client().push_blobs(b'SECRET'),
                                  'push_blobs takes a list, and not bytes: write push_blobs([...])'),
    'one file to push': (lambda _: client().push_blobs(io.BytesIO(b'SECRET')),
                         'push_blobs takes a list, and not a BytesIO: write push_blobs([...])'),
    'one path as an object': (lambda path: client().push_blobs(path),
                              'push_blobs takes a list, and not a PosixPath: write push_blobs([...])'),
    'one digest to pull': (lambda _: client().pull_blobs(DIGEST),
                           'pull_blobs takes a list, and not a str: write pull_blobs([...])'),
    'one digest to copy': (lambda _: client().copy_blobs(client(), DIGEST),
                           'copy_blobs takes a list, and not a str: write copy_blobs(source, [...])'),
    'a number of blobs to pull': (lambda _: client().pull_blobs(3),
                                  'pull_blobs takes a list, and not an int: write pull_blobs([...])'),
    'several digests to pull': (lambda _: client().pull_blob([DIGEST]),
                                'pull_blob takes one digest, a str, and not a list: write pull_blobs([...])'),
    'no digest to pull': (lambda _: client().pull_blob(None), 'pull_blob takes one digest, a str, and not None'),
    'bytes as a digest': (lambda _: client().pull_blob(b'SECRET'), 'pull_blob takes one digest, a str, and not bytes'),
    'several digests to measure': (lambda _: client().blob_size([DIGEST]), 'blob_size takes one digest, a str, and not '
                                   'a list: write for digest in [...]: blob_size(digest)'),
    'several digests to delete': (lambda _: client().del_blob((DIGEST, DIGEST)), 'del_blob takes one digest, a str, '
                                  'and not a tuple: write for digest in [...]: del_blob(digest)'),
    'several digests to mount': (lambda _: client().mount_blob('fred/y', [DIGEST]), 'mount_blob takes one digest, a '
                                 'str, and not a list: write for digest in [...]: mount_blob(repo, digest)'),
    'several digests to copy by one': (lambda _: client().copy_blob(client(), [DIGEST]), 'copy_blob takes one digest, '
                                       'a str, and not a list: write copy_blobs(source, [...])'),
    'a list in a list to copy': (lambda _: client().copy_blobs(client(), [[DIGEST]]), 'copy_blobs takes one digest, '
                                 'a str, and not a list: write copy_blobs(source, [digest, ...])'),
    'a list in a list to pull': (lambda _: client().pull_blobs([[DIGEST]]), 'pull_blobs takes each digest, or '
                                 '(digest, size), by itself, and not a list: write pull_blobs([digest, ...])'),
    'a list of digests into a file': (lambda path: client().pull_to_file(path / 'f', [DIGEST]), FILE.format('a list')),
    'a list of sizes into a file': (lambda path: client().pull_to_file(path / 'f', [(DIGEST, 1)]),
                                    FILE.format('a list')),
    'a pair of digests into a file': (lambda path: client().pull_to_file(path / 'f', (DIGEST, DIGEST)),
                                      FILE.format('a tuple')),
    'platforms into a file': (lambda path: client().pull_to_file(path / 'f', {'linux/amd64': [DIGEST]}),
                              FILE.format('a dict')),
    'a list of digests to name': (lambda _: client().set_alias('a', [DIGEST]), 'set_alias takes texts one by one, and '
                                  'not a list: write set_alias(alias, *[...])'),
    'a list for a manifest': (lambda _: client().make_manifest([DIGEST]),
                              'make_manifest takes texts one by one, and not a list: write make_manifest(*[...])'),
    'a list for an unsigned manifest': (
        lambda _: client().make_unsigned_manifest('a', (DIGEST,)), 'make_unsigned_manifest takes texts one by one, and '
        'not a tuple: write make_unsigned_manifest(alias, *[...])'),
    'a list of aliases to delete': (lambda _: client().del_aliases(['a']),
                                    'del_aliases takes texts one by one, and not a list: write del_aliases(*[...])'),
    'no host': (lambda _: ANY.DXF(None, REPO), HOST.format('None')),
    'no repository': (lambda _: ANY.DXF(NOBODY, None), 'repo is a str, and not None: write DXF(host, repo)'),
    'bytes as a host': (lambda _: ANY.DXFBase(b'host'), HOST.format('bytes')),
    'a registry by its name': (lambda _: ANY.DXF.from_base('host', REPO),
                               'base is a DXF, and not a str: write DXF(host, repo)'),
    'no alias to read': (lambda _: client().get_manifest(None), 'alias is a str, and not None'),
    'a list of aliases to read': (lambda _: client().get_alias(['a']), 'alias is a str, and not a list'),
    'digests before the alias': (lambda _: client().set_alias([DIGEST], 'a'),
                                 'alias is a str, and not a list: write set_alias(alias, *[...])'),
    'a path as data': (lambda path: client().push_blob(data=path),
                       'data is what to store, and not a PosixPath: write push_blob(filename)'),
    'a file of text': (lambda path: push_text(path / 'f', lambda file: client().push_blob(data=file)),
                       "data is a file of text: open it with 'rb'"),
    'a temporary file of text': (push_temporary,
                                 "data is a file of text: open it with 'rb'"),
    'a text as a file': (lambda _: client().push_blob(data=io.StringIO('SECRET')), 'data is a StringIO, whose text is '
                         'not bytes: write push_blob(data=....getvalue())'),
    'a number as data': (lambda _: client().push_blob(data=3), 'data is bytes, a str, a binary file or an iterable of '
                         'bytes, and not an int'),
    'a file of text among others': (lambda path: push_text(path / 'f', lambda file: client().push_blobs([file])),
                                    "data is a file of text: open it with 'rb'"),
    'an alias behind the file': (lambda _: client().push_blob('f', '@x'), 'progress is a function, and not a str; '
                                 'set_alias(alias, digest) sets an alias'),
    'a number for progress': (lambda _: client().push_blobs([], 1), 'progress is a function, and not an int'),
    'progress of a pull': (lambda path: client().pull_to_file(path / 'f', DIGEST, progress=True),
                           'progress is a function, and not a bool'),
    'progress of a copy': (lambda _: ANY.copy(client(), client(), 'a', progress=True),
                           'progress is a function, and not a bool'),
    'jobs as a text': (lambda _: ANY.DXF(NOBODY, REPO, jobs='4'), 'jobs is an int, and not a str'),
    'jobs by halves': (lambda _: ANY.DXF(NOBODY, REPO, jobs=1.5), 'jobs is an int, and not a float'),
    'seconds as a text': (lambda _: ANY.DXF(NOBODY, REPO, timeout='4'), TIMEOUT.format('a str')),
    'seconds as texts': (lambda _: ANY.DXFBase(NOBODY, timeout=(1, '4')), TIMEOUT.format('a str')),
    'seconds in a list': (lambda _: ANY.DXFBase(NOBODY, timeout=[1, 4]), TIMEOUT.format('a list')),
    'a repository to list': (lambda _: client().list_aliases('demo/r'), BATCH_SIZE),
    'a registry to list': (lambda _: client().list_repos([], iterate=True), BATCH_SIZE.replace('str', 'list')),
    'a registry to copy to': (lambda _: ANY.copy(client(), 'host', 'a'),
                              'target is a DXF, and not a str: write DXF(host, repo)'),
    'a registry to copy from': (lambda _: ANY.copy('host', client(), 'a'),
                                'source is a DXF, and not a str: write DXF(host, repo)'),
    'a registry to copy a blob from': (lambda _: client().copy_blob('host', DIGEST),
                                       'source is a DXF, and not a str: write DXF(host, repo)'),
    'one file by its name': (lambda _: ANY.artifacts.push_files(client(), 'a', 'f'), 'push_files takes a list, and '
                             'not a str: write push_files(repository, alias, [...])'),
    'one file to attach': (lambda _: ANY.artifacts.attach(client(), 'a', 'f', artifact_type='a/b'), 'attach takes a '
                           'list, and not a str: write attach(repository, reference, [...])'),
    'one file to pull': (lambda path: ANY.artifacts.pull_files(client(), 'a', str(path), names='f'), 'pull_files takes '
                         'a list, and not a str: write pull_files(repository, reference, folder, names=[...])'),
    'files before the alias': (lambda _: ANY.artifacts.push_files(client(), ['f'], 'a'),
                               'alias is a str, and not a list: write push_files(repository, alias, [...])'),
    'a repository by its name': (lambda _: ANY.artifacts.push_files(REPO, 'a', ['f']), REPOSITORY),
    'a repository to pull files from': (lambda _: ANY.artifacts.pull_files(REPO, 'a'), REPOSITORY),
    'a repository to attach to': (lambda _: ANY.artifacts.attach(REPO, 'a', [], artifact_type='a/b'),
                                  REPOSITORY),
    'a text for http': (lambda _: ANY.DXF(NOBODY, REPO, insecure='false'),
                        'insecure is True or False, and not a str: write insecure=False'),
    'a text for no verification': (lambda _: ANY.DXF(NOBODY, REPO, tlsverify='false'), f'{TLSVERIFY}=False'),
    'a number in a text for no verification': (lambda _: ANY.DXFBase(NOBODY, tlsverify='0'), f'{TLSVERIFY}=False'),
    'a text for verification': (lambda _: ANY.DXFBase(NOBODY, tlsverify='True'), f'{TLSVERIFY}=True'),
    'bytes for a file of certificates': (
        lambda _: ANY.DXFBase(NOBODY, tlsverify=b'SECRET'),
        'tlsverify is True, False or the path of a file of CA certificates, and not bytes'),
    'bytes to name': (lambda _: client().set_alias('a', b'SECRET'), 'set_alias takes texts, and not bytes: '
                      'push_blob(data=...) stores bytes and returns their digest'),
    'the function of stored credentials': (lambda _: ANY.DXF(NOBODY, REPO, auth=from_docker_config),
                                           'auth is what from_docker_config returns: write auth=from_docker_config()'),
    'a name for stored credentials': (lambda _: ANY.from_docker_config('SECRET'), STORED),
    'arguments for stored credentials': (lambda _: ANY.from_docker_config(1, 2), STORED),
    'limits in a dict': (lambda _: ANY.DXF(NOBODY, REPO, limits={'retries': 0}),
                         'limits is a Limits, and not a dict: write dxf.Limits(retries=...)'),
    'a token of bytes': (lambda _: setattr(client(), 'token', b'SECRET'), 'token is a str, and not bytes'),
    'a manifest that was parsed': (lambda _: client().set_manifest('a', {'schemaVersion': 2}), 'manifest_json is the '
                                   'text of a manifest, and not a dict: write json.dumps(...)'),
    'a chunk size as a text': (lambda _: client().pull_blob(DIGEST, chunk_size='9'),
                               'chunk_size is an int, and not a str'),
    'a chunk size as a text for several': (lambda _: client().pull_blobs([DIGEST], '9'),
                                           'chunk_size is an int, and not a str'),
    'a manifest that was parsed, to read': (
        lambda _: client().get_alias(manifest={'schemaVersion': 2}),
        'manifest is the text of a manifest, and not a dict: write json.dumps(...)'),
    'a digest in place of a file': (lambda _: client().pull_to_file(DIGEST), NO_FILE),
    'a digest before the file': (lambda _: client().pull_to_file(DIGEST, 'f'), NO_FILE),
    'user and password': (lambda _: DXF(NOBODY, REPO, *PAIR), AUTH),
    'user and password of a registry': (lambda _: DXFBase(NOBODY, *PAIR), AUTH),
}


A_DICT = 'data is bytes, a str, a binary file or an iterable of bytes, and not a dict: write ' \
    'push_blob(data=json.dumps(...))'
SIZE = 'size is True or False, and not {}: write {}'
FOR_FILE = 'pull_to_file(filename, digest) to store a blob in a file'
CALLS |= {
    'a file to pull into': (lambda _: client().pull_blob(DIGEST, 'o.txt'), SIZE.format('a str', FOR_FILE)),
    'an open file to pull into': (lambda _: client().pull_blob(DIGEST, io.BytesIO()),
                                  SIZE.format('a BytesIO', FOR_FILE)),
    'a number of bytes to pull': (lambda _: client().pull_blob(DIGEST, 8192),
                                  SIZE.format('an int', 'pull_blob(digest, chunk_size=...)')),
    'two digests to pull': (lambda _: client().pull_blob(DIGEST, DIGEST), SIZE.format('a str', 'pull_blobs([...])')),
    'an open file in place of its name': (
        lambda _: client().pull_to_file(io.BytesIO(), DIGEST), 'filename is the path of a file, and not a BytesIO: '
        'write for chunk in pull_blob(digest): file.write(chunk)'),
    'no file to pull into': (lambda _: client().pull_to_file(None, DIGEST), 'filename is the path of a file, and not '
                             'None: write pull_to_file(filename, digest)'),
    'a text for sizes': (lambda _: client().get_alias('a', sizes='no'),
                         'sizes is True or False, and not a str: write sizes=True'),
    'a text for pages': (lambda _: client().list_aliases(iterate='no'),
                         'iterate is True or False, and not a str: write iterate=True'),
    'a text for a condition': (lambda _: client().set_alias('a', DIGEST, if_absent='no'),
                               'if_absent is True or False, and not a str: write if_absent=True'),
    'a text for a push in any case': (lambda _: client().push_blob(data=b'', check_exists='no'),
                                      'check_exists is True or False, and not a str: write check_exists=True'),
    'a pair for a platform': (lambda _: client().get_alias('a', platform=('linux', 'amd64')),
                              "platform is a str, and not a tuple: write platform='linux/amd64'"),
    'a list for a platform to copy': (lambda _: ANY.copy(client(), client(), 'a', platform=[]),
                                      "platform is a str, and not a list: write platform='linux/amd64'"),
    'a number for an alias': (lambda _: client().set_alias(3, DIGEST),
                              'alias is a str, and not an int: write set_alias(alias, *[...])'),
    'a number for the alias of a copy': (lambda _: ANY.copy(client(), client(), 'a', 3),
                                         'to_alias is a str, and not an int'),
    'a class in place of a client': (lambda _: ANY.copy(client(), DXF, 'a'),
                                     'target is a DXF, and not a type: write DXF(host, repo)'),
    'a class in place of its instance': (lambda _: ANY.DXF.push_blob('f'), 'push_blob is a method of a client: write '
                                         'DXF(host, repo).push_blob(...)'),
    'a user name': (lambda _: ANY.DXF(NOBODY, REPO, username='fred', password='SECRET'),
                    f"DXF takes no argument 'username': write {AUTH.removeprefix('auth is a function: ')}"),
    'attempts': (lambda _: ANY.DXF(NOBODY, REPO, retries=3),
                 "DXF takes no argument 'retries': write limits=dxf.Limits(...)"),
    'a word that is nearly right': (lambda _: ANY.DXF(NOBODY, REPO, tls_verify=False),
                                    "DXF takes no argument 'tls_verify': write tlsverify="),
    'digests by their name': (lambda _: ANY.DXF.set_alias(client(), 'a', digests=[DIGEST]),
                              "set_alias takes no argument 'digests': write set_alias(alias, *[...])"),
    'an alias of what is stored': (lambda _: ANY.DXF.push_blob(client(), 'f', alias='a'),
                                   "push_blob takes no argument 'alias'; set_alias(alias, digest) sets an alias"),
    'no repository': (lambda _: ANY.DXF(NOBODY), 'DXF needs a repository: write DXF(host, repo), or DXFBase(host) for '
                      'the registry alone'),
    'a word that nothing is like': (lambda _: ANY.DXF.del_blob(client(), zzz=DIGEST),
                                    "del_blob takes no argument 'zzz'; it takes digest"),
    'options in a dict': (lambda _: ANY.DXF(NOBODY, REPO, options={}),
                          'options is an Options, and not a dict: write dxf.Options(jobs=...)'),
    'limits of texts': (lambda _: ANY.DXF(NOBODY, REPO, limits=ANY.Limits(retries='3')),
                        'retries of limits is a number, and not a str'),
    'a proxy by its address': (lambda _: ANY.DXF(NOBODY, REPO, options=ANY.Options(proxies='http://SECRET@proxy')),
                               'proxies is a Proxies, and not a str: write dxf.transport.proxies.Proxies(https=...)'),
    'a number for a certificate': (lambda _: ANY.DXF(NOBODY, REPO, cert=3), 'cert is the path of a file, or a pair of '
                                   "paths, and not an int: write cert=('certificate.pem', 'key.pem')"),
    'a password of bytes': (lambda _: client().authenticate('fred', b'SECRET'), 'password is a str, and not bytes'),
    'a pair for a user name': (lambda _: client().authenticate(('fred', 'SECRET')),
                               'username is a str, and not a tuple'),
    'a number for actions': (lambda _: client().authenticate('fred', 'SECRET', 3),
                             "actions is a str, or several in a list: write actions=['pull', 'push']"),
    'a number among files': (lambda _: ANY.artifacts.push_files(client(), 'a', [3]),
                             'each of the files is a path, a str, and not an int'),
    'names in place of the folder': (lambda _: ANY.artifacts.pull_files(client(), 'a', ['f']),
                                     'folder is a path, a str, and not a list'),
    'annotations as a text': (lambda _: ANY.artifacts.push_files(client(), 'a', ['f'], annotations='a=b'),
                              'annotations is a dict, and not a str: write annotations={...: ...}'),
    'a moment as a text': (lambda _: ANY.artifacts.push_files(client(), 'a', ['f'], created='now'),
                           'created is an int, seconds since 1970, and not a str'),
    'one operand to choose': (lambda _: ANY.artifacts.choose('f'), 'choose takes a list, and not a str: write '
                              'choose([...])'),
    'an empty dict to push': (lambda _: client().push_blob(data={}), A_DICT),
    'a dict to push': (lambda _: client().push_blob(data={'SECRET': b''}), A_DICT),
    'a table to push': (lambda _: client().push_blob(data=Table('SECRET')), 'data is bytes, a str, a binary file or an '
                        'iterable of bytes, and not a Table: write push_blob(data=....to_csv()), or ....to_parquet()'),
    'several paths to push as one': (lambda _: client().push_blob(['f', 'g']), 'filename is the path of a file, and '
                                     'not a list: write push_blobs([...])'),
    'two aliases to delete': (lambda _: ANY.DXF.del_alias(client(), 'a', 'b'), 'del_alias takes fewer arguments: write '
                              'del_aliases(alias, ...)'),
    'nothing to name': (lambda _: client().set_alias('a', None), 'set_alias takes texts one by one, and not None: '
                        'write set_alias(alias, digest)'),
    'one folder to back up': (lambda path: ANY.snapshots.backup(client(), str(path), 'a'), 'backup takes a list, and '
                              'not a str: write backup(repository, [...])'),
    'text to hash': (lambda _: ANY.hash_bytes('SECRET'), 'buf is bytes, and not a str: write '
                     'hash_bytes(text.encode()), or hash_file(filename)'),
}


@pytest.mark.parametrize(('call', 'said'), CALLS.values(), ids=CALLS)
def test_an_argument_of_a_wrong_type_is_a_type_error_that_says_what_to_write(call: Callable[[Any], object], said: str,
                                                                             tmp_path: Path) -> None:
    with pytest.raises(TypeError) as caught:
        call(tmp_path)
    assert str(caught.value) == said


WANT_DIGEST = 'want sha256: and 64 hexadecimal digits'
DIGESTS: dict[str, tuple[str, str]] = {
    'an alias': ('monday', "an alias names blobs: for digest in client.get_alias('monday'): ..."),
    'an alias with its @': ('@monday', "an alias names blobs: for digest in client.get_alias('monday'): ..."),
    'a full reference': ('@docker.io/mysql:8',
                         "an alias names blobs: for digest in client.get_alias('docker.io/mysql:8'): ..."),
    'a hash by itself': ('a' * 64, 'write it with sha256: before it'),
}
TAKERS: dict[str, Callable[[str, Path], object]] = {
    'pull_blob': lambda name, _: client().pull_blob(name),
    'pull_blobs': lambda name, _: client().pull_blobs([name]),
    'pull_to_file': lambda name, path: client().pull_to_file(path / 'f', name),
    'blob_size': lambda name, _: client().blob_size(name),
    'del_blob': lambda name, _: client().del_blob(name),
    'mount_blob': lambda name, _: client().mount_blob('fred/y', name),
    'copy_blob': lambda name, _: client().copy_blob(client(), name),
    'set_alias': lambda name, _: client().set_alias('a', name),
    'make_unsigned_manifest': lambda name, _: client().make_unsigned_manifest('a', name),
}


@pytest.mark.parametrize('take', TAKERS.values(), ids=TAKERS)
@pytest.mark.parametrize(('name', 'hint'), DIGESTS.values(), ids=DIGESTS)
def test_what_is_no_digest_is_answered_with_what_makes_one_of_it(name: str, hint: str, tmp_path: Path,
                                                                 take: Callable[[str, Path], object]) -> None:
    with pytest.raises(DXFInvalidNameError) as caught:
        take(name, tmp_path)
    assert str(caught.value) == f'invalid digest {name!r}: {WANT_DIGEST}; {hint}'


@pytest.mark.parametrize(('name', 'written'), ELSEWHERE.items(), ids=ELSEWHERE)
def test_a_method_that_is_a_function_elsewhere_is_answered_with_how_it_is_called(name: str, written: str) -> None:
    with pytest.raises(AttributeError) as caught:
        getattr(client(), name)
    assert str(caught.value) == f'DXF has no method {name}: write {written}'
    package, _, function = written.partition('(')[0].removeprefix('dxf.').rpartition('.')
    assert callable(getattr(import_module(f'dxf.{package}' if package else 'dxf'), function))


@pytest.mark.parametrize(('name', 'written'), METHODS.items(), ids=METHODS)
def test_a_method_of_another_library_is_answered_with_the_one_that_there_is(name: str, written: str) -> None:
    with pytest.raises(AttributeError) as caught:
        getattr(client(), name)
    assert str(caught.value) == f'DXF has no method {name}: write {written}'
    assert callable(getattr(DXF, written.partition('(')[0]))


@pytest.mark.parametrize(('name', 'written'), [
    ('push_blob', ': write DXF(host, repo).push_blob(...)'),
    ('login', ': write DXF(host, repo).authenticate(username, password)'),
    ('Client', ': write DXF(host, repo)'),
    ('backup', f': write {ELSEWHERE["backup"]}'),
    ('nothing_like_it', '')])
def test_a_name_that_the_module_lacks_is_answered_with_how_it_is_called(name: str, written: str) -> None:
    with pytest.raises(AttributeError) as caught:
        getattr(dxf, name)
    assert str(caught.value) == f"module 'dxf' has no attribute '{name}'{written}"


@pytest.mark.parametrize(('name', 'written'), NAMES.items(), ids=NAMES)
def test_a_name_of_archives_is_answered_with_the_method_of_a_snapshot(name: str, written: str) -> None:
    snapshot = Snapshot.__new__(Snapshot)
    with pytest.raises(AttributeError) as caught:
        getattr(snapshot, name)
    assert str(caught.value) == f'Snapshot has no {name}: write {written}'
    assert callable(getattr(Snapshot, written.partition('(')[0])) and not hasattr(snapshot, 'missing')


HOMES: dict[str, Callable[[], object]] = {
    'filename': lambda: client().push_blob('~/f'), 'tlsverify': lambda: DXF(NOBODY, REPO, tlsverify='~/ca.pem'),
    'folder': lambda: artifacts.pull_files(client(), 'a', '~/out'),
}


@pytest.mark.parametrize(('name', 'call'), HOMES.items(), ids=HOMES)
def test_a_home_that_no_shell_has_replaced_is_told_and_no_folder_is_made(
        name: str, call: Callable[[], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError) as caught:
        call()
    assert str(caught.value).startswith('[Errno 2] No such file or directory; ~ is not replaced: write '
                                        f"os.path.expanduser({name}): '~/")
    assert not list(tmp_path.iterdir())


def test_a_file_whose_name_begins_with_a_tilde_and_is_no_home_is_written(tmp_path: Path,
                                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    repository = DXF(f'oci:{tmp_path}/store', REPO)
    repository.pull_to_file('~data.bak', repository.push_blob(data=b'content'))
    assert (tmp_path / '~data.bak').read_bytes() == b'content'


@pytest.mark.parametrize('repo', ['oci:./blobs', 'localhost:5000'])
def test_a_registry_in_place_of_a_repository_is_answered_with_the_order(repo: str) -> None:
    with pytest.raises(DXFInvalidNameError) as caught:
        DXF(REPO, repo)
    assert str(caught.value) == 'repo is the name of a repository, and not a registry: write DXF(host, repo)'


@pytest.mark.parametrize('repo', ['2024', '0', '2024/11'])
def test_a_repository_may_be_called_by_a_number(repo: str) -> None:
    assert DXF(NOBODY, repo).repo == repo


def test_an_alias_of_digits_behind_a_repository_is_no_port() -> None:
    with pytest.raises(DXFInvalidNameError, match="^invalid repository 'model:3': .*; the alias 3 is given after"):
        DXF(NOBODY, 'model:3')


def test_an_attribute_that_nothing_has_is_an_error_as_ever_and_that_of_a_property_its_own() -> None:
    own: Any = type('Own', (DXF,), {'shown': property(lambda self: self.missing)})(NOBODY, REPO)
    for name in ('missing', 'shown'):
        with pytest.raises(AttributeError, match="^'Own' object has no attribute 'missing'$"):
            getattr(own, name)
    assert not hasattr(own, 'backup')


def test_a_file_in_place_of_a_digest_is_answered_with_what_stores_it(tmp_path: Path) -> None:
    path = tmp_path / 'monday'
    path.touch()
    with pytest.raises(DXFInvalidNameError) as caught:
        client().set_alias('a', str(path))
    assert str(caught.value) == f"invalid digest '{path}': {WANT_DIGEST}; a file is stored first: " \
        f"client.push_blob('{path}') returns its digest"


@pytest.mark.parametrize(('data', 'kind'), [
    (['SECRET'], "a str: write text.encode(), or open a file with 'rb'"), ([b'', 3], 'an int'),
    (iter([None]), 'None')])
def test_data_that_does_not_consist_of_bytes_says_what_to_write_and_stores_nothing(data: Any, kind: str) -> None:
    with ScriptedRegistry() as server:
        with pytest.raises(TypeError) as caught:
            DXF(server.host, REPO, insecure=True).push_blob(data=data)
        assert not server.of('PUT')
    assert str(caught.value) == f'data consists of bytes, and not of {kind}'


def test_a_file_of_text_that_does_not_look_like_one_says_what_to_write(tmp_path: Path) -> None:
    (tmp_path / 'f').write_text('SECRET')
    with ScriptedRegistry() as server:
        with open(tmp_path / 'f', 'rb') as file, pytest.raises(TypeError) as caught:
            text: Any = codecs.getreader('utf-8')(file)
            DXF(server.host, REPO, insecure=True).push_blob(data=text)
        assert not server.of('PUT')
    assert str(caught.value).endswith("and not of a str: write text.encode(), or open a file with 'rb'")


@pytest.mark.parametrize(('host', 'said'), [
    ('http://host:5000', 'leave out http://; insecure=True is for http'),
    ('https://host/', 'leave out https:// and the /')])
def test_a_url_in_place_of_a_host_is_answered_with_the_argument_that_is_for_it(host: str, said: str) -> None:
    with pytest.raises(DXFInvalidNameError) as caught:
        DXF(host, REPO)
    assert str(caught.value) == f'invalid host {host!r}: {said}'


@pytest.mark.parametrize('push', [lambda path: client().push_blob(path), lambda path: client().push_blobs([path])])
def test_a_folder_to_push_as_a_blob_is_answered_with_the_function_that_stores_it(push: Callable[[str], object],
                                                                                 tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError) as caught:
        push(str(tmp_path))
    assert str(caught.value) == \
        f"[Errno 21] Is a directory; dxf.artifacts.push_files stores folders: '{tmp_path}'"


def test_a_file_whose_name_is_a_word_verifies_certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                           certificates: Certificates) -> None:
    monkeypatch.chdir(tmp_path)
    Path('off').write_bytes(Path(certificates.ca).read_bytes())
    with ScriptedRegistry(certificates) as server:
        assert DXF(server.host, REPO, tlsverify='off', limits=FAST).push_blob(data=b'hello') == hash_bytes(b'hello')


def test_no_files_to_push_are_an_error_that_says_so() -> None:
    with pytest.raises(ValueError, match='^push_files needs at least one file or folder$'):
        artifacts.push_files(client(), 'a', [])


def test_an_alias_with_its_at_sign_to_copy_is_answered_without_an_option_of_the_command() -> None:
    with pytest.raises(DXFInvalidNameError) as caught:
        copy(client(), client(), '@monday')
    assert str(caught.value) == "invalid alias '@monday' (write it without the @)"


def test_a_registry_that_speaks_http_is_told_to_programs_with_the_argument_that_is_for_it() -> None:
    with ScriptedRegistry() as server, pytest.raises(SSLError) as caught:
        DXF(server.host, REPO, limits=FAST).list_aliases()
    assert str(caught.value).endswith('; the server does not speak TLS: insecure=True is for http')


def test_a_wrong_certificate_is_not_told_so(certificates: Certificates) -> None:
    with ScriptedRegistry(certificates) as server, pytest.raises(SSLError) as caught:
        DXF(server.host, REPO, limits=FAST).list_aliases()
    assert 'insecure' not in str(caught.value)


def test_an_unknown_ca_is_told_to_programs_with_the_argument_that_names_it(certificates: Certificates) -> None:
    with ScriptedRegistry(certificates) as server, pytest.raises(SSLError) as caught:
        DXF(server.host, REPO, limits=FAST).list_aliases()
    assert str(caught.value).endswith('; if a CA of your own signed the certificate: tlsverify= names a file of the '
                                      "CA's certificates")


@pytest.mark.parametrize(('name', 'kind'), [('', IsADirectoryError), ('missing/f', FileNotFoundError),
                                            ('missing/', IsADirectoryError)])
def test_a_file_that_cannot_be_written_is_named_as_it_was_given_before_anything_is_asked_for(
        name: str, kind: type[OSError], tmp_path: Path) -> None:
    target = str(tmp_path / name) + '/' * name.endswith('/')
    with pytest.raises(kind) as caught:
        client().pull_to_file(target, DIGEST)
    assert (caught.value.filename, caught.value.filename2) == (target, None)


def test_a_file_without_a_digest_to_pull_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / 'f').write_bytes(b'precious')
    with pytest.raises(TypeError) as caught:
        client().pull_to_file(tmp_path / 'f')
    assert str(caught.value) == 'pull_to_file needs at least one digest: write pull_to_file(filename, digest)'
    assert (tmp_path / 'f').read_bytes() == b'precious'


def test_a_folder_that_takes_no_files_is_told_with_the_name_that_was_given() -> None:
    with ScriptedRegistry() as server, DXF(server.host, REPO, insecure=True) as repository:
        digest = repository.push_blob(data=b'hello')
        with pytest.raises(OSError) as caught:
            repository.pull_to_file('/proc/f', digest)
    assert caught.value.filename == '/proc/f'


def test_a_folder_that_took_the_place_of_the_file_is_named_as_the_file_was_given(tmp_path: Path) -> None:
    target = tmp_path / 'f'

    def progress(_digest: str, chunk: bytes, _size: int) -> None:
        if chunk:
            target.mkdir()
    with ScriptedRegistry() as server, DXF(server.host, REPO, insecure=True) as repository:
        digest = repository.push_blob(data=b'hello')
        with pytest.raises(IsADirectoryError) as caught:
            repository.pull_to_file(target, digest, progress=progress)
    assert (caught.value.filename, caught.value.filename2) == (str(target), None)


PLATFORM = "invalid platform 'amd64': want os/architecture[/variant]"
BY_NAME = "manifest is the text of a manifest, which begins with {; other arguments are written by name: " \
    "platform='linux/amd64', sizes=True"
VALUES: dict[str, tuple[Callable[[], object], type[ValueError], str]] = {
    'half a platform': (lambda: client().get_alias(platform='amd64'), DXFInvalidNameError, PLATFORM),
    'half a platform to copy': (lambda: copy(client(), client(), 'a', platform='amd64'), DXFInvalidNameError, PLATFORM),
    'sizes in place of a manifest': (lambda: client().get_alias('a', 'sizes'), DXFInvalidDocumentError, BY_NAME),
    'a platform in place of a manifest': (lambda: client().get_digest('a', 'linux/amd64'), DXFInvalidDocumentError,
                                          BY_NAME),
    'an alias behind its digest': (lambda: client().set_alias(DIGEST, 'a'), DXFInvalidNameError,
                                   'alias is a name, and not a digest: write set_alias(alias, digest)'),
    'an alias behind its manifest': (
        lambda: client().set_manifest('{"schemaVersion": 2}', 'a'), DXFInvalidNameError,
        'alias is a name, and not the text of a manifest: write set_manifest(alias, manifest_json)'),
    'a repository behind a digest': (
        lambda: client().mount_blob(DIGEST, 'fred/y'), DXFInvalidNameError,
        'repo is the name of a repository, and not a digest: write mount_blob(repo, digest)'),
    'an alias to replace': (lambda: client().set_alias('a', DIGEST, if_match='b'), DXFInvalidNameError,
                            f"invalid digest 'b': {WANT_DIGEST}"),
    'two conditions': (lambda: client().set_alias('a', DIGEST, if_absent=True, if_match=DIGEST), ValueError,
                       'if_absent and if_match exclude each other'),
    'no names at a time': (lambda: client().list_aliases(0), ValueError,
                           'batch_size is a number of names to ask for at a time, at least 1'),
    'no seconds': (lambda: DXF(NOBODY, REPO, timeout=0), ValueError,
                   'timeout is a number of seconds above 0, or None for no limit'),
    'fewer attempts than none': (lambda: DXF(NOBODY, REPO, limits=Limits(retries=-1)), ValueError,
                                 'retries of limits is a number of at least 0'),
}


@pytest.mark.parametrize(('call', 'kind', 'said'), VALUES.values(), ids=VALUES)
def test_a_value_in_the_wrong_place_is_an_error_that_says_what_to_write(call: Callable[[], object],
                                                                        kind: type[ValueError], said: str) -> None:
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value) == said


AT_END = 'data is a file that stands at its end, with nothing left to read: write file.seek(0) before; ' \
    "data=b'' stores an empty blob"


def read_to_the_end(path: Path) -> Any:
    """Return a file that was read to its end."""
    file = path.open('rb')
    file.read()
    return file


def ended() -> Any:
    """Return a generator that has ended."""
    generator = (piece for piece in [b'SECRET'])
    list(generator)
    return generator


@pytest.mark.parametrize(('open_it', 'said'), [
    (read_to_the_end, AT_END), (lambda _: io.BytesIO(b'SECRET'), AT_END),
    (lambda path: path.open('ab'), "data is a file that is open to be written: open it with 'rb'"),
    (lambda _: ended(), 'data is a generator that has ended already: make it again')])
def test_what_has_nothing_left_to_read_is_no_empty_blob(open_it: Callable[[Path], Any], said: str,
                                                        tmp_path: Path) -> None:
    (tmp_path / 'f').write_bytes(b'SECRET')
    data = open_it(tmp_path / 'f')
    if isinstance(data, io.BytesIO):
        data.seek(6)
    try:
        with ScriptedRegistry() as server, pytest.raises((DXFSourceError, TypeError)) as caught:
            DXF(server.host, REPO, insecure=True).push_blob(data=data)
    finally:
        data.close()
    assert (str(caught.value), server.requests) == (said, [])


def test_a_file_that_is_closed_says_so() -> None:
    data = io.BytesIO(b'SECRET')
    data.close()
    with pytest.raises(DXFSourceError, match="^data is a file that is closed: open it again with 'rb'$"):
        client().push_blob(data=data)


def test_an_empty_file_is_an_empty_blob(tmp_path: Path) -> None:
    (tmp_path / 'f').write_bytes(b'')
    with ScriptedRegistry() as server, DXF(server.host, REPO, insecure=True) as repository, \
            (tmp_path / 'f').open('rb') as file:
        assert repository.push_blob(data=file) == repository.push_blob(data=b'') == hash_bytes(b'')


@pytest.mark.parametrize(('ask', 'lacks'), [
    (lambda repository: repository.get_alias('nope'), 'alias nope'),
    (lambda repository: repository.get_manifest(DIGEST), f'manifest {DIGEST}'),
    (lambda repository: repository.pull_blob(DIGEST), f'blob {DIGEST}'),
    (lambda repository: repository.blob_size(DIGEST), f'blob {DIGEST}')])
def test_an_answer_of_404_names_what_is_not_there(open_registry: Endpoint, repo: str, ask: Callable[[DXF], object],
                                                  lacks: str) -> None:
    with open_registry.dxf(repo) as repository:
        repository.push_blob(data=b'x')
        with pytest.raises(DXFNotFoundError) as caught:
            ask(repository)
    assert str(caught.value).startswith('404 Not Found: ') and \
        str(caught.value).endswith(f'{repo} has no {lacks}')


def test_the_help_of_the_client_begins_with_its_use_and_has_a_short_signature() -> None:
    text = str(DXF.__doc__)
    assert 0 < text.index('push_blob(') < text.index(':param')
    assert len(str(inspect.signature(DXF))) < 600
    assert (repr(Options()), repr(Limits(retries=3))) == ('Options()', 'Limits(retries=3)')


FREE = {'self', 'cls', 'data', 'sources', 'digests', 'aliases', 'blobs', 'files', 'names', 'operands', 'include',
        'exclude', 'manifest', 'manifest_json', 'tlsverify', 'insecure', 'schema'}
"""Parameters that the functions check themselves."""

STEPS = {'check_current', 'kept_size', 'stored_size', 'wrong_size', 'sizes_of', 'known_size', 'check_alias_size',
         'current_digest', 'described_blobs', 'list_under_tag', 'manifest_path', 'put_manifest', 'platforms'}
"""Methods that other modules of dxf use; docs/api.rst says that they check less."""


def public_functions() -> dict[str, Any]:
    """Return the functions of the library that have parameters."""
    methods = {name: value for name, value in inspect.getmembers(DXF) if not name.startswith('_') and name not in STEPS}
    modules = {name: getattr(artifacts, name) for name in artifacts.__all__}
    found = {**methods, **modules, 'copy': copy, 'DXF': DXF.__init__, 'DXFBase': DXFBase.__init__}
    return {name: value for name, value in found.items()
            if inspect.isroutine(value) and set(inspect.signature(value).parameters) - {'self'}}


def test_every_parameter_of_every_public_function_has_a_check() -> None:
    found = public_functions()
    assert len(found) > 25
    assert not [name for name, value in found.items() if not hasattr(value, '__wrapped__')]
    unchecked = {f'{name}({parameter})' for name, value in found.items()
                 for parameter in inspect.signature(value).parameters
                 if parameter not in FREE and parameter not in CHECKS and f'{name}.{parameter}' not in CHECKS}
    assert not unchecked
