"""Architecture: imports run one way, one module imports each dependency, everything public is named and documented."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import dxf
from dxf import exceptions

HERE = Path(dxf.__file__).parent

ORDER = ('version', 'exceptions', 'http_errors', 'hints', 'counts', 'forking', 'rate_limit', 'masking', 'arguments',
         'data', 'client_arguments', 'names', 'strict_json', 'limits', 'parameters', 'local', 'manifest', 'transport',
         'options', 'transfer', 'layout', 'reading', 'writing', 'credentials', 'environment', 'referrers', 'deletion',
         'catalog', 'missing', 'shared_state', 'registry', 'blobs', 'blob_copying', 'manifest_refusals',
         'manifest_store', 'blob_files', 'client', 'artifacts', 'cosign_tags', 'contents', 'copying', 'mirroring',
         'inspection', 'listing', 'usage', 'snapshots', 'comparison', 'probing', 'retention', 'filesystem',
         '__init__', 'cli', 'main', '__main__')
"""Packages, and modules that stand alone. Each imports only what stands before it."""

INDEPENDENT = ('local', 'manifest', 'transport')
"""Packages that import no other package."""

HOMES = {'jwcrypto': 'manifest.schema1', 'www_authenticate': 'transport.challenge', 'tqdm': 'cli.progress',
         'json': 'strict_json'}
"""The one module of each dependency that must not spread. JSON is read and written by the same rules."""

LATE = {('artifacts.ordered_tasks', 'concurrent'), ('blobs', 'local.atomic_files'), ('blobs', 'local.special_files'),
        ('blobs', 'transfer.download_to_file'),
        ('blob_copying', 'transfer.remote_file'), ('blob_copying', 'transfer.pushing'),
        ('blob_copying', 'transfer.mounting'), ('blob_files', 'reading.named_blobs'),
        ('blob_files', 'reading.blob_reader'), ('blob_files', 'reading.content'), ('blob_files', 'reading.disk_cache'),
        ('blob_files', 'writing'), ('writing', 'typing_extensions'),
        ('registry', 'layout.adapter'), ('blobs', 'transfer.pushing'),
        ('transfer.pulling', 'transfer.remote_file'),
        ('transfer.pushing', 'transfer.remote_file'),
        ('transfer.pushing', 'transfer.upload_journal'),
        ('cli.alias_commands', 'deletion.alias_deletion'), ('cli.alias_commands', 'inspection'),
        ('cli.alias_commands', 'snapshots'),
        ('artifacts.manifest', 'manifest.platforms'), ('artifacts.pull', 'client'), ('artifacts.push', 'client'),
        ('artifacts.push', 'transfer.parallel'), ('artifacts.push', 'transfer.source'),
        ('artifacts.pull', 'transfer.parallel'),
        ('cli.blob_commands', 'local.atomic_files'), ('cli.blob_commands', 'transfer.pulling'),
        ('mirroring', 'deletion.alias_deletion'), ('mirroring', 'layout.manifests'), ('mirroring', 'layout.store'),
        ('cli.context', 'urllib3'), ('cli.dispatch', 'cli.next_steps'), ('cli.dispatch', 'cli.not_found'),
        ('cli.dispatch', 'cli.request_log'), ('cli.error_messages', 'cli.request_errors'),
        ('cli.not_found', 'transport.responses'), ('cli.not_found', 'missing'), ('cli.operands', 'client'),
        ('cli.probe_commands', 'probing'),
        ('cli.repository_mistakes', 'names'), ('cli.repository_mistakes', 'shlex'),
        ('transport.client_certificates', 'ssl'), ('transport.redaction', 'ssl'), ('transport.urls', 'socket'),
        ('cli.console', 'getpass'), ('cli.context', 'credentials.stored'), ('cli.copy_commands', 'layout.manifests'),
        ('cli.mistakes', 'names'), ('cli.not_found', 'layout.manifests'),
        ('cli.retention_commands', 'retention'),
        ('cli.repository_commands', 'layout.garbage'), ('cli.repository_commands', 'listing'),
        ('cli.repository_commands', 'usage'), ('cli.comparison_commands', 'comparison'),
        ('artifacts.file_lists', 'client'),
        ('cli.repository_commands', 'layout.manifests'), ('cli.repository_commands', 'layout.repositories'),
        ('cli.operands', 'layout.store'),
        ('cli.file_commands', 'artifacts'), ('cli.file_commands', 'artifacts.manifest'),
        ('cli.file_commands', 'artifacts.pull'), ('cli.file_commands', 'artifacts.selection'),
        ('cli.file_commands', 'artifacts.staging'), ('cli.login_commands', 'credentials.config_file'),
        ('cli.command_mistakes', 'names'), ('cli.repository_mistakes', 'environment.registries'),
        ('cli.mistakes', 'difflib'), ('cli.operands', 'cli.command_source'), ('cli.progress', 'tqdm'),
        ('cli.parsers', 'cli.name_spelling'),
        ('retention', 'retention.alias_times'), ('retention', 'retention.applying'), ('retention', 'retention.rules'),
        ('retention', 'retention.time_format'),
        ('client', 'deletion.alias_deletion'), ('client', 'manifest.schema1'), ('main', 'cli.dispatch'),
        ('main', 'cli.error_messages'),
        ('manifest.image', 'manifest.schema1'), ('manifest.platforms', 'manifest.schema1'),
        ('manifest.received', 'manifest.platforms'),
        ('manifest_store', 'referrers'),
        ('cli.snapshot_commands', 'snapshots'), ('snapshots.backup', 'client'), ('snapshots.chunk_source', 'client'),
        ('cli.stream_commands', 'client'), ('cli.stream_commands', 'manifest.image'),
        ('cli.stream_commands', 'snapshots'), ('cli.stream_commands', 'snapshots.snapshot'),
        ('snapshots.last_snapshot', 'client'), ('snapshots.stream_backup', 'client'),
        ('snapshots.stream_reader', 'client'),
        ('cli.snapshot_commands', 'snapshots.exclusion'), ('snapshots.blob_sender', 'client'),
        ('snapshots.listing', 'client'), ('snapshots.verification', 'client'),
        ('snapshots.restore', 'client'), ('snapshots.snapshot', 'client'),
        ('parameters', 'difflib'), ('blobs', 'typing_extensions'), ('registry', 'typing_extensions'),
        ('shared_state', 'layout.adapter'),
        ('options', 'typing_extensions'), ('transport.challenge', 'www_authenticate')}
"""What is imported where it is used, or for its types alone: it costs more than all the rest."""


@dataclass(frozen=True)
class Import:
    """One import: the module that imports, and the module of dxf or the package of others that it imports.

    ``late`` means that it does not stand at the top of the module.
    """

    importer: str
    imported: str
    own: bool
    late: bool
    line: int

    @property
    def packages(self) -> tuple[str, str]:
        """The packages of both sides."""
        return self.importer.partition('.')[0], self.imported.partition('.')[0]


@cache
def trees() -> dict[str, ast.Module]:
    """Return the parsed source of every module, by its name within dxf; a package has the name of its folder."""
    paths = {'.'.join(path.relative_to(HERE).with_suffix('').parts): path for path in sorted(HERE.rglob('*.py'))}
    return {name.removesuffix('.__init__'): ast.parse(path.read_text('utf-8')) for name, path in paths.items()}


def all_imports() -> Iterator[Import]:
    """Yield every import of every module, wherever it stands."""
    for importer, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                for name in imported_by(node):
                    package, _, rest = name.partition('.')
                    imported = module_of(rest) if package == 'dxf' else package
                    yield Import(importer, imported, package == 'dxf', node not in tree.body, node.lineno)


def module_of(name: str) -> str:
    """Return the module that a name within dxf is, or is in."""
    while name and name not in trees():
        name = name.rpartition('.')[0]
    return name or '__init__'


def imported_by(node: ast.Import | ast.ImportFrom) -> list[str]:
    """Return the full names of what a statement imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    assert node.level == 0, f'line {node.lineno}: a relative import'
    own = str(node.module).partition('.')[0] == 'dxf'
    return [f'{node.module}.{alias.name}' if own else str(node.module) for alias in node.names]


