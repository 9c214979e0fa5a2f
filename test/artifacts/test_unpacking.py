"""Whatever the names in manifests and archives are, nothing outside the folder is touched, and all files come or none.

What is right is the subject of test_artifacts.
"""

import errno
import gzip
import io
import mmap
import os
import subprocess
import sys
import tarfile
import time
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import dxf
from dxf import DXF, artifacts
from dxf.artifacts import tar_reader, tar_writer
from dxf.artifacts.gzip_writer import BLOCK_SIZE
from dxf.artifacts.safe_paths import MAX_BYTES, MAX_FILES, Paths, check_path
from dxf.artifacts.staging import StagedFiles
from dxf.artifacts.target_folder import TargetFolder
from dxf.exceptions import (DXFDigestMismatchError, DXFError, DXFInvalidDocumentError, DXFInvalidNameError,
                            DXFSourceError)
from dxf.main import doit

from ..helpers.endpoints import Endpoint
from ..helpers.tables import paired
from .test_artifacts import MODEL_KEYS, TAR_GZIP, TITLE, UNPACK, blob, model_layer, packed, set_artifact, tree

MARK = b'not to be touched'


@pytest.fixture(name='client')
def make_client(folder: Endpoint, repo: str) -> DXF:
    """A repository in a folder, quick to write to."""
    return folder.dxf(repo)


@pytest.fixture(name='target')
def make_target(tmp_path: Path) -> Path:
    """A folder to pull into, with something beside it that must stay as it is."""
    target = tmp_path / 'outside' / 'target'
    target.mkdir(parents=True)
    (target.parent / 'secret').write_bytes(MARK)
    (target.parent / 'victim').mkdir()
    return target


def check_untouched(target: Path, *allowed: str) -> None:
    """Insist that nothing was written, in the folder or beside it."""
    assert sorted(os.listdir(target)) == sorted(allowed)
    assert sorted(os.listdir(target.parent)) == ['secret', 'target', 'victim']
    assert (target.parent / 'secret').read_bytes() == MARK
    assert os.listdir(target.parent / 'victim') == []


TITLES = {
    'absolute': ['/etc/passwd'], 'upwards': ['../secret'], 'upwards in the middle': ['a/../../secret'],
    'upwards and back': ['a/../b'], 'two dots': ['..'], 'a dot': ['.'], 'a dot in the middle': ['a/./b'],
    'empty': [''], 'an empty part': ['a//b'], 'a slash at the end': ['a/'], 'a slash': ['/'],
    'a NUL': ['a\0b'], 'a newline': ['a\nb'], 'an escape sequence': ['\x1b[2J'], 'DEL': ['a\x7f'], 'C1': ['a\x9b'],
    'a bidirectional override': ['a\u202etxt.exe'], 'a line separator': ['a\u2028b'], 'spaces alone': ['a/  /b'],
    'nothing but a joiner': ['\u200d'], 'a byte order mark': ['\ufeffa'],
    'backslashes': ['..\\secret'], 'a drive': ['C:\\secret'], 'too long a part': ['a' * 256],
    'too long in bytes': ['é' * 128], 'too deep': ['a/' * 64 + 'a'],
    'twice': ['a', 'a'], 'by case alone': ['a', 'A'], 'by case beyond ASCII': ['straße', 'STRASSE'],
    'by case of a folder': ['a/b', 'A/c'], 'by its form': ['é', 'e\u0301'], 'by a joiner': ['ab', 'a\u200db'],
    'a file in the place of a folder': ['a', 'a/b'], 'a folder in the place of a file': ['a/b', 'a'],
}
TARS_OF_A_MODEL = {kind: kind for kind in ('weight.v1.tar', 'weight.v1.tar+gzip')}
OF_A_MODEL = ('upwards', 'backslashes', 'twice', 'a file in the place of a folder')
"""Titles that stand for all: one function checks all names, whichever layer they are of. Of those of a folder all are
checked; of a model's, that they reach it, one by one and together.
"""


@pytest.mark.parametrize('titles, overwrite', paired(TITLES, {'new': False, 'overwrite': True}))
def test_names_that_are_unsafe_are_refused_before_anything_is_fetched(client: DXF, target: Path, titles: list[str],
                                                                      overwrite: bool) -> None:
    set_artifact(client, 'a', [blob(b'good', 'good'), *(blob(b'evil', title) for title in titles)], [b'good', b'evil'])
    client.del_blob(dxf.hash_bytes(b'good'))
    with pytest.raises(DXFInvalidNameError, match='unsafe file name'):
        artifacts.pull_files(client, 'a', str(target), overwrite=overwrite)
    check_untouched(target)


@pytest.mark.parametrize('titles, vendor', paired(
    {name: TITLES[name] for name in OF_A_MODEL}, {vendor: vendor for vendor in MODEL_KEYS}))
