"""The house: imports run one way, each dependency has its one room, everything public is named and documented."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

import dxf
from dxf import exceptions

HERE = Path(dxf.__file__).parent
ORDER = ('version', 'exceptions', 'hints', 'arguments',
         'forking', 'names', 'documents', 'limits', 'schema1', 'manifests', 'images',
         'locking', 'sinks', 'special_files', 'files', 'paths', 'archives', 'hidden_folders', 'unpacking',
         'artifact_manifest', 'layout_index', 'layout_names', 'layout', 'reachability', 'garbage', 'certificates',
         'proxies', 'redaction', 'connections', 'answers', 'layout_manifests', 'layout_adapter', 'auth',
         'credential_helpers', 'credential_files', 'credentials', 'session', 'callbacks', 'source', 'bodies',
         'upload_session', 'manners', 'upload', 'streaming', 'jobs', 'batch', 'verification', 'download',
         'blob_lookup', 'pulling', 'delivery', 'journal', 'links', 'listing', 'registry', 'remote_file', 'referrers',
         'remaining_aliases', 'tag_deletion', 'alias_deletion', 'blobs', 'client', 'copying', 'inspection',
         'artifacts', '__init__', 'settings', 'terminal', 'console', 'progress', 'job', 'command_source', 'operands',
         'commands', 'copy_commands', 'file_commands', 'login_commands', 'usage', 'completion', 'faults',
         'interruption', 'not_found', 'mistakes', 'request_log', 'main', '__main__')
"""From the ground up: a room knows only the rooms before it."""

ROOMS = {'jwcrypto': 'schema1', 'www_authenticate': 'auth', 'tqdm': 'progress',
         'shtab': 'completion', 'json': 'documents'}
"""The one room of each dependency that must not spread. JSON is read and written by the same rules."""

TRANSFERS = ('source', 'bodies', 'upload_session', 'manners', 'upload', 'streaming', 'verification', 'download',
             'pulling', 'delivery', 'journal')
"""What moves blobs, and is handed what makes its requests."""

LATE = {('manifests', 'schema1'), ('images', 'schema1'), ('client', 'schema1'), ('progress', 'tqdm'),
        ('main', 'difflib'), ('main', 'completion'),
        ('auth', 'www_authenticate'), ('blobs', 'delivery'), ('blobs', 'special_files'), ('blobs', 'journal'),
        ('blobs', 'files'), ('commands', 'files'), ('commands', 'layout'), ('operands', 'command_source'),
        ('registry', 'layout_adapter'),
        ('copy_commands', 'layout'), ('copy_commands', 'layout_manifests'), ('copy_commands', 'garbage'),
        ('client', 'referrers'), ('blobs', 'remote_file'),
        ('client', 'alias_deletion'), ('commands', 'alias_deletion'),
        ('login_commands', 'credential_files'), ('job', 'credentials'),
        ('commands', 'inspection'), ('console', 'getpass'), ('file_commands', 'artifacts'),
        ('file_commands', 'artifact_manifest'), ('file_commands', 'unpacking')}
"""What is imported where it is used, or for its types alone: it costs more than all the rest."""


@dataclass(frozen=True)
class Import:
    """One import: which room wants which room of dxf, or which package of others; ``late`` if not at the top."""

    room: str
    wanted: str
    own: bool
    late: bool
    line: int


@cache
def trees() -> dict[str, ast.Module]:
    """Return the parsed source of every room."""
    return {path.stem: ast.parse(path.read_text('utf-8')) for path in sorted(HERE.rglob('*.py'))}


def imports() -> Iterator[Import]:
    """Yield every import of every room, wherever it stands."""
    for room, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                for name in wanted_by(node):
                    package, _, rest = name.partition('.')
                    inner = rest.partition('.')[0]
                    own = inner if inner in ORDER else '__init__'
                    yield Import(room, own if package == 'dxf' else package, package == 'dxf',
                                 node not in tree.body, node.lineno)


def wanted_by(node: ast.Import | ast.ImportFrom) -> list[str]:
    """Return the full names of what a statement imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    assert node.level == 0, f'line {node.lineno}: a relative import'
    return [f'{node.module}.{alias.name}' if node.module == 'dxf' else str(node.module) for alias in node.names]


