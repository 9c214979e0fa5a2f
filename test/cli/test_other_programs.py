"""What is typed as for other programs: addresses, options, signs. The whole line that answers it."""

from pathlib import Path

import pytest

from dxf.cli import command_mistakes, option_mistakes
from dxf.cli.command_table import COMMANDS

from ..helpers.endpoints import Endpoint
from ..helpers.processes import Runner
from ..helpers.tables import for_each
from .test_next_steps import (DIGEST, EXAMPLES, FIRST, HOST_BY, INSECURE, MISSING, PULL, PUSH, REPO, SET,
                              WANT_REPOSITORY, answered)

TYPED: dict[str, tuple[str, dict[str, str], str]] = {
    'an address in place of a repository': (
        'inspect docker://ghcr.io/fred/x:v1 v1', {}, f"invalid repository 'docker://ghcr.io/fred/x:v1': "
        f'{WANT_REPOSITORY}; the registry is given by --host=ghcr.io: dxf inspect fred/x v1 '
        '--host=ghcr.io'),
    'a registry in place of a repository': (
        'list-aliases localhost:5000', {}, f"invalid repository 'localhost:5000': {WANT_REPOSITORY}; the registry is "
        'given by --host=localhost:5000'),
    'an address with a password': (
        'list-aliases docker://fred:s3cret@h.example.com/x', {},
        f"invalid repository 'docker://...@h.example.com/x': {WANT_REPOSITORY}; the registry is given by "
        '--host=h.example.com: dxf list-aliases x --host=h.example.com'),
    'an alias where there is no place for one': (
        f'list-aliases {REPO}:v1', {}, f"invalid repository '{REPO}:v1': {WANT_REPOSITORY}; the alias v1 is given "
        f'after the repository; dxf list-aliases takes a repository alone: dxf list-aliases {REPO}'),
    'an image of Docker Hub with its registry': (
        'get-alias docker.io/library/alpine:3', {}, f"invalid repository 'docker.io/library/alpine:3': "
        f'{WANT_REPOSITORY}; the alias 3 is given after the repository: dxf get-alias docker.io/library/alpine 3'),
    'a repository with an alias, without the alias': (
        f'inspect {REPO}:v1', {}, 'too few arguments: dxf inspect <repo> <alias>; did you mean dxf inspect '
        f'{REPO} v1?'),
    'a folder in place of a repository': (
        f'list-aliases oci:./blobs/{REPO}', {}, f"invalid repository 'oci:./blobs/{REPO}': {WANT_REPOSITORY}; "
        'a folder is given by --host=oci:PATH, and the repository is the path below it'),
    'an alias behind a colon': (f'pull-blob {REPO} :v1', {}, 'expected digest method sha256, got ; an alias is '
                                'written @v1'),
    'a folder behind =': (f'copy {REPO} a --to oci=./x', {}, f"--to: invalid host 'oci=./x': a folder is written "
                          f'oci:./x; {EXAMPLES}'),
    'a pattern as a prefix': (f'list-aliases {REPO} --prefix mon*', {}, "--prefix: 'mon*' is a pattern: write the "
                              'beginning alone, --prefix=mon'),
    'an option of skopeo': (f'copy {REPO} a --dest-tls-verify=false', {}, 'unrecognized arguments: --dest-tls-verify; '
                            'DXF_TO_INSECURE=1 is for http, DXF_TO_TLSVERIFY names a file of CA certificates'),
    'quietly': (f'push-blob {REPO} x --quiet', {}, 'unrecognized arguments: --quiet; --progress=none shows no '
                'progress'),
    'the long form of a listing': (f'list-aliases {REPO} -l', {}, 'unrecognized arguments: -l; --long prints what each '
                                   'alias holds, too'),
    'the digests of a listing': (f'list-aliases {REPO} --digests', {}, 'unrecognized arguments: --digests; --long '
                                 'prints what each alias holds, too'),
    'the short hash of docker': (f'pull-blob {REPO} {DIGEST[:12]}', {}, f"invalid digest '{DIGEST[:12]}': want "
                                 'sha256: and 64 hexadecimal digits; a hash is given whole: dxf get-alias prints those '
                                 'of an alias'),
    'days to keep': (f'prune {REPO} --older-than 30d', {}, 'unrecognized arguments: --older-than; --keep-within=30d '
                     'deletes what is older'),
    'one alias to prune': (f'prune {REPO} @a', {}, 'too many arguments: dxf prune <repo>; --match=GLOB looks at some '
                           'aliases only; dxf del-alias deletes one'),
    'one alias to count': (f'du {REPO} @a', {}, 'too many arguments: dxf du <repo>; it counts all aliases; dxf inspect '
                           'prints the size of one'),
    'a file of patterns': (f'backup {REPO} . @a --exclude-from=x', {}, 'unrecognized arguments: --exclude-from; a file '
                           '.dxfignore in a folder has patterns for what is in it'),
    'a target of restic': (f'restore {REPO} @a --target=x', {}, 'unrecognized arguments: --target; --to=DIR names the '
                           'folder to write to'),
    'a registry to copy from': (f'copy {REPO} a --from=x --to=y', {}, 'unrecognized arguments: --from; --host=HOST '
                                'names the registry to copy from'),
    'a bucket': ('list-repos', {'DXF_HOST': 's3://bucket'}, "DXF_HOST: invalid host 's3://bucket': want name[:port]; "
                 f'{EXAMPLES}'),
    'all aliases to delete': (f'del-alias {REPO} --all', {}, 'unrecognized arguments: --all; aliases are named one by '
                              'one: dxf list-aliases prints them'),
    'a filter': (f'list-aliases {REPO} --filter=x', {}, 'unrecognized arguments: --filter; --prefix=TEXT lists those '
                 'that start with TEXT'),
    'standard input with a name': (f'push-files {REPO} a -', {}, f'cannot read -: {MISSING}; - is standard input for '
                                   'dxf push-blob alone'),
    'a folder as for rsync': (f'backup -av {REPO} x @a', {}, 'unrecognized arguments: -a; a folder is stored with all '
                              'that is in it; --owners and --xattrs store more about it'),
    'a trial of a backup': (f'backup -n {REPO} x @a', {}, 'unrecognized arguments: -n; --dry-run prints what would be '
                            'done'),
    'what is gone from a folder': (f'backup {REPO} x @a --delete', {}, 'unrecognized arguments: --delete; a snapshot '
                                   'has what is in the folder now, and the one before keeps the rest'),
    'a folder to begin in': (f'push-files {REPO} a x -C y', {}, 'unrecognized arguments: -C; change the folder before: '
                             '(cd DIR && dxf ...)'),
    'gzip for a blob': (f'push-blob {REPO} x @a --gzip', {}, 'unrecognized arguments: --gzip; a command compresses: '
                        'dxf push-blob <repo> @alias -- gzip -c FILE'),
    'no certificates as for curl': ('list-repos -k', {}, 'unrecognized arguments: -k; see DXF_SKIPTLSVERIFY and '
                                    'DXF_TLSVERIFY'),
    'a yes to a plan': (f'prune {REPO} --keep-last=1 --yes', {}, 'unrecognized arguments: --yes; --delete deletes what '
                        'is printed without it'),
    'aliases that stay': (f'prune {REPO} --keep-tag=a', {}, 'unrecognized arguments: --keep-tag; --keep-match=GLOB '
                          'keeps what a pattern fits'),
    'a part that begins later': (f'pull-blob {REPO} @a --offset=3', {}, 'unrecognized arguments: --offset; '
                                 '--range=FIRST-LAST writes a part'),
    'an alias to replace by force': (f'push-files {REPO} a x --force', {}, 'unrecognized arguments: --force; an alias '
                                     'that exists is replaced'),
    'a file by an option': (f'push-blob {REPO} -f x', {}, 'unrecognized arguments: -f; files follow the repository'),
    'JSON by a letter': ('list-repos -f x', {}, 'unrecognized arguments: -f; --json prints JSON'),
    'JSON as kubectl has it': (f'du {REPO} -o json', {}, 'unrecognized arguments: -o; --json prints JSON'),
    'files to leave out': (f'restore {REPO} @a --to=x --exclude=y', {}, 'unrecognized arguments: --exclude; paths '
                           'behind the alias choose what is restored: dxf list-files prints them'),
    'an option that is similar by its dashes alone': (f'pull-blob {REPO} @a --onset', {}, 'unrecognized arguments: '
                                                      '--onset'),
    'a file to write to that was forgotten': (
        f'pull-blob -o {REPO} @a', {}, f"invalid repository '@a': {WANT_REPOSITORY}; -o took {REPO} as its FILE: write "
        '-o FILE'),
    'a folder to write to that was forgotten': (
        f'restore --to {REPO} @a', {}, f'too few arguments: dxf restore <repo> @alias [<path>...]; --to took {REPO} '
        'as its DIR: write --to DIR'),
    'a rate that was forgotten': (f'push-blob --limit-rate {REPO} x', {}, f'too few arguments: dxf {PUSH}; '
                                  f'--limit-rate took {REPO} as its RATE: write --limit-rate RATE'),
    'a file to write to at the end': (f'pull-blob {REPO} @a -o', {}, '-o needs a value: -o FILE'),
    'a choice at the end': (f'pull-blob {REPO} @a --progress', {}, '--progress needs a value: --progress '
                            'bar|lines|json|none'),
    'a login over http': ('login --username fred', INSECURE, 'DXF_INSECURE is 1, and a password is sent over TLS '
                          'alone: set up TLS on the registry or on a proxy before it; what needs no login works '
                          'without one'),
}