FORWARDED = {('exceptions', 'http_errors')}
"""Imports of modules that hand out names of a later one, when these are first used."""


@cache
def imports() -> tuple[Import, ...]:
    """Return every import but those that are forwarded."""
    return tuple(one for one in all_imports() if (one.importer, one.imported) not in FORWARDED)


def test_every_package_has_its_place_in_the_order() -> None:
    assert {name.partition('.')[0] for name in trees()} == set(ORDER)
    assert len({one.importer for one in imports() if one.own}) > 10  # the test itself finds what it looks for


def test_a_package_imports_only_packages_before_it() -> None:
    crossing = [one for one in imports() if one.own and len(set(one.packages)) == 2]
    assert not [one for one in crossing if ORDER.index(one.packages[1]) > ORDER.index(one.packages[0])]
    folders = {name.partition('.')[0] for name in trees() if '.' in name}
    assert not [one for one in crossing if one.packages[0] in INDEPENDENT and one.packages[1] in folders]


def test_the_page_about_the_architecture_names_what_there_is() -> None:
    page = (HERE.parent / 'docs' / 'architecture.rst').read_text('utf-8')
    folders = {path.parent.name for path in HERE.glob('*/__init__.py')}
    assert folders <= set(re.findall(r'^``(\w+)``$', page, re.MULTILINE))
    missing = [path for path in re.findall(r'``((?:dxf/)?[a-z_0-9]+/[a-z_0-9]+\.py)``', page)
               if not (HERE / path).exists() and not (HERE.parent / path).exists()]
    assert not missing


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    graph: dict[str, set[str]] = {name: set() for name in trees()}
    for one in imports():
        if one.own and one.importer != one.imported:
            graph[one.importer].add(one.imported)
    TopologicalSorter(graph).prepare()