IMPORTS = tuple(imports())


def test_every_room_has_its_place_in_the_order() -> None:
    assert set(trees()) == set(ORDER)
    assert len({one.room for one in IMPORTS if one.own}) > 10  # the test itself finds what it looks for


def test_a_room_knows_only_the_rooms_before_it() -> None:
    upwards = [one for one in IMPORTS if one.own and ORDER.index(one.wanted) >= ORDER.index(one.room)]
    assert not upwards


def test_what_stands_not_at_the_top_of_a_room_has_a_reason() -> None:
    assert {(one.room, one.wanted) for one in IMPORTS if one.late} == LATE


@pytest.mark.parametrize('package, room', ROOMS.items())
def test_a_dependency_stays_in_its_room(package: str, room: str) -> None:
    assert {one.room for one in IMPORTS if one.wanted == package} == {room}


def test_transfers_know_no_authentication() -> None:
    names = {name for room in TRANSFERS for node in ast.walk(trees()[room])
             if isinstance(node, ast.ImportFrom) and node.module == 'dxf.auth' for name in wanted_names(node)}
    assert names <= {'origin_of'}


def wanted_names(node: ast.ImportFrom) -> set[str]:
    """Return the names, without their module, that a statement imports."""
    return {alias.name for alias in node.names}


def test_nothing_is_imported_by_its_private_name() -> None:
    private = [f'{room}:{node.lineno}' for room, tree in trees().items() for node in ast.walk(tree)
               if isinstance(node, ast.ImportFrom) and str(node.module).partition('.')[0] == 'dxf'
               for name in wanted_names(node) if name.startswith('_')]
    assert not private


def test_the_public_names_are_those_that_it_lists() -> None:
    found = {name for name, value in vars(dxf).items()
             if not name.startswith('_') and not isinstance(value, ModuleType)}
    assert found | {'exceptions'} == set(dxf.__all__)
    assert len(dxf.__all__) == len(set(dxf.__all__))
    assert sorted(dxf.__all__) == dxf.__all__


@pytest.mark.parametrize('name', [
    'hash_bytes', 'hash_file', 'split_digest', 'PaginatingResponse', 'DXFBase', 'DXF', 'exceptions'])
def test_the_names_of_the_contract_are_there(name: str) -> None:
    assert name in dxf.__all__
    assert hasattr(dxf, name)


@pytest.mark.parametrize('kind, parameters', [
    (dxf.DXFBase, 'host auth insecure auth_host tlsverify timeout'),
    (dxf.DXF, 'host repo auth insecure auth_host tlsverify timeout'),
    (dxf.DXF.from_base, 'base repo'),
    (dxf.DXFBase.authenticate, 'self username password actions response authorization user_agent'),
    (dxf.DXFBase.list_repos, 'self batch_size iterate'),
    (dxf.DXF.push_blob, 'self filename progress data digest check_exists'),
    (dxf.DXF.pull_blob, 'self digest size chunk_size'),
    (dxf.DXF.blob_size, 'self digest'),
    (dxf.DXF.mount_blob, 'self repo digest'),
    (dxf.DXF.del_blob, 'self digest'),
    (dxf.DXF.make_manifest, 'self digests'),
    (dxf.DXF.set_manifest, 'self alias manifest_json'),
    (dxf.DXF.set_alias, 'self alias digests'),
    (dxf.DXF.get_manifest, 'self alias platform'),
    (dxf.DXF.get_alias, 'self alias manifest verify sizes platform'),
    (dxf.DXF.get_digest, 'self alias manifest platform'),
    (dxf.DXF.get_manifest_and_response, 'self alias'),
    (dxf.DXF.head_manifest_and_response, 'self alias'),
    (dxf.DXF.del_alias, 'self alias'),
    (dxf.DXF.list_aliases, 'self batch_size iterate'),
    (dxf.DXF.make_unsigned_manifest, 'self alias digests'),
    (dxf.hash_bytes, 'buf'),
    (dxf.hash_file, 'filename'),
    (dxf.split_digest, None),
    (exceptions.DXFUnexpectedError, 'got expected'),
    (exceptions.DXFDisallowedSignatureAlgorithmError, 'alg'),
    (exceptions.DXFUnsupportedSchemaType, 'media_type'),
    (exceptions.DXFPlatformDataNotFound, 'platform'),
])
def test_the_parameters_of_the_contract_keep_their_order(kind: object, parameters: str | None) -> None:
    assert callable(kind)
    found = [name for name, parameter in inspect.signature(kind).parameters.items()
             if parameter.kind is not inspect.Parameter.KEYWORD_ONLY]
    if parameters is None:
        assert len(found) == 1  # the contract calls it s, which no caller writes
    else:
        assert found == parameters.split()


