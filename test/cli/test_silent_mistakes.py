"""Mistakes that a command could carry out, with status 0: what is named by a pattern or a variable is not as meant."""

import json
from pathlib import Path

import pytest

from dxf import DXF
from dxf.cli.operand_mistakes import about_excluded
from dxf.manifest.image import OCI_INDEX, OCI_MANIFEST

from ..helpers.endpoints import Endpoint
from ..helpers.processes import Runner
from .test_next_steps import DIGEST, EXAMPLES, REPO, answered

AS_ALIAS = "invalid alias '{0}': it is also a file here, which would not be stored; write the alias before it, or @{0}"


@pytest.mark.parametrize(('typed', 'alias'), [
    ('demo/r a.csv b.csv', 'a.csv'), ('demo/r charts a.csv b.csv', 'charts'), ('demo/r dangling a.csv', 'dangling')])
def test_an_alias_that_a_pattern_gave_is_refused(typed: str, alias: str, tmp_path: Path) -> None:
    files_in(tmp_path)
    assert answered({}, 2, 'push-files', *typed.split(), cwd=tmp_path) == \
        f'{AS_ALIAS.format(alias)} (see dxf push-files --help)'


@pytest.mark.parametrize(('typed', 'alias'), [
    ('@a.csv b.csv', 'a.csv'), ('a.csv a.csv', 'a.csv'), ('charts b.csv ./charts/', 'charts'), ('c b.csv', 'c')])
def test_an_alias_with_the_name_of_a_file_is_taken_where_it_is_meant(typed: str, alias: str, tmp_path: Path) -> None:
    files_in(tmp_path)
    runner = Runner({'DXF_HOST': f'oci:{tmp_path}/root'})
    runner.run('push-files', 'demo/r', *typed.split(), cwd=tmp_path).insist(0)
    assert runner.run('list-aliases', 'demo/r').insist(0).out.decode().split() == [alias]


def test_an_alias_of_blobs_that_a_pattern_gave_is_refused_unless_its_file_is_stored_too(tmp_path: Path) -> None:
    files_in(tmp_path)
    (tmp_path / '@night').write_text('night')
    runner = Runner({'DXF_HOST': f'oci:{tmp_path}/root'})
    for given in ([], ['b.csv']):
        assert answered({'DXF_HOST': f'oci:{tmp_path}/root'}, 2, 'push-blob', 'demo/r', 'a.csv', *given, '@night',
                        cwd=tmp_path) == (
            "invalid alias '@night': it is also a file here, which would not be stored; write ./@night before the "
            'alias to store it too (see dxf push-blob --help)')
        assert not (tmp_path / 'root').exists()
    runner.run('push-blob', 'demo/r', 'a.csv', './@night', '@night', cwd=tmp_path).insist(0)
    client = DXF(f'oci:{tmp_path}/root', 'demo/r')
    assert [b''.join(client.pull_blob(digest)) for digest in client.get_alias('night')] == [b'a.csv', b'night']


def files_in(folder: Path) -> None:
    """Make files, a folder and a link that leads nowhere."""
    for name in ('a.csv', 'b.csv'):
        (folder / name).write_text(name)
    (folder / 'charts').mkdir()
    (folder / 'dangling').symlink_to('nowhere')


@pytest.mark.parametrize('typed', ['push-blob|{}|a.csv', 'push-blob|{}|a.csv|@a', 'push-blob|{}|--|echo|x',
                                   'push-files|{}|v1|a.csv', 'mount-blob|{}|demo/r|' + DIGEST])
def test_a_repository_by_a_variable_that_is_unset_is_refused(typed: str, tmp_path: Path) -> None:
    files_in(tmp_path)
    root = tmp_path / 'root'
    said = f"invalid repository '': it stands for the folder itself, and {root} is no layout; is a variable unset? " \
        f'(see dxf {typed.partition("|")[0]} --help)'
    variables = {'DXF_HOST': f'oci:{root}'}
    assert answered(variables, 2, *typed.format('').split('|'), cwd=tmp_path) == said
    assert not root.exists()
    Runner(variables).run('push-blob', 'demo/r', 'a.csv', cwd=tmp_path).insist(0)
    assert answered(variables, 2, *typed.format('').split('|'), cwd=tmp_path) == said
    assert [path.name for path in root.iterdir()] == ['demo']


def write_alias(host: str, repository: str) -> None:
    """Write the alias v1."""
    client = DXF(host, repository)
    client.set_alias('v1', client.push_blob(data=b'content'))