def test_what_stands_not_at_the_top_of_a_module_has_a_reason() -> None:
    late = {(one.importer, one.imported) for one in imports() if one.late}
    # The package itself loads each of its names when that is first used.
    assert {one for one in late if one[0] != '__init__' and one[1] != 'requests'} == LATE


COMPILED = {'snapshots.entries', 'layout.index', 'transport.links', 'transport.adapter', 'transport.urls'}
"""The modules that compile a regular expression when they are imported: it is used often, or from some position."""


def test_regular_expressions_are_compiled_when_they_are_used() -> None:
    # A command uses five of sixty; to compile the others would take 5 ms at each start.
    at_the_top = {module for module, tree in trees().items() for node in tree.body
                  if not isinstance(node, ast.FunctionDef | ast.ClassDef) and 're.compile(' in ast.unparse(node)}
    assert at_the_top == COMPILED


@pytest.mark.parametrize('package, module', HOMES.items())
def test_a_dependency_is_imported_by_one_module(package: str, module: str) -> None:
    assert {one.importer for one in imports() if one.imported == package} == {module}


def test_transfers_know_no_authentication() -> None:
    assert not [one for one in imports() if one.importer.startswith('transfer.') and one.imported == 'transport.auth']


def names_of(node: ast.ImportFrom) -> set[str]:
    """Return the names, without their module, that a statement imports."""
    return {alias.name for alias in node.names}


def test_nothing_is_imported_by_its_private_name() -> None:
    private = [f'{module}:{node.lineno}' for module, tree in trees().items() for node in ast.walk(tree)
               if isinstance(node, ast.ImportFrom) and str(node.module).partition('.')[0] == 'dxf'
               for name in names_of(node) if name.startswith('_')]
    assert not private


def test_the_public_names_are_those_that_it_lists() -> None:
    assert {name for name in dir(dxf) if not name.startswith('_')} == set(dxf.__all__)
    assert [name for name in dir(dxf) if not hasattr(dxf, name)] == []
    assert len(dxf.__all__) == len(set(dxf.__all__))
    assert sorted(dxf.__all__) == dxf.__all__


def test_the_public_errors_are_those_that_the_module_lists() -> None:
    found = {name for name in exceptions.__all__ if issubclass(getattr(exceptions, name), exceptions.DXFError)}
    assert found == {name for name in vars(exceptions) if name.startswith('DXF')} == set(exceptions.__all__)


