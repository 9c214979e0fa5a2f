"""Mistakes with the shell: names with spaces, and what it replaces or runs that no other program does."""

from pathlib import Path

import pytest

from ..helpers.endpoints import Endpoint
from ..helpers.processes import Runner
from .test_next_steps import MISSING, REPO, answered

UNLIKE = 'is not replaced here: write'

NOT_REPLACED = {
    'certificates at home': ('list-repos', {'DXF_TLSVERIFY': '~/ca.pem'},
                             f'DXF_TLSVERIFY: cannot read ~/ca.pem; ~ {UNLIKE} the whole path'),
    'certificates at home, for requests': ('list-repos', {'REQUESTS_CA_BUNDLE': '$HOME/ca.pem'},
                                           f'REQUESTS_CA_BUNDLE: cannot read $HOME/ca.pem; $HOME {UNLIKE} the whole '
                                           'path'),
    'certificates at home, to copy to': (f'copy {REPO} a --to localhost:2', {'DXF_TO_TLSVERIFY': '~/ca.pem'},
                                         f'DXF_TO_TLSVERIFY: cannot read ~/ca.pem; ~ {UNLIKE} the whole path'),
    'a certificate at home': ('list-repos', {'DXF_CERT': '~/c.pem'},
                              f'DXF_CERT: cannot use ~/c.pem: {MISSING}; ~ {UNLIKE} the whole path'),
    'a certificate in a folder of a variable': (
        'list-repos', {'DXF_CERT': '/srv/${NAME}/c.pem'},
        f'DXF_CERT: cannot use /srv/${{NAME}}/c.pem: {MISSING}; ${{NAME}} {UNLIKE} the whole path'),
    'a home to pull to': (f'pull-blob {REPO} @a --output=~/f', {}, f"cannot write '~/f': {MISSING}; ~ {UNLIKE} "
                          '$HOME/f, or ./~/f if that is its name'),
    'a variable to pull to': (f'pull-blob {REPO} @a -o $X/f', {}, f"cannot write '$X/f': {MISSING}; $X {UNLIKE} "
                              'the whole path, or ./$X/f if that is its name'),
    'a home for files': (f'pull-files {REPO} a --to=~/new', {},
                         f'--to: ~ {UNLIKE} $HOME/new, or ./~/new if that is its name'),
    'a home of another for files': (f'pull-files {REPO} a --to=~fred', {},
                                    f'--to: ~fred {UNLIKE} the whole path, or ./~fred if that is its name'),
    'a variable for a snapshot': (f'restore {REPO} @a --to ${{X}}/new', {},
                                  f'--to: ${{X}} {UNLIKE} the whole path, or ./${{X}}/new if that is its name'),
}


@pytest.mark.parametrize(('typed', 'variables', 'said'), NOT_REPLACED.values(), ids=NOT_REPLACED)
def test_a_path_that_no_shell_has_replaced_is_told_with_what_to_write(typed: str, variables: dict[str, str],
                                                                      said: str) -> None:
    assert answered(variables, 2, *typed.split()) == f'{said} (see dxf {typed.split()[0]} --help)'


def test_a_folder_that_has_the_name_of_a_home_is_written_to(folder: Endpoint, repo: str, tmp_path: Path) -> None:
    (tmp_path / '~').mkdir()
    (tmp_path / 'x').write_bytes(b'hello')
    runner = Runner(folder.environ())
    runner.run('push-files', repo, 'a', 'x', cwd=tmp_path).insist(0)
    runner.run('pull-files', repo, 'a', '--to=~/new', cwd=tmp_path).insist(0)
    runner.run('pull-files', repo, 'a', '--to=./~new', cwd=tmp_path).insist(0)
    assert [(tmp_path / name / 'x').read_bytes() for name in ('~/new', '~new')] == [b'hello', b'hello']


@pytest.mark.parametrize(('program', 'said'), [
    ('tar c photos | gzip', "a shell runs pipes and the like: -- bash -o pipefail -c 'tar c photos | gzip'"),
    ('tar c photos', 'write its words without quotes around all of them: -- tar c photos'),
    ('tarr', 'what follows -- is a program and its arguments'),
    ('~/bin/dump', 'a shell replaces ~ and $NAME outside of quotation marks alone: write the whole path'),
    ('dump.sh', 'a program in this folder is written ./dump.sh'),
    ('./dump.sh', 'chmod +x ./dump.sh makes a program of it'),
])
def test_a_program_that_cannot_be_run_is_told_with_what_to_write(program: str, said: str, tmp_path: Path) -> None:
    (tmp_path / 'dump.sh').write_bytes(b'#!/bin/sh\necho hello\n')
    line = answered({}, 2, 'push-blob', REPO, '@new', '--', program, cwd=tmp_path)
    assert line.partition(' (see')[0].endswith(f'; {said}')


@pytest.mark.parametrize(('words', 'said'), [
    ('cd photos', "a shell has it: -- bash -c 'cd photos && <command>...'"),
    ('LANG=C tar c photos', 'env sets variables: -- env LANG=C tar c photos'),
])
def test_what_a_shell_runs_is_told_with_the_program_that_does_it(words: str, said: str) -> None:
    line = answered({}, 2, 'push-blob', REPO, '@new', '--', *words.split())
    assert line.partition(' (see')[0].endswith(f'; {said}')


SPACED = {
    'push-blob demo/r my notes.dat @my notes.dat': 'the @alias comes last, after the files; a command follows --: dxf '
                                                   'push-blob <repo> [@alias] -- <command>...',
    'push-blob demo/r my notes.dat @notes': f"cannot read 'my': {MISSING}",
    'push-files demo/r v1 my notes.dat': f'cannot read my: {MISSING}',
    'set-alias demo/r v1 ./my notes.dat': f"cannot read './my': {MISSING}",
    'verify demo/r my notes.dat notes': f"cannot read 'my': {MISSING}",
    'backup demo/r my notes.dat @notes': "cannot read 'my': no such folder",
}


@pytest.mark.parametrize(('typed', 'said'), SPACED.items(), ids=SPACED)
def test_a_name_with_spaces_is_told_in_quotation_marks(typed: str, said: str, tmp_path: Path) -> None:
    (tmp_path / 'my notes.dat').write_bytes(b'hello')
    file = "'./my notes.dat'" if './' in typed else "'my notes.dat'"
    assert answered({}, 2, *typed.split(), cwd=tmp_path) == \
        f'{said}; a name with spaces stands in quotation marks: {file}, or "$NAME" (see dxf {typed.split()[0]} --help)'


@pytest.mark.parametrize(('typed', 'said'), [
    ('push-blob demo/r *.dat', f"cannot read '*.dat': {MISSING}; a shell replaces a pattern outside of quotation marks "
     'alone'),
    ('backup demo/r *.dat @a', "cannot read '*.dat': no such folder; a shell replaces a pattern outside of quotation "
     'marks alone'),
    ('backup demo/r ~/photos @a', "cannot read '~/photos': no such folder; a shell replaces ~ and $NAME outside of "
     'quotation marks alone: write the whole path'),
    ('backup demo/r photos* @a', "cannot read 'photos*': no such folder; no file here matches the pattern"),
])
def test_what_no_shell_has_replaced_is_told_with_the_reason(typed: str, said: str, tmp_path: Path) -> None:
    (tmp_path / 'my notes.dat').write_bytes(b'hello')
    assert answered({}, 2, *typed.split(), cwd=tmp_path).partition(' (see')[0] == said