@pytest.mark.parametrize('to_repo', [['--to-repo', ''], ['--to-repo=']])
def test_a_copy_to_a_repository_by_a_variable_that_is_unset_is_refused(to_repo: list[str], tmp_path: Path) -> None:
    files_in(tmp_path)
    source, root = tmp_path / 'source', tmp_path / 'root'
    write_alias(f'oci:{source}', 'demo/r')
    said = f"invalid repository '': it stands for the folder itself, and {root} is no layout; is a variable unset? " \
        '(see dxf copy --help)'
    typed = ['copy', 'demo/r', 'v1', '--to', f'oci:{root}', *to_repo]
    assert answered({'DXF_HOST': f'oci:{source}'}, 2, *typed, cwd=tmp_path) == said
    assert not root.exists()


def test_a_copy_of_a_layout_to_another_one_is_what_it_says(tmp_path: Path) -> None:
    source, target = f'oci:{tmp_path}/source', f'oci:{tmp_path}/target'
    write_alias(source, '')
    Runner({'DXF_HOST': source}).run('copy', '', 'v1', '--to', target).insist(0)
    assert DXF(target, '').get_alias('v1') == DXF(source, '').get_alias('v1')


def test_a_folder_with_a_dollar_in_its_name_is_used_if_it_is_there(tmp_path: Path) -> None:
    (tmp_path / '$HOME').mkdir()
    (tmp_path / 'a.csv').write_text('a')
    for host in ('oci:$HOME', 'oci:./$HOME/blobs', 'oci:./US$/blobs'):
        Runner({'DXF_HOST': host}).run('push-blob', 'demo/r', 'a.csv', '@a', cwd=tmp_path).insist(0)
    assert {path.name for path in (tmp_path / '$HOME').iterdir()} == {'demo', 'blobs'}
    assert (tmp_path / 'US$' / 'blobs' / 'demo' / 'r').is_dir()


def test_a_pipe_that_is_empty_is_told_and_an_empty_file_is_not(folder: Endpoint, tmp_path: Path) -> None:
    (tmp_path / 'empty').touch()
    runner = Runner(folder.environ())
    runner.run('push-blob', REPO, 'empty', '@a', cwd=tmp_path).insist(0)
    runner.run('push-blob', REPO, '/dev/stdin', '@a', input=b'x').insist(0)
    for files in (('/dev/stdin',), ('/dev/stdin', '@a'), ('empty', '/dev/stdin', '@a')):
        ended = runner.run('push-blob', REPO, *files, input=b'', cwd=tmp_path)
        assert (ended.status, ended.lines) == (0, ["dxf: '/dev/stdin' was empty: an empty blob is stored"])


def test_a_folder_that_ends_with_the_repository_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    write_alias(f'oci:{tmp_path}/source', 'demo/r')
    said = 'oci:./new/demo/r ends with the repository, which would be stored below it as demo/r: ' \
        'write {0}=oci:./new; if it is meant, make the folder ./new/demo/r/demo/r first (see dxf {1} --help)'
    copied = ('copy', 'demo/r', 'v1', '--to', 'oci:./new/demo/r')
    source = {'DXF_HOST': f'oci:{tmp_path}/source'}
    assert answered(source, 2, *copied, cwd=tmp_path) == '--to: ' + said.format('--to', 'copy')
    files_in(tmp_path)
    assert answered({'DXF_HOST': 'oci:./new/demo/r'}, 2, 'push-blob', 'demo/r', 'a.csv', cwd=tmp_path) == \
        'DXF_HOST: ' + said.format('DXF_HOST', 'push-blob')
    assert not (tmp_path / 'new').exists()
    (tmp_path / 'new' / 'demo' / 'r' / 'demo' / 'r').mkdir(parents=True)
    Runner(source).run(*copied, cwd=tmp_path).insist(0)


def test_a_layout_that_is_there_and_ends_with_the_repository_is_used(tmp_path: Path) -> None:
    write_alias(f'oci:{tmp_path}/old', 'demo/r')
    files_in(tmp_path)
    Runner({'DXF_HOST': 'oci:./old/demo/r'}).run('push-blob', 'demo/r', 'a.csv', cwd=tmp_path).insist(0)
    assert (tmp_path / 'old' / 'demo' / 'r' / 'demo' / 'r' / 'oci-layout').is_file()


def test_a_device_that_is_empty_is_told(folder: Endpoint) -> None:
    ended = Runner(folder.environ()).run('push-blob', REPO, '/dev/null')
    assert (ended.status, ended.lines) == (0, ["dxf: '/dev/null' was empty: an empty blob is stored"])