def test_names_of_a_model_that_are_unsafe_are_refused_before_anything_is_fetched(
        client: DXF, target: Path, titles: list[str], vendor: str) -> None:
    layers = [model_layer(vendor, b'evil', title, 'weight.v1.raw', **{TITLE: 'good'}) for title in titles]
    set_artifact(client, 'a', layers, [b'evil'])
    client.del_blob(dxf.hash_bytes(b'evil'))
    with pytest.raises(DXFInvalidNameError, match='unsafe file name'):
        artifacts.pull_files(client, 'a', str(target))
    check_untouched(target)


@pytest.mark.parametrize('title, kind', paired(
    {name: TITLES[name][0] for name in OF_A_MODEL[:2]}, TARS_OF_A_MODEL))
def test_names_of_a_packed_model_that_are_unsafe_are_refused_before_anything_is_fetched(
        client: DXF, target: Path, title: str, kind: str) -> None:
    set_artifact(client, 'a', [model_layer('cncf', b'evil', title, kind)], [b'evil'])
    client.del_blob(dxf.hash_bytes(b'evil'))
    with pytest.raises(DXFInvalidNameError, match='unsafe file name'):
        artifacts.pull_files(client, 'a', str(target))
    check_untouched(target)


@pytest.mark.parametrize('path', ['a', '.hidden', '...', 'a..b', '-rf', 'a b', 'é', '日本語/ü', 'a:b', '~', 'con',
                                  'a' * 255, 'a/' * 63 + 'a', '\u0645\u06cc\u200c\u0634\u0648\u062f',
                                  '\U0001f469\u200d\U0001f4bb'])
def test_other_names_are_fine(path: str) -> None:
    assert check_path(path) == path
    paths = Paths()
    paths.add(path)


@pytest.mark.parametrize('annotations', [
    pytest.param({'org.opencontainers.image.title': 1}, id='a number'),
    pytest.param({'org.opencontainers.image.title': None}, id='null'),
    pytest.param({'org.cncf.model.filepath': 1}, id='a number as a path'),
    pytest.param({'org.cnai.model.filepath': None}, id='null as a path'),
    pytest.param({'org.cncf.model.filepath': ['a']}, id='a list as a path'),
    pytest.param([], id='a list'),
    pytest.param('a', id='a string'),
    pytest.param({'org.opencontainers.image.title': 'a', 'io.deis.oras.content.unpack': True}, id='no string'),
    pytest.param({'org.opencontainers.image.title': 'a', 'io.deis.oras.content.unpack': 'true',
                  'io.deis.oras.content.digest': 'sha256:a'}, id='a digest that is not valid'),
    pytest.param({'org.opencontainers.image.title': 'a', 'io.deis.oras.content.unpack': 'true',
                  'io.deis.oras.content.digest': 'md5:a'}, id='a digest of another kind'),
])
def test_invalid_annotations_are_refused(client: DXF, target: Path, annotations: Any) -> None:
    set_artifact(client, 'a', [{**blob(b'evil'), 'annotations': annotations}], [b'evil'])
    with pytest.raises(DXFError):
        artifacts.pull_files(client, 'a', str(target))
    check_untouched(target)


# Archives


def member(name: str, kind: bytes = tarfile.REGTYPE, content: bytes = b'', link: str = '', **more: Any
           ) -> tuple[tarfile.TarInfo, bytes]:
    """Return a member of a tar."""
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, len(content), link
    for key, value in more.items():
        setattr(info, key, value)
    return info, content