@for_each('typed, variables, said', TYPED)
def test_what_is_typed_as_for_another_program_is_answered_with_what_to_write(typed: str, variables: dict[str, str],
                                                                             said: str) -> None:
    command = typed.partition(' ')[0]
    assert answered(variables, 2, *typed.split()) == f'{said} (see dxf {command} --help)'


def test_no_command_and_no_option_of_dxf_is_called_one_of_another_program() -> None:
    flags = {command.name: command.flags for command in COMMANDS}
    assert not [name for name in command_mistakes.COMMANDS if name in flags]
    assert not [(name, option) for name, option in option_mistakes.OPTIONS if option in flags[name]]


@pytest.mark.parametrize(('typed', 'said'), [
    ('version', "no command 'version': did you mean dxf --version?"),
    ('help', "no command 'help': did you mean dxf --help?"),
    ('help copy', "no command 'help': did you mean dxf copy --help?"),
    ('tag', f"no command 'tag': did you mean dxf {SET}?"),
    (f'tag {REPO}:old {REPO}:new', f"no command 'tag': did you mean dxf set-alias {REPO} new @old?"),
    (f'tag {REPO} old new', f"no command 'tag': did you mean dxf set-alias {REPO} new @old?"),
    (f'tag {REPO}:old', f"no command 'tag': did you mean dxf set-alias {REPO} <alias> @old?"),
    (f'tag {REPO}:old x/y:new', f"no command 'tag': did you mean dxf copy {REPO} old --to=HOST --to-repo=x/y "
     '--to-alias=new?'),
    (f'tag {REPO}:old host.example.com/{REPO}:old',
     f"no command 'tag': did you mean dxf copy {REPO} old --to=host.example.com?"),
    (f'tag {REPO}:old localhost:5000/{REPO}:old',
     f"no command 'tag': did you mean dxf copy {REPO} old --to=localhost:5000?"),
    (f'mv {REPO}:old {REPO}:new', f"no command 'mv': did you mean dxf set-alias {REPO} new @old?"),
    (f'tag ls {REPO}', f"no command 'tag ls': did you mean dxf list-aliases {REPO}?"),
    (f'rm {REPO}:v1', f"no command 'rm': did you mean dxf del-alias {REPO} v1?"),
    (f'rm {REPO}:v1 {REPO}:v2', f"no command 'rm': did you mean dxf del-alias {REPO} v1 v2?"),
    (f'rm {REPO}:v1 x/y:v2', "no command 'rm': did you mean dxf del-alias <repo> <alias>...?"),
    (f'rm {REPO}:v1 v2', f"no command 'rm': did you mean dxf del-alias {REPO} v1 v2?"),
    (f'delete docker://ghcr.io/{REPO}@{DIGEST}',
     f"no command 'delete': did you mean dxf del-alias {REPO} {DIGEST} --host=ghcr.io?"),
    ('ls', "no command 'ls': did you mean dxf list-repos?"),
    ('list-alias', "no command 'list-alias': did you mean dxf list-aliases <repo>?"),
    ('tags', "no command 'tags': did you mean dxf list-aliases <repo>?"),
    (f'forget {REPO} --keep-daily 7', "no command 'forget': did you mean dxf prune <repo>?"),
    (f'stats {REPO}', f"no command 'stats': did you mean dxf du {REPO}?"),
    (f'status {REPO}:v1', f"no command 'status': did you mean dxf diff {REPO} v1 <alias>|<folder>?"),
    ('init', f"no command 'init': a repository begins with what is stored first: dxf {PUSH}"),
    ('Init', f"no command 'Init': a repository begins with what is stored first: dxf {PUSH}"),
    (f'ls localhost:5000/{REPO}', f"no command 'ls': did you mean dxf list-aliases {REPO} --host=localhost:5000?"),
    ('ls docker://fred:s3cret@h.example.com/x',
     "no command 'ls': did you mean dxf list-aliases x --host=h.example.com?"),
    ('rm https://fred:s3cret@h.example.com/x:v1',
     "no command 'rm': did you mean dxf del-alias x v1 --host=h.example.com?"),
    ('ls docker://fred:s3cret@h.example.com', "no command 'ls': did you mean dxf list-aliases <repo>?"),
    ('pull fred:s3cret@h.example.com', f"no command 'pull': did you mean dxf {PULL}?"),
    ('ls fred:s3cret@h.example.com/x', "no command 'ls': did you mean dxf list-aliases x --host=h.example.com?"),
    (f'list {REPO}', f"no command 'list': did you mean dxf list-aliases {REPO}?"),
    (f'tags {REPO}', f"no command 'tags': did you mean dxf list-aliases {REPO}?"),
    (f'cat {REPO} v1', f"no command 'cat': did you mean dxf pull-blob {REPO} @v1?"),
    (f'pull localhost:5000/{REPO}:v1',
     f"no command 'pull': did you mean dxf pull-blob {REPO} @v1 --host=localhost:5000?"),
    (f'discover {REPO}:v1', f"no command 'discover': did you mean dxf referrers {REPO} v1?"),
    ('catalog registry.example.com', "no command 'catalog': did you mean dxf list-repos --host=registry.example.com?"),
    ('images', "no command 'images': did you mean dxf list-repos?"),
    (f"push {REPO}:v1 f.dat g.dat", f"no command 'push': did you mean dxf push-blob {REPO} f.dat g.dat @v1?"),
    (f'push -u fred {REPO}:v1 f.dat', f"no command 'push': did you mean dxf {PUSH}?"),
    ('Push', f"no command 'Push': did you mean dxf {PUSH}?"),
    (f'cp {REPO}:v1', f"no command 'cp': did you mean dxf copy {REPO} --to=HOST v1?"),
    (f'cp {REPO}:v1 x/y', f"no command 'cp': did you mean dxf copy {REPO} v1 --to=HOST --to-repo=x/y?"),
    (f'cp {REPO}:v1 oci:./usb', f"no command 'cp': did you mean dxf copy {REPO} v1 --to=oci:./usb?"),
    (f'info {REPO}:v1', f"no command 'info': did you mean dxf inspect {REPO} v1?"),
    (f'clean {REPO}', f"no command 'clean': did you mean dxf gc {REPO}?"),
    (f'compare {REPO}:v1', f"no command 'compare': did you mean dxf diff {REPO} v1 <alias>|<folder>?"),
    (f'compare {REPO}:v1 {REPO}:v2', f"no command 'compare': did you mean dxf diff {REPO} v1 v2?"),
    (f'wc {REPO}:v1', f"no command 'wc': did you mean dxf blob-size {REPO} @v1?"),
    ('-v', 'unrecognized arguments: -v; dxf --version prints the version'),
    ('--host x list-repos', 'unrecognized arguments: --host; options follow the command'),
    ('-H x list-repos', f'unrecognized arguments: -H; {HOST_BY}'),
])
def test_what_other_programs_call_it_is_answered_with_what_it_is_called_here(typed: str, said: str) -> None:
    assert answered({}, 2, *typed.split()) == f'{said} (see dxf --help)'