def test_an_alias_behind_a_command_is_told(folder: Endpoint) -> None:
    ended = Runner(folder.environ()).run('push-blob', REPO, '--', 'echo', '@a')
    assert (ended.status, ended.lines) == (0, ['dxf: @a is given to the command: an alias stands before the --: '
                                               'dxf push-blob <repo> [@alias] -- <command>...'])


def test_an_alias_is_taken_with_its_at_wherever_one_stands(folder: Endpoint, tmp_path: Path) -> None:
    files_in(tmp_path)
    runner = Runner(folder.environ())
    runner.run('push-files', REPO, '@b', 'a.csv', cwd=tmp_path).insist(0)
    for typed in ('inspect|@b', 'get-manifest|@b', 'get-manifest-digest|@b', 'get-alias|@b', 'referrers|@b',
                  f'copy|@b|--to={folder.host}|--to-alias=@c', 'del-alias|@b'):
        command, *rest = typed.split('|')
        runner.run(command, REPO, *rest).insist(0)
    assert runner.run('list-aliases', REPO).insist(0).out == b'c\n'


def test_progress_that_cannot_be_written_ends_no_transfer(folder: Endpoint, tmp_path: Path) -> None:
    for mode in ('bar', 'lines', 'json'):
        (tmp_path / 'data').write_text(mode)
        with open('/dev/full', 'wb') as full:
            ended = Runner(folder.environ()).run('push-blob', REPO, 'data', f'--progress={mode}', cwd=tmp_path,
                                                 stderr=full)
        assert ended.status == 0


def test_standard_output_that_is_full_is_named(folder: Endpoint) -> None:
    write_alias(str(folder.host), REPO)
    for typed in (('pull-blob', REPO, '@v1'), ('list-repos',)):
        with open('/dev/full', 'wb') as full:
            ended = Runner(folder.environ()).run(*typed, stdout=full).insist(1)
        assert ended.lines == ['dxf: standard output: No space left on device; free space there, then repeat the '
                               'command']


# Nothing to do


@pytest.fixture(name='odd')
def write_odd_aliases(tmp_path: Path) -> dict[str, str]:
    """A folder with an image without layers, and an index whose one entry has a type that dxf does not read."""
    host = f'oci:{tmp_path}/root'
    with DXF(host, 'demo/r') as client:
        entry = {'digest': client.push_blob(data=b'{}'), 'size': 2, 'mediaType': 'application/vnd.example+json'}
        client.set_manifest('bare', json.dumps({
            'schemaVersion': 2, 'mediaType': OCI_MANIFEST, 'config': entry, 'layers': []}))
        client.set_manifest('unknown', json.dumps({
            'schemaVersion': 2, 'mediaType': OCI_INDEX, 'manifests': [entry]}))
    return {'DXF_HOST': host}


@pytest.mark.parametrize(('typed', 'said'), [
    ('pull-blob {} @bare', "the alias 'bare': no blobs are named, and nothing was written"),
    ('pull-blob {} @bare -o out', "the alias 'bare': no blobs are named, and nothing was written: the file stays as it "
                                  'is'),
    ('del-blob {} @bare', "the alias 'bare': no blobs are named, and nothing was deleted"),
    *((f'{command} {{}} {alias}', "the alias 'unknown' is an index without any image that dxf reads") for command, alias
      in (('pull-blob', '@unknown'), ('del-blob', '@unknown'), ('blob-size', '@unknown'), ('get-alias', 'unknown'),
          ('get-digest', 'unknown'), ('get-manifest', 'unknown')))])
def test_a_command_that_finds_nothing_to_do_says_so(odd: dict[str, str], typed: str, said: str, tmp_path: Path) -> None:
    (tmp_path / 'out').write_bytes(b'as it is')
    assert answered(odd, 1, *typed.format('demo/r').split(), cwd=tmp_path) == said
    assert (tmp_path / 'out').read_bytes() == b'as it is'


def test_an_image_without_layers_has_no_bytes_and_no_blobs(odd: dict[str, str]) -> None:
    runner = Runner(odd)
    assert runner.run('blob-size', 'demo/r', '@bare').insist(0).out == b'0\n'
    assert runner.run('get-alias', 'demo/r', 'bare').insist(0).out == b''


def test_what_has_no_blobs_may_stand_beside_what_has_some(odd: dict[str, str]) -> None:
    write_alias(odd['DXF_HOST'], 'demo/r')
    assert Runner(odd).run('pull-blob', 'demo/r', '@bare', '@v1').insist(0).out == b'content'