def tar_of(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    """Return a tar, of whatever its members are."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode='w', format=form, errors='surrogateescape') as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return archive.getvalue()


GOOD = member('d/good', content=b'good')
LONG = member('d/' + 'a' * 20000)
MANY = tar_of(*(member(f'd/{number:06}') for number in range(200)))[:-10240]
BOMB = member('d/zeros', content=bytes(1 << 20))[0].tobuf(tarfile.PAX_FORMAT)

ARCHIVES = {
    'absolute': tar_of(GOOD, member('/etc/passwd')), 'upwards': tar_of(GOOD, member('d/../../secret')),
    'upwards at once': tar_of(GOOD, member('../secret')), 'upwards and back': tar_of(GOOD, member('d/a/../b')),
    'beside its folder': tar_of(GOOD, member('e/a')), 'like its folder': tar_of(GOOD, member('dd/a')),
    'not in a folder': tar_of(GOOD, member('a')), 'a file for its folder': tar_of(member('d', content=b'x')),
    'a symbolic link': tar_of(GOOD, member('d/a', tarfile.SYMTYPE, link='../../secret')),
    'a symbolic link within': tar_of(GOOD, member('d/a', tarfile.SYMTYPE, link='good')),
    'a link, and a file behind it': tar_of(member('d/a', tarfile.SYMTYPE, link='../../victim'), member('d/a/b')),
    'its folder is a link': tar_of(member('d', tarfile.SYMTYPE, link='../victim'), member('d/a')),
    'a hard link': tar_of(GOOD, member('d/a', tarfile.LNKTYPE, link='d/good')),
    'a hard link to outside': tar_of(member('d/a', tarfile.LNKTYPE, link='../secret')),
    'a device': tar_of(GOOD, member('d/a', tarfile.CHRTYPE, devmajor=1, devminor=3)),
    'a disk': tar_of(GOOD, member('d/a', tarfile.BLKTYPE)), 'a pipe': tar_of(GOOD, member('d/a', tarfile.FIFOTYPE)),
    'an unknown kind': tar_of(GOOD, member('d/a', b'Z')),
    'twice': tar_of(GOOD, GOOD), 'by case alone': tar_of(GOOD, member('d/GOOD')),
    'a file that is a folder': tar_of(GOOD, member('d/good/a')), 'a file of another layer': tar_of(member('d/other')),
    'a NUL in a long name': tar_of(member('d/a', pax_headers={'path': 'd/a\0b'})),
    'a newline': tar_of(GOOD, member('d/a\nb')), 'an escape sequence': tar_of(GOOD, member('d/\x1b[2J')),
    'a backslash': tar_of(GOOD, member('d/a\\b')), 'not UTF-8': tar_of(member('d/\udcff'), form=tarfile.GNU_FORMAT),
    'another name by an extension': tar_of(member('d/a', pax_headers={'path': '../secret'})),
    'a link by an extension': tar_of(member('d/a', tarfile.SYMTYPE, pax_headers={'linkpath': '/etc/passwd'})),
    'a size below zero': tar_of(member('d/a', pax_headers={'size': '-1'})),
    'a size beyond all': tar_of(member('d/a', pax_headers={'size': '9' * 30})),
    'a sparse file': tar_of(member('d/a', pax_headers={'GNU.sparse.major': '1', 'GNU.sparse.minor': '0',
                                                       'GNU.sparse.realsize': '9' * 15})),
    'a sparse file with its map': tar_of(member('d/a', content=b'x', pax_headers={
        'GNU.sparse.map': '0,1', 'GNU.sparse.size': '1'})),
    'an old sparse file': tar_of(member('d/a', b'S')),
    'too long a name': tar_of(LONG), 'too long a name, GNU': tar_of(LONG, form=tarfile.GNU_FORMAT),
    'names that follow each other without end': b''.join(
        member('././@LongLink', b'L', b'd/a\0')[0].tobuf(tarfile.GNU_FORMAT) + b'd/a\0'.ljust(512, b'\0')
        for _ in range(2000)),
    'cut within a file': tar_of(member('d/a', content=bytes(2048)))[:1024],
    'cut within a header': tar_of(GOOD)[:1024] + tar_of(GOOD)[:100],
    'a header that is broken': tar_of(GOOD)[:1024] + b'x' * 512 + bytes(1024),
    'something behind its end': tar_of(GOOD) + tar_of(member('d/a')),
    'not a tar': b'readings\n' * 100, 'nothing at all': b'',
    'more than the disk has': BOMB[:124] + b'77777777777\0' + BOMB[136:148] + b'        ' + BOMB[156:],
}
"""Tars that are refused; some have the sums of their headers wrong, which is reason enough."""


@pytest.mark.parametrize('content', ARCHIVES.values(), ids=ARCHIVES)
def test_archives_that_are_unsafe_are_refused_before_anything_of_them_appears(client: DXF, target: Path,
                                                                              content: bytes) -> None:
    zipped = gzip.compress(content)
    set_artifact(client, 'a', [blob(b'other', 'd/other'), blob(b'first', 'first'), blob(zipped, 'd', TAR_GZIP, **{
        'io.deis.oras.content.unpack': 'true'})], [b'other', b'first', zipped])
    start = time.process_time()
    with pytest.raises((DXFInvalidDocumentError, DXFInvalidNameError)):
        artifacts.pull_files(client, 'a', str(target))
    assert time.process_time() - start < 30
    check_untouched(target)


PLAIN = ('upwards', 'a symbolic link', 'a hard link', 'a device', 'twice', 'a file of another layer',
         'names that follow each other without end', 'cut within a file', 'cut within a header',
         'a header that is broken', 'something behind its end', 'not a tar', 'nothing at all', 'more than the disk has')
"""Archives that are refused without gzip, too: one of each kind, and all in which the end is not where it should be."""


@pytest.mark.parametrize('content, kind', [
    *(pytest.param(ARCHIVES[name], 'weight.v1.tar', id=name) for name in PLAIN),
    pytest.param(ARCHIVES['upwards'], 'weight.v1.tar+gzip', id='compressed')])
def test_archives_of_a_model_that_are_unsafe_are_refused_before_anything_of_them_appears(
        client: DXF, target: Path, content: bytes, kind: str) -> None:
    layer = packed(content, kind)
    set_artifact(client, 'a', [blob(b'other', 'd/other'), blob(b'first', 'first'),
                               model_layer('cncf', layer, 'd', kind)], [b'other', b'first', layer])
    with pytest.raises((DXFInvalidDocumentError, DXFInvalidNameError)):
        artifacts.pull_files(client, 'a', str(target))
    check_untouched(target)


ROOT_ARCHIVES = {
    'absolute': tar_of(member('a'), member('/etc/passwd')), 'upwards': tar_of(member('../secret')),
    'upwards in the middle': tar_of(member('a/../../secret')), 'upwards after a dot': tar_of(member('./../secret')),
    'two dots': tar_of(member('..', tarfile.DIRTYPE)), 'a dot in the middle': tar_of(member('a/./b')),
    'a dot behind a dot': tar_of(member('././a')), 'its folder is a file': tar_of(member('.', content=b'x')),
    'its folder is a link': tar_of(member('.', tarfile.SYMTYPE, link='../victim'), member('a')),
    'a symbolic link': tar_of(member('a', tarfile.SYMTYPE, link='../victim'), member('a/b')),
    'a hard link': tar_of(member('a'), member('b', tarfile.LNKTYPE, link='a')),
    'twice': tar_of(member('a'), member('a')), 'twice, once after a dot': tar_of(member('a'), member('./a')),
    'by case alone': tar_of(member('a'), member('A')), 'a file of another layer': tar_of(member('d/other')),
    'a folder where another layer has a file': tar_of(member('first/a')),
    'our own': tar_of(member('.dxf-files.a/keep')),
    'no name': tar_of(member('', tarfile.DIRTYPE)), 'a slash': tar_of(member('/', tarfile.DIRTYPE)),
    'an escape sequence': tar_of(member('\x1b[2J')), 'a backslash': tar_of(member('..\\secret')),
    'a device': tar_of(member('a', tarfile.CHRTYPE, devmajor=1, devminor=3)), 'not a tar': b'readings\n' * 100,
}


@pytest.mark.parametrize('content, is_model', paired(ROOT_ARCHIVES, {'a folder': False, 'a model': True}))
def test_an_archive_called_dot_that_is_unsafe_is_refused_before_anything_of_it_appears(
        client: DXF, target: Path, content: bytes, is_model: bool) -> None:
    zipped = gzip.compress(content)
    layer = model_layer('cncf', zipped, '.', 'weight.v1.tar+gzip') if is_model else \
        blob(zipped, '.', TAR_GZIP, **{'io.deis.oras.content.unpack': 'true'})
    set_artifact(client, 'a', [blob(b'other', 'd/other'), blob(b'first', 'first'), layer],
                 [b'other', b'first', zipped])
    with pytest.raises((DXFInvalidDocumentError, DXFInvalidNameError)):
        artifacts.pull_files(client, 'a', str(target), overwrite=True)
    check_untouched(target)


def test_two_folders_called_dot_are_refused_before_anything_is_fetched(client: DXF, target: Path) -> None:
    zipped = gzip.compress(tar_of(member('a')))
    layer = blob(zipped, '.', TAR_GZIP, **{'io.deis.oras.content.unpack': 'true'})
    set_artifact(client, 'a', [layer, model_layer('cncf', zipped, '.', 'weight.v1.tar+gzip')], [zipped])
    client.del_blob(dxf.hash_bytes(zipped))
    with pytest.raises(DXFInvalidNameError, match="unsafe file name '.': it is there twice"):
        artifacts.pull_files(client, 'a', str(target))
    check_untouched(target)


@pytest.mark.parametrize('kind', ['.', 'a tar of a model'])
def test_a_link_in_the_way_of_an_archive_s_files_is_not_followed(client: DXF, target: Path, kind: str) -> None:
    zipped = gzip.compress(tar_of(member('d/good', content=b'good')))
    layer = blob(zipped, '.', TAR_GZIP, **{'io.deis.oras.content.unpack': 'true'}) if kind == '.' else \
        model_layer('cncf', zipped, 'd', 'weight.v1.tar+gzip')
    set_artifact(client, 'a', [layer], [zipped])
    (target / 'd').symlink_to('../victim')
    with pytest.raises((NotADirectoryError, FileExistsError), match='in the way'):
        artifacts.pull_files(client, 'a', str(target), overwrite=True)
    check_untouched(target, 'd')


@pytest.mark.parametrize('zipped', [
    pytest.param(tar_of(GOOD), id='not compressed'),
    pytest.param(gzip.compress(tar_of(GOOD))[:-9], id='cut'),
    pytest.param(gzip.compress(tar_of(GOOD))[:-8] + bytes(8), id='a wrong sum'),
    pytest.param(gzip.compress(tar_of(GOOD))[:20] + b'\xff' * 40, id='broken'),
    pytest.param(gzip.compress(tar_of(GOOD)) + b'more', id='something behind it'),
    pytest.param(b'', id='nothing'),
])
def test_what_is_not_compressed_as_it_says_is_refused(client: DXF, target: Path, zipped: bytes) -> None:
    set_artifact(client, 'a', [blob(zipped, 'd', TAR_GZIP, **{'io.deis.oras.content.unpack': 'true'})], [zipped])
    with pytest.raises(DXFInvalidDocumentError, match='invalid archive'):
        artifacts.pull_files(client, 'a', str(target))
    check_untouched(target)


def test_an_archive_of_another_content_than_is_noted_is_refused(client: DXF, target: Path) -> None:
    zipped = gzip.compress(tar_of(GOOD))
    set_artifact(client, 'a', [blob(zipped, 'd', TAR_GZIP, **UNPACK)], [zipped])
    with pytest.raises(DXFDigestMismatchError):
        artifacts.pull_files(client, 'a', str(target))
    check_untouched(target)


def test_a_bomb_is_not_unpacked_to_more_than_there_is_space_for() -> None:
    zipped = io.BytesIO(gzip.compress(tar_of(member('d/zeros', content=bytes(4 << 20)))))
    with pytest.raises(OSError, match='not enough space') as raised:
        list(tar_reader.members(zipped, 'd', 1 << 20))
    assert raised.value.errno == errno.ENOSPC


THREE = {f'd/{name}': name.encode() * 1000 for name in 'abc'}


def take_in_space(client: DXF, target: Path, space: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Pull a folder of three files of 1000 bytes to a disk with so much space.

    :return: what was taken in and what was looked up, in that order: the path, or that with a question mark
    """
    zipped = gzip.compress(tar_of(*(member(path, content=content) for path, content in THREE.items())))
    set_artifact(client, 'a', [blob(zipped, 'd', TAR_GZIP, **{'io.deis.oras.content.unpack': 'true'})], [zipped])
    monkeypatch.setattr('dxf.artifacts.staging.StagedFiles.space', property(lambda intake: space))
    done: list[str] = []
    add, check = StagedFiles.add, TargetFolder.check

    def noted_add(intake: StagedFiles, path: str, *more: Any) -> None:
        done.append(path)
        add(intake, path, *more)

    def noted_check(folder: TargetFolder, path: str, is_folder: bool = False) -> None:
        done.append(f'{path}?')
        check(folder, path, is_folder)
    monkeypatch.setattr(StagedFiles, 'add', noted_add)
    monkeypatch.setattr(TargetFolder, 'check', noted_check)
    with suppress(OSError):
        artifacts.pull_files(client, 'a', str(target))
    return done


@pytest.mark.parametrize('space, taken', [
    pytest.param(6000, ['d?', 'd/a?', 'd/a', 'd/b?', 'd/b', 'd/c?', 'd/c'], id='half of the space will do'),
    pytest.param(5000, ['d?', 'd/a?', 'd/a', 'd/b?', 'd/b', 'd/c?', 'd/c'], id='for two of them'),
    pytest.param(3000, ['d?', 'd/a?', 'd/a', 'd/b?', 'd/c?', 'd/b', 'd/c'], id='for one of them'),
])
def test_what_takes_half_of_the_space_is_taken_in_at_once_and_the_rest_when_all_was_looked_through(
        client: DXF, target: Path, space: int, taken: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert take_in_space(client, target, space, monkeypatch) == taken
    assert tree(target) == {'d': None, **THREE}


def test_what_takes_more_than_the_space_is_not_taken_in_to_more_than_half_of_it(
        client: DXF, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert take_in_space(client, target, 1999, monkeypatch) == ['d?', 'd/a?', 'd/b?', 'd/c?']
    check_untouched(target)


@pytest.mark.parametrize('kind', [b'L', b'K', b'x', b'g'])
def test_a_header_cannot_take_all_the_memory(kind: bytes) -> None:
    header, content = member('d/long', kind, bytes(64 << 20))
    zipped = io.BytesIO(gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + content, 1))
    del content
    tracemalloc.start()
    with pytest.raises(DXFInvalidDocumentError, match='a header is too long'):
        list(tar_reader.members(zipped, 'd', 1 << 30))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 << 20


def test_the_number_of_files_is_bounded() -> None:
    paths = Paths()
    for number in range(MAX_FILES):
        paths.add(str(number))
    with pytest.raises(DXFInvalidDocumentError, match='more than 100000 files'):
        paths.add('one more')


@pytest.mark.parametrize('start', [
    pytest.param('/'.join(['d'] + 60 * [44 * 'a']), id='in one deep folder'),
    pytest.param('/'.join(['d'] + 11 * [250 * 'a']), id='in one folder'),
    pytest.param('/'.join(['d'] + 60 * [22 * 'ä']), id='not in ASCII'),
])
def test_long_names_of_many_files_take_neither_all_the_memory_nor_all_the_time(
        start: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_BYTES == 16 << 20
    monkeypatch.setattr('dxf.artifacts.safe_paths.MAX_BYTES', MAX_BYTES // 16)
    paths = Paths()
    began = time.process_time()
    tracemalloc.start()
    with pytest.raises(DXFInvalidDocumentError, match='the names of the files have more than 1048576 bytes'):
        for number in range(MAX_FILES):
            paths.add(f'{start}/\U0001f600{number}')
            assert time.process_time() - began < 30  # it takes less than half a second
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 << 20 >> 4


def test_of_a_mode_nothing_but_executable_is_kept(client: DXF, target: Path) -> None:
    zipped = gzip.compress(tar_of(member('d', tarfile.DIRTYPE, mode=0o7777), member('d/a', mode=0o7777, uid=1),
                                  member('d/b', mode=0o6066), member('d/c', mode=0o000)))
    set_artifact(client, 'a', [blob(zipped, 'd', TAR_GZIP, **{'io.deis.oras.content.unpack': 'true'})], [zipped])
    umask = os.umask(0o027)
    try:
        artifacts.pull_files(client, 'a', str(target))
    finally:
        os.umask(umask)
    modes = {path.name: oct(path.stat().st_mode & 0o7777) for path in target.rglob('*')}
    assert modes == {'d': '0o750', 'a': '0o750', 'b': '0o640', 'c': '0o640'}


# What is in the folder already


IN_THE_WAY: dict[str, Callable[[Path], Any]] = {
    'a link to a folder': lambda path: path.symlink_to('../victim'),
    'a link to nothing': lambda path: path.symlink_to('nowhere'),
    'a link to itself': lambda path: path.symlink_to('d'),
    'a file': lambda path: path.write_bytes(MARK),
    'a pipe': os.mkfifo,
}


@pytest.mark.parametrize('make', IN_THE_WAY.values(), ids=IN_THE_WAY)
@pytest.mark.parametrize('is_archive', [False, True])
def test_what_is_in_the_way_is_neither_followed_nor_replaced(client: DXF, target: Path, is_archive: bool,
                                                             make: Callable[[Path], Any]) -> None:
    zipped = gzip.compress(tar_of(GOOD))
    layer = blob(zipped, 'd', TAR_GZIP, **{'io.deis.oras.content.unpack': 'true'}) if is_archive else \
        blob(b'good', 'd/good')
    set_artifact(client, 'a', [blob(b'first', 'a'), layer], [b'first', b'good', zipped])
    make(target / 'd')
    before = (target / 'd').lstat()
    with pytest.raises(NotADirectoryError, match='in the way'):
        artifacts.pull_files(client, 'a', str(target), overwrite=True)
    check_untouched(target, 'd')
    assert (target / 'd').lstat() == before


@pytest.mark.parametrize('make', [*list(IN_THE_WAY.values())[:3], os.mkfifo, os.mkdir])
def test_only_a_file_is_replaced_by_a_file(client: DXF, target: Path, make: Callable[[Path], Any]) -> None:
    set_artifact(client, 'a', [blob(b'good', 'd')], [b'good'])
    make(target / 'd')
    with pytest.raises(FileExistsError, match='in the way'):
        artifacts.pull_files(client, 'a', str(target), overwrite=True)
    check_untouched(target, 'd')


def test_a_folder_that_is_a_link_itself_is_the_users_own_choice(client: DXF, target: Path) -> None:
    set_artifact(client, 'a', [blob(b'good', 'good')], [b'good'])
    (target.parent / 'link').symlink_to('victim')
    artifacts.pull_files(client, 'a', str(target.parent / 'link'))
    assert tree(target.parent / 'victim') == {'good': b'good'}


def test_a_link_that_comes_while_files_are_fetched_is_not_followed(target: Path) -> None:
    with StagedFiles(str(target)) as intake:
        intake.target.check('d/a')
        intake.add('d/a', [b'evil'])
        (target / 'd').symlink_to('../victim')
        with pytest.raises(NotADirectoryError):
            intake.publish()
    check_untouched(target, 'd')


# All or none


def test_what_cannot_appear_takes_back_all_that_did(target: Path) -> None:
    (target / 'old').write_bytes(MARK)
    with StagedFiles(str(target), overwrite=True) as intake:
        intake.add_folder('empty/folder')
        for path in ('new', 'in/new', 'old', 'last'):
            intake.add(path, [b'n', b'ew'])
        os.mkdir(target / 'last')
        with pytest.raises(FileExistsError):
            intake.publish()
    assert tree(target) == {'old': MARK, 'last': None}


def test_a_file_that_another_process_has_just_made_is_not_replaced(target: Path,
                                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    with StagedFiles(str(target)) as intake:
        for path in ('first', 'second'):
            intake.add(path, [b'mine'])
        (target / 'second').write_bytes(b'theirs')
        monkeypatch.setattr(intake.target, 'check_name', lambda *_: False)
        with pytest.raises(FileExistsError):
            intake.publish()
    assert tree(target) == {'second': b'theirs'}


def test_a_file_system_without_hard_links_will_do(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
    monkeypatch.setattr(os, 'link', link)
    (target / 'old').write_bytes(MARK)
    with StagedFiles(str(target), overwrite=True) as intake:
        for path in ('old', 'new'):
            intake.add(path, [b'new'])
        intake.publish()
    assert tree(target) == {'old': b'new', 'new': b'new'}


@pytest.mark.parametrize('is_at_rename', [False, True])
def test_without_hard_links_a_file_that_another_process_has_just_made_is_not_replaced(
        target: Path, is_at_rename: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def make_theirs() -> None:
        other = target / 'theirs'
        other.write_bytes(b'theirs')
        replace(other, target / 'second')

    def link(_source: str, name: str, **_: Any) -> None:
        if name == 'second' and not is_at_rename:
            make_theirs()
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    def opened(name: Any, *args: Any, **options: Any) -> int:
        file = open_file(name, *args, **options)
        if name == 'second' and is_at_rename:  # the name was free, and is reserved by now
            make_theirs()
        return file
    replace, open_file = os.replace, os.open
    with StagedFiles(str(target)) as intake:
        for path in ('first', 'second'):
            intake.add(path, [b'mine'])
        monkeypatch.setattr(os, 'link', link)
        monkeypatch.setattr(os, 'open', opened)
        with pytest.raises(FileExistsError) as caught:
            intake.publish()
    assert caught.value.filename == 'second'
    assert tree(target) == {'second': b'theirs'}


def test_an_error_that_does_not_mean_a_lack_of_hard_links_ends_the_command(target: Path,
                                                                           monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: Any, **__: Any) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    monkeypatch.setattr(os, 'link', link)
    with StagedFiles(str(target)) as intake:
        intake.add('file', [b'mine'])
        with pytest.raises(OSError, match='Input/output error'):
            intake.publish()
    assert not tree(target)


def test_the_folders_of_new_folders_are_on_the_disk_in_the_end(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[int, int]] = []
    sync = os.fsync

    def note(file: int) -> None:
        status = os.fstat(file)
        synced.append((status.st_dev, status.st_ino))
        sync(file)
    with StagedFiles(str(target)) as intake:
        intake.add('new/inner/file', [b'mine'])
        intake.add_folder('empty/inner')
        monkeypatch.setattr(os, 'fsync', note)
        intake.publish()
    for path in (target, *(target / name for name in ('new', 'new/inner', 'empty', 'empty/inner'))):
        assert (path.stat().st_dev, path.stat().st_ino) in synced, path


def test_a_blob_that_is_not_what_it_should_be_leaves_nothing(client: DXF, folder: Endpoint, target: Path) -> None:
    set_artifact(client, 'a', [blob(b'first', 'first'), blob(b'second', 'second')], [b'first', b'second'])
    stored = folder.file_of(client._repo, dxf.hash_bytes(b'second'))
    stored.chmod(0o644)
    stored.write_bytes(b'sEcond')
    with pytest.raises(DXFError):
        artifacts.pull_files(client, 'a', str(target / 'made' / 'for' / 'it'))
    check_untouched(target)


def test_a_full_disk_is_told_before_anything_is_fetched(client: DXF, target: Path, monkeypatch: pytest.MonkeyPatch
                                                        ) -> None:
    set_artifact(client, 'a', [blob(b'good', 'good')], [b'good'])
    monkeypatch.setattr('dxf.artifacts.staging.StagedFiles.space', property(lambda intake: 3))
    with pytest.raises(OSError, match='not enough space') as raised:
        artifacts.pull_files(client, 'a', str(target / 'made'))
    assert raised.value.errno == errno.ENOSPC
    check_untouched(target)


def test_what_a_killed_process_has_left_is_removed_by_the_next(target: Path) -> None:
    code = ('import os, sys\nfrom dxf.artifacts.staging import StagedFiles\nintake = StagedFiles(sys.argv[1])\n'
            'intake.add("a", [b"x"])\nos.kill(os.getpid(), 9)')
    subprocess.run([sys.executable, '-c', code, str(target)], timeout=60, check=False)
    left, = os.listdir(target)
    assert left.startswith('.dxf-files.')
    with StagedFiles(str(target)) as other, StagedFiles(str(target)) as intake:
        assert left not in os.listdir(target) and len(os.listdir(target)) == 2
        for one in (other, intake):
            one.add('b', [b'x'])
        intake.publish()
    assert os.listdir(target) == ['b']


@pytest.mark.parametrize('to', ['file', 'file/in', 'nul\0', 'loop', '../sealed/in'])
def test_a_place_that_cannot_be_a_folder_is_told_before_any_request(target: Path, to: str,
                                                                    monkeypatch: pytest.MonkeyPatch,
                                                                    capfd: pytest.CaptureFixture[str]) -> None:
    (target / 'file').write_bytes(b'')
    (target / 'loop').symlink_to('loop')
    monkeypatch.setattr(os, 'access', lambda path, mode: 'outside' not in os.path.basename(path))  # root may all
    with pytest.raises(SystemExit) as ended:
        doit(['pull-files', 'fred/a', 'a', '--to', str(target / to)], {'DXF_HOST': 'localhost:1', 'DXF_RETRIES': '0'})
    assert ended.value.code == 2
    assert 'cannot write into' in capfd.readouterr().err


# Packing what changes

def _write_in_place(path: Path) -> Callable[[], None]:
    """Return what changes the first byte of a file, and puts its time back."""
    def write() -> None:
        status = path.stat()
        with open(path, 'r+b') as file:
            file.write(bytes([path.read_bytes()[0] ^ 1]))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    return write


def _write_mapped(path: Path) -> Callable[[], None]:
    """Return what changes the first byte of a file in memory, where it was changed before."""
    with open(path, 'r+b') as file:
        mapped = mmap.mmap(file.fileno(), 0)
    mapped[0] ^= 1

    def write() -> None:
        mapped[0] ^= 1
    return write


@pytest.mark.parametrize('size', [1 << 20, 200 << 10])  # read in several pieces, and at once
@pytest.mark.parametrize('writer', [_write_in_place, _write_mapped])
def test_a_file_that_changes_while_it_is_packed_is_refused_whatever_its_times_say(
        tmp_path: Path, size: int, writer: Callable[[Path], Callable[[], None]]) -> None:
    (tmp_path / '0').write_bytes(os.urandom(BLOCK_SIZE - (100 << 10)))
    (tmp_path / 'a').write_bytes(os.urandom(size))
    write = writer(tmp_path / 'a')
    entries = tar_writer.contents(str(tmp_path), 'd')

    class Interrupted(io.BytesIO):
        """Has the file written when its beginning has been packed: the first block ends 100 KiB behind that."""

        def write(self, content: Any, /) -> int:
            if self.tell() < 100_000 <= self.tell() + len(content):
                write()
            return super().write(content)
    with pytest.raises(DXFSourceError, match='/a changed while it was being packed'):
        tar_writer.pack(entries, Interrupted())


def test_a_file_that_gets_another_name_while_it_is_packed_has_not_changed(tmp_path: Path) -> None:
    (tmp_path / 'a').write_bytes(os.urandom(1 << 20))
    entries = tar_writer.contents(str(tmp_path), 'd')

    class Linked(io.BytesIO):
        """Has the file linked, as backup tools do, while it is written."""

        def write(self, content: Any, /) -> int:
            if not (tmp_path / 'b').exists():
                os.link(tmp_path / 'a', tmp_path / 'b')
            return super().write(content)
    tar_writer.pack(entries, Linked())


def test_a_file_that_is_another_when_it_is_packed_is_refused(tmp_path: Path) -> None:
    (tmp_path / 'a').write_bytes(b'x')
    entries = tar_writer.contents(str(tmp_path), 'd')
    (tmp_path / 'a').unlink()
    os.mkfifo(tmp_path / 'a')
    with pytest.raises(DXFSourceError, match='changed'):
        tar_writer.pack(entries, io.BytesIO())
    (tmp_path / 'a').unlink()
    (tmp_path / 'a').symlink_to('/etc/passwd')
    with pytest.raises(OSError, match='symbolic'):
        tar_writer.pack(entries, io.BytesIO())


@pytest.mark.parametrize('by', [1, -(1 << 20)])
def test_a_file_that_grows_or_shrinks_while_it_is_packed_is_refused(tmp_path: Path, by: int) -> None:
    (tmp_path / 'a').write_bytes(os.urandom(3 << 20))
    entries = tar_writer.contents(str(tmp_path), 'd')

    class Other(io.BytesIO):
        """Has the file grow or shrink while it is written."""

        def write(self, content: Any, /) -> int:
            if len(content) > 10:  # not the header
                os.truncate(tmp_path / 'a', (3 << 20) + by)
            return super().write(content)
    with pytest.raises(DXFSourceError, match='/a changed while it was being packed'):
        tar_writer.pack(entries, Other())


@pytest.mark.parametrize('change', [
    lambda folder: (folder / 'a' / 'new').touch(),
    lambda folder: (folder / 'z' / 'old').unlink(),
    lambda folder: (folder / 'z' / 'old').rename(folder / 'a' / 'old'),
    lambda folder: (folder / 'new').mkdir(),
], ids=['comes', 'goes', 'moves', 'folder'])
def test_a_folder_that_gets_or_loses_a_file_while_it_is_packed_is_refused(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], object]) -> None:
    folder = tmp_path / 'd'
    for name in ('a', 'z'):
        (folder / name).mkdir(parents=True)
        (folder / name / 'old').write_bytes(b'old' * (name == 'z'))
    (folder / 'a' / 'old').unlink()
    pack = tar_writer.pack

    def changing(*given: Any) -> tar_writer.Packed:
        """Change the folder when its files have been packed."""
        found = pack(*given)
        change(folder)
        return found
    monkeypatch.setattr(tar_writer, 'pack', changing)
    repository = DXF(f'oci:{tmp_path / "registry"}', 'fred/a')
    with pytest.raises(DXFSourceError, match='/d changed while it was being packed'):
        artifacts.push_files(repository, 'week', [str(folder)])
    assert not (tmp_path / 'registry').exists()
    monkeypatch.setattr(tar_writer, 'pack', pack)
    artifacts.push_files(repository, 'week', [str(folder)])