@pytest.mark.parametrize(('typed', 'meant'), [
    (f'sync photos {REPO}', f'backup {REPO} photos @alias'), ('mirror photos', 'backup <repo> photos @alias'),
    (f'cp data.txt {REPO}:v1', f'push-blob {REPO} data.txt @v1'),
    (f'cp data.txt localhost:5000/{REPO}', f'push-blob {REPO} data.txt @alias --host=localhost:5000'),
    (f'sync {REPO}:v1 photos', f'restore {REPO} @v1 --to=photos'), (f'cp {REPO}:v1 .', f'pull-blob {REPO} @v1 -o FILE'),
    (f'cp -r photos {REPO}', 'copy [<repo>] [<alias>...]'), (f'cp {REPO} x y', f'copy {REPO} --to=HOST x y')])
def test_a_copy_from_or_to_a_disk_is_answered_with_the_command_that_stores_or_fetches(typed: str, meant: str,
                                                                                      tmp_path: Path) -> None:
    (tmp_path / 'photos').mkdir()
    (tmp_path / 'data.txt').write_bytes(b'hello')
    assert answered({}, 2, *typed.split(), cwd=tmp_path) == \
        f"no command '{typed.split()[0]}': did you mean dxf {meant}? (see dxf --help)"


@pytest.mark.parametrize(('typed', 'said'), [
    (f'push-blob {REPO} -weird.txt @a', 'a file is written'), (f'push-files {REPO} a -weird.txt', 'a file is written'),
    (f'push-blob {REPO} @a -- -weird.txt', 'a file stands before the @alias, without --:')])