@pytest.mark.parametrize('typed', ['copy|demo/r|v1|--to|oci:./usb:week-20', 'push-blob|demo/r|a.csv',
                                   'push-blob|demo/r|a.csv|--host=oci:./usb:week-20'])
def test_a_folder_with_an_alias_behind_it_is_refused_unless_it_is_there(typed: str, tmp_path: Path) -> None:
    files_in(tmp_path)
    write_alias(f'oci:{tmp_path}/source', 'demo/r')
    is_host = 'usb' not in typed
    command, host = typed.partition('|')[0], 'oci:./usb:week-20' if is_host else f'oci:{tmp_path}/source'
    assert answered({'DXF_HOST': host}, 2, *typed.split('|'), cwd=tmp_path).endswith(
        "invalid folder 'oci:./usb:week-20': the alias week-20 is given to the command: write oci:./usb; make the "
        f'folder ./usb:week-20 first if that is its name; {EXAMPLES} (see dxf {command} --help)')
    assert not [path for path in tmp_path.iterdir() if path.name.startswith('usb')]
    (tmp_path / 'usb:week-20').mkdir()
    Runner({'DXF_HOST': host}).run(*typed.split('|'), cwd=tmp_path).insist(0)


@pytest.mark.parametrize(('folder', 'typed', 'meant'), [
    ('photos', './photos/cache', '/cache'), ('photos', 'photos/cache', '/cache'),
    ('.', './photos/cache/', '/photos/cache/'),
    ('photos', '{}/photos/cache', '/cache'), ('photos', 'photos/*.tmp', '/*.tmp'), ('photos', './cache', '/cache'),
    ('{}/photos', '{}/photos/cache/*', "'/cache/*'"), ('{}/photos', './gone', '/gone')])
def test_a_pattern_of_a_backup_that_is_a_path_is_refused(folder: str, typed: str, meant: str, tmp_path: Path) -> None:
    (tmp_path / 'photos' / 'cache').mkdir(parents=True)
    folder, typed = folder.format(tmp_path), typed.format(tmp_path)
    said = answered({'DXF_HOST': f'oci:{tmp_path}-root'}, 2, 'backup', 'demo/r', folder, '@n', '--exclude', typed,
                    cwd=tmp_path)
    quoted = meant if "'" in meant or '*' not in meant else f"'{meant}'"
    assert said == f'--exclude: {typed!r} fits nothing: a pattern begins in the folder that is stored: write ' \
        f'{quoted} (see dxf backup --help)'
    assert not Path(f'{tmp_path}-root').exists()


@pytest.mark.parametrize('pattern', ['cache', '/cache', 'cache/', '*.tmp', '/photos/cache', 'photos/c*', '**/cache',
                                     '/gone', '/tmp', 'photos'])
def test_a_pattern_of_a_backup_that_begins_in_its_folder_is_taken(pattern: str, tmp_path: Path) -> None:
    home = tmp_path / 'home'
    (home / 'photos' / 'cache').mkdir(parents=True)
    (home / 'cache').mkdir()
    assert about_excluded(pattern, [str(home)]) == ''


@pytest.mark.parametrize('typed', ['push-files|demo/f|v1|--each|.', 'push-files|demo/f|v1|.', 'push-files|demo/f|v1|{}',
                                   'attach|demo/r|v1|.|--type|text/plain'])
def test_files_among_which_the_registry_is_are_refused(typed: str, tmp_path: Path) -> None:
    (tmp_path / 'data').mkdir()
    (tmp_path / 'data' / 'a.csv').write_text('a')
    write_alias(f'oci:{tmp_path}/blobs', 'demo/r')
    words = typed.format(tmp_path).split('|')
    said = answered({'DXF_HOST': 'oci:./blobs'}, 2, *words, cwd=tmp_path)
    left_out = '' if words[0] == 'attach' else ', or leave it out: --exclude=blobs'
    assert said == f'{str(tmp_path) if "{}" in typed else "."}: the registry {tmp_path}/blobs is in this folder, and ' \
        f'would be stored in itself: keep it elsewhere{left_out} (see dxf {words[0]} --help)'
    if left_out:
        assert not (tmp_path / 'blobs' / 'demo' / 'f').exists()
        Runner({'DXF_HOST': 'oci:./blobs'}).run(*words, '--exclude=blobs', cwd=tmp_path).insist(0)
    Runner({'DXF_HOST': 'oci:.'}).run('push-files', 'demo/f', 'v2', 'data', cwd=tmp_path).insist(0)