def test_a_name_that_dxf_does_not_have_is_an_attribute_error() -> None:
    for module in (dxf, exceptions):
        with pytest.raises(AttributeError, match="has no attribute 'DXFNothing'"):
            getattr(module, 'DXFNothing')


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
    """Return whether a definition needs no docstring: setters and overloads are documented at their property or method.
    """
    return node.name.startswith('_') or any(
        isinstance(decorator, ast.Attribute) and decorator.attr == 'setter' or
        isinstance(decorator, ast.Name) and decorator.id == 'overload' for decorator in node.decorator_list)


def test_everything_public_has_a_docstring() -> None:
    missing = [name for module, tree in trees().items() for name in undocumented(module, tree)]
    missing += [module for module, tree in trees().items() if ast.get_docstring(tree) is None]
    assert not missing


@pytest.mark.parametrize('arguments', [
    pytest.param(['-c', 'import dxf'], id='import dxf'),
    pytest.param(['-m', 'dxf', '--help'], id='dxf --help'),
    pytest.param(['-m', 'dxf', '--help-env'], id='dxf --help-env'),
    pytest.param(['-m', 'dxf', '--version'], id='dxf --version'),
    pytest.param(['-m', 'dxf', '--completion=bash'], id='dxf --completion'),
    pytest.param(['-m', 'dxf', 'push-blob', '--help'], id='dxf push-blob --help'),
    pytest.param(['-m', 'dxf'], id='no command'),
    pytest.param(['-m', 'dxf', 'no-such-command'], id='a command that does not exist'),
    pytest.param(['-m', 'dxf', 'push-blob'], id='too few operands'),
    pytest.param(['-m', 'dxf', 'push-blob', 'fred/datalogger'], id='one operand too few'),
    pytest.param(['-m', 'dxf', 'inspect', 'fred/datalogger', 'a', 'b'], id='one operand too many'),
    pytest.param(['-m', 'dxf', 'push-blob', '--frobnicate'], id='an option that does not exist'),
])
def test_no_other_package_is_loaded_before_a_command_runs(arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, '-X', 'importtime', *arguments], capture_output=True, text=True, timeout=60,
                          check=False)
    imported = {line.rpartition('|')[2].strip() for line in done.stderr.splitlines()}
    assert 'dxf' in imported
    packages = {name.partition('.')[0] for name in imported}
    assert not packages & {'requests', 'urllib3', 'tqdm', 'jwcrypto', 'www_authenticate', 'shtab', 'ssl'}


def test_dxf_imports_only_the_packages_that_its_installation_brings() -> None:
    setup = ast.parse((HERE.parent / 'setup.py').read_text('utf-8'))
    required, = (ast.literal_eval(keyword.value) for node in ast.walk(setup) if isinstance(node, ast.Call)
                 for keyword in node.keywords if keyword.arg == 'install_requires')
    names = {re.split('[<>=]', one)[0].replace('-', '_') for one in required}
    assert names == {'requests', 'urllib3', 'jwcrypto', 'tqdm', 'www_authenticate'}
    for_types = {'typing_extensions'}  # under TYPE_CHECKING; a type checker brings it
    core = {one.imported for one in imports() if not one.own and one.packages[0] != 'filesystem'}
    assert core - set(sys.stdlib_module_names) - for_types == names


def test_the_filesystem_alone_imports_fsspec_and_nothing_imports_the_filesystem() -> None:
    theirs = {one.imported for one in imports() if not one.own and one.packages[0] == 'filesystem'}
    assert theirs - set(sys.stdlib_module_names) == {'fsspec'}
    assert {one.packages[0] for one in imports() if one.own and one.packages[1] == 'filesystem'} == {'filesystem'}


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


def test_errors_of_other_modules_stand_in_the_tree_too() -> None:
    names = set(trees()) - {'__init__', '__main__'}
    modules = [dxf, *(importlib.import_module(f'dxf.{name}') for name in sorted(names))]
    strays = [kind for module in modules for kind in vars(module).values() if inspect.isclass(kind)
              and issubclass(kind, Exception) and kind.__module__ == module.__name__
              and kind.__name__.startswith('DXF') and not issubclass(kind, exceptions.DXFError)]
    assert not strays