def test_a_file_whose_name_begins_with_a_dash_is_told_with_how_it_is_written(typed: str, said: str, tmp_path: Path
                                                                             ) -> None:
    (tmp_path / '-weird.txt').write_bytes(b'hello')
    line = answered({}, 2, *typed.split(), cwd=tmp_path)
    assert line.partition(' (see')[0].endswith(f'; {said} ./-weird.txt')


@pytest.mark.parametrize(('typed', 'like'), [('demo/', 'demo'), ('/demo', 'demo'), ('/demo//x', 'demo/x')])
def test_an_empty_part_of_a_repository_may_be_that_of_a_variable(typed: str, like: str) -> None:
    assert answered({}, 2, 'list-aliases', typed).partition(' (see')[0].endswith(
        f'; {like} would be right; is a variable unset?')


FILE_FIRST = 'too few arguments: a file stands before the @alias; a command follows --: dxf push-blob <repo> ' \
    '[@alias] -- <command>...'


@pytest.mark.parametrize(('typed', 'said'), [
    ('push-blob data.txt', f'too few arguments: dxf {PUSH}; {FIRST} {PUSH}'),
    ('push-blob data.txt @monday', f'{FILE_FIRST}; {FIRST} {PUSH}'),
    ('push-blob demo/r', f'too few arguments: dxf {PUSH}; - is standard input'),
    ('push-blob demo/r @monday', f'{FILE_FIRST}; - is standard input'),
    ('push-blob demo/r @data.txt @monday', f"cannot read '@data.txt': {MISSING}; a file is written data.txt"),
    ('push-files demo/r monday /dev/null', '/dev/null: neither a file nor a folder; dxf push-blob stores what comes '
     'out of a pipe'),
])
def test_what_a_push_lacks_is_told(typed: str, said: str, tmp_path: Path) -> None:
    (tmp_path / 'data.txt').write_bytes(b'hello')
    assert answered({}, 2, *typed.split(), cwd=tmp_path) == f'{said} (see dxf {typed.split()[0]} --help)'