def undocumented(owner: str, node: ast.AST) -> Iterator[str]:
    """Yield the names of what is public and has no docstring."""
    for inner in ast.iter_child_nodes(node):
        if isinstance(inner, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and not is_private(inner):
            if ast.get_docstring(inner) is None:
                yield f'{owner}.{inner.name}'
            if isinstance(inner, ast.ClassDef):
                yield from undocumented(f'{owner}.{inner.name}', inner)


def is_private(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Say whether a definition is nobody else's matter; the setter of a property is told of by its getter."""
    return node.name.startswith('_') or any(
        isinstance(decorator, ast.Attribute) and decorator.attr == 'setter' for decorator in node.decorator_list)


def test_everything_public_has_a_docstring() -> None:
    missing = [name for room, tree in trees().items() for name in undocumented(room, tree)]
    missing += [room for room, tree in trees().items() if ast.get_docstring(tree) is None]
    assert not missing


@pytest.mark.parametrize('arguments', [
    pytest.param(['-c', 'import dxf'], id='import dxf'),
    pytest.param(['-m', 'dxf', '--help'], id='dxf --help'),
    pytest.param(['-m', 'dxf', '--version'], id='dxf --version'),
    pytest.param(['-m', 'dxf', 'push-blob', '--help'], id='dxf push-blob --help'),
])
def test_what_is_dear_is_not_imported_before_it_is_wanted(arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, '-X', 'importtime', *arguments], capture_output=True, text=True, timeout=60,
                          check=True)
    imported = {line.rpartition('|')[2].strip() for line in done.stderr.splitlines()}
    assert {'dxf', 'dxf.client', 'requests'} <= imported
    assert not {name for name in imported
                if name.partition('.')[0] in ('tqdm', 'jwcrypto', 'shtab') or name == 'dxf.schema1'}


def test_importing_dxf_brings_its_exceptions() -> None:
    subprocess.run([sys.executable, '-c', 'import dxf; dxf.exceptions.DXFError'], timeout=60, check=True)


def drawn_tree() -> dict[str, str]:
    """Return the parent of each class that the docstring of ``exceptions`` draws."""
    branches = re.findall(r'^ *((?:\|   )*)\+-- (\w+)', str(exceptions.__doc__), re.MULTILINE)
    above, parents = ['DXFError'], {}
    for indent, name in branches:
        depth = len(indent) // 4 + 1
        parents[name] = above[depth - 1]
        above[depth:] = [name]
    return parents


def test_the_drawn_tree_is_the_tree_of_the_classes() -> None:
    classes = {name: kind for name, kind in vars(exceptions).items()
               if inspect.isclass(kind) and kind.__module__ == exceptions.__name__}
    del classes['DXFError']
    assert drawn_tree() == {name: kind.__bases__[0].__name__ for name, kind in classes.items()}


def test_errors_of_other_rooms_stand_in_the_tree_too() -> None:
    rooms = [dxf if name == '__init__' else importlib.import_module(f'dxf.{name}') for name in ORDER[:-1]]
    strays = [kind for room in rooms for kind in vars(room).values() if inspect.isclass(kind)
              and issubclass(kind, Exception) and kind.__module__ == room.__name__ and kind.__name__.startswith('DXF')
              and not issubclass(kind, exceptions.DXFError)]
    assert not strays