def test_several_files_in_one_pair_of_quotation_marks_are_told(tmp_path: Path) -> None:
    (tmp_path / 'a').touch()
    (tmp_path / 'b').touch()
    assert answered({}, 2, 'push-blob', REPO, 'a b', '@x', cwd=tmp_path) == \
        f"cannot read 'a b': {MISSING}; several files are given one by one: leave out the quotation marks around all " \
        'of them (see dxf push-blob --help)'
    assert answered({}, 2, 'push-blob', REPO, 'a c', '@x', cwd=tmp_path) == \
        f"cannot read 'a c': {MISSING} (see dxf push-blob --help)"


def test_a_folder_on_disk_and_a_folder_to_write_to_are_told_with_how_they_are_given(folder: Endpoint, repo: str,
                                                                                    tmp_path: Path) -> None:
    (tmp_path / 'charts').mkdir()
    (tmp_path / 'f').touch()
    runner = Runner(folder.environ())
    runner.run('push-files', repo, 'v1', 'f', cwd=tmp_path).insist(0)
    assert answered(folder.environ(), 2, 'diff', repo, 'v1', 'charts', cwd=tmp_path) == \
        f'404 Not Found: {repo} has no alias charts; a folder on disk is written ./charts'
    assert runner.run('diff', repo, 'v1', './charts', cwd=tmp_path).out == b'removed 0 - f\n'
    said = "there is no file 'new' in it, but 'f'"
    assert answered(folder.environ(), 2, 'pull-files', repo, 'v1', 'new', cwd=tmp_path) == \
        f'{said}; --to=DIR names the folder to write to'
    assert answered(folder.environ(), 2, 'pull-files', repo, 'v1', 'new', '--to=new', cwd=tmp_path) == said
