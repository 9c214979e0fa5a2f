"""The files beside the code: pages for developers, CI, packaging. What they name exists, and they agree."""

import os
import re
import runpy
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

import dxf
from dxf import DXF, exceptions
from dxf.environment.variables import VARIABLES
from dxf.version import VERSION

from ..helpers import console

ROOT = Path(__file__).parents[2]
MADE = ('.git', '.venv', '.venvs', 'build', 'dist', '_build', '*.egg-info', '__pycache__', '.*_cache', '.hypothesis',
        '.coverage*', '.DS_Store')
"""What git, make and the tools write into a clone."""

FOLDERS = ('.ci', '.github', 'bench', 'docs', 'dxf', 'share', 'test', 'tools')
GIT_ONLY = {'.gitattributes', '.gitignore', '.git-blame-ignore-revs'}
FOR_DEVELOPERS = ('README.rst', 'CONTRIBUTING.rst', 'RELEASING.rst', 'SECURITY.rst', 'docs/architecture.rst',
                  'docs/callers.rst')
FILE = re.compile(r'(?<![\w./<>*-])((?:[\w.-]+/)*[\w-]+\.(?:py|rst|sh|toml|ya?ml))\b(?![/.]\w)')
"""A name that a text gives to a file of the repository."""


def read(name: str) -> str:
    """Return the text of a file of the repository."""
    return (ROOT / name).read_text('utf-8')


@cache
def files() -> frozenset[str]:
    """Return the names of all files of the repository."""
    ignore = shutil.ignore_patterns(*MADE)
    found: set[str] = set()
    for folder, folders, names in os.walk(ROOT):
        left_out = ignore(folder, [*folders, *names])
        folders[:] = [name for name in folders if name not in left_out and (Path(folder) != ROOT or name in FOLDERS)]
        found.update(os.path.relpath(os.path.join(folder, name), ROOT) for name in names if name not in left_out)
    return frozenset(found)


@cache
def packaging() -> dict[str, Any]:
    """Return what setup.py gives to setuptools."""
    given: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('setuptools.setup', lambda **kwargs: given.update(kwargs))
        runpy.run_path(str(ROOT / 'setup.py'))
    return given


def pages() -> list[str]:
    """Return the names of all pages, except the one about old versions."""
    return sorted(name for name in files() if name.endswith('.rst') and name != 'CHANGELOG.rst')


@pytest.mark.parametrize('page', pages())
def test_every_file_that_a_page_names_exists(page: str) -> None:
    here, named = Path(page).parent, FILE.findall(read(page))
    paths = [name for name in named if '/' in name]
    assert [name for name in paths if not {name, f'dxf/{name}', os.path.normpath(here / name)} & files()] == []
    if page in FOR_DEVELOPERS:  # other pages name files of their examples
        assert set(named) - set(paths) <= {Path(name).name for name in files()}


def test_every_file_that_is_named_is_looked_for() -> None:
    named = {page: FILE.findall(read(page)) for page in FOR_DEVELOPERS}
    assert {'aliases.py', 'settings.py'} <= {Path(name).name for name in named['CONTRIBUTING.rst']}
    assert {'dxf/version.py', 'setup.py', 'docs/tutorial.rst'} <= set(named['RELEASING.rst'])
    assert FILE.findall('read `a <docs/b.rst>`_, c.d.py, no-such/file.yml.') == ['no-such/file.yml']


@pytest.mark.parametrize('page', [page for page in FOR_DEVELOPERS if page != 'README.rst'])
def test_every_link_of_a_page_for_developers_leads_to_a_file(page: str) -> None:
    assert [name for name in re.findall(r'<([^<>:\s]+)>`_', read(page)) if name not in files()] == []


def targets_in(text: str) -> Iterator[str]:
    """Yield the targets that a text gives to make."""
    for words in re.findall(r'(?:^\s*|``|entry: |(?<=: ))make((?: [^`\s|]+)*)', text, re.MULTILINE):
        yield from (word for word in words.split() if re.fullmatch(r'[a-z][a-z-]*', word))


@pytest.mark.parametrize('name', [*FOR_DEVELOPERS, '.ci/run', '.pre-commit-config.yaml'])
def test_every_target_that_is_given_to_make_exists(name: str) -> None:
    existing = set(re.findall(r'^([a-z-]+):', read('Makefile'), re.MULTILINE))
    assert {'quick', 'lint', 'dist'} <= existing
    assert set(targets_in(read(name))) <= existing


def test_the_targets_that_are_named_are_found() -> None:
    assert {'quick', 'format', 'lint', 'typecheck', 'manual'} <= set(targets_in(read('CONTRIBUTING.rst')))
    assert {'dist', 'coverage', 'test-all', 'docs-narrow'} <= set(targets_in(read('RELEASING.rst')))
    assert set(targets_in(read('.pre-commit-config.yaml'))) == {'format', 'lint', 'typecheck'}


def workflow() -> dict[str, Any]:
    """Return the one job of the workflow, which may only read."""
    content = yaml.safe_load(read('.github/workflows/ci.yml'))
    assert content['permissions'] == {'contents': 'read'}
    job, = content['jobs'].values()
    assert isinstance(job, dict)
    return job


def test_the_workflow_runs_what_a_developer_runs() -> None:
    job = workflow()
    assert [step['run'] for step in job['steps'] if 'run' in step] == ['.ci/run']
    assert 'permissions' not in job
    assert os.access(ROOT / '.ci' / 'run', os.X_OK)


def test_the_classifiers_and_the_workflow_name_the_same_pythons() -> None:
    pythons = workflow()['strategy']['matrix']['python']
    stated = [text.rpartition(' ')[2] for text in packaging()['classifiers']
              if re.fullmatch(r'Programming Language :: Python :: 3\.\d+', text)]
    assert pythons == stated
    assert packaging()['python_requires'] == f'>={stated[0]}'


def test_read_the_docs_builds_what_make_docs_builds() -> None:
    content = yaml.safe_load(read('.readthedocs.yaml'))
    assert content['sphinx'] == {'configuration': 'docs/conf.py', 'fail_on_warning': True}
    install, = content['python']['install']
    assert install['path'] == '.' and set(install['extra_requirements']) <= set(packaging()['extras_require'])
    assert "'.[docs]'" in read('Makefile')


@pytest.mark.parametrize('name', ['bug', 'feature'])
def test_a_form_for_issues_is_complete(name: str) -> None:
    form = yaml.safe_load(read(f'.github/ISSUE_TEMPLATE/{name}.yml'))
    fields = [field for field in form['body'] if field['type'] != 'markdown']
    assert form['name'] and form['description'] and all(field['attributes']['label'] for field in fields)
    assert len({field['id'] for field in fields}) == len(fields)


def test_the_form_for_faults_asks_for_what_is_needed_and_warns_about_secrets() -> None:
    form = yaml.safe_load(read('.github/ISSUE_TEMPLATE/bug.yml'))
    fields = {field['id']: field for field in form['body'] if 'id' in field}
    needed = {name for name, field in fields.items() if field.get('validations', {}).get('required')}
    assert needed == {'version', 'registry', 'command', 'result'}
    assert 'Leave out passwords and tokens' in fields['command']['attributes']['description']
    assert 'DXF_DEBUG=1' in fields['debug']['attributes']['description'] and 'DXF_DEBUG' in VARIABLES
    assert 'SECURITY.rst' in form['body'][0]['attributes']['value']


def test_the_yaml_of_the_how_to_pages_can_be_parsed() -> None:
    blocks = console.blocks('how-to/ci.rst', 'yaml')
    github, gitlab, _ = (yaml.safe_load(block) for block in blocks)
    assert github['permissions'] == {'contents': 'read', 'packages': 'write'}
    push = gitlab['build']['script'][-1].replace('dxf push-blob', 'echo')
    environ = {'CI_REGISTRY': 'gitlab.example.com:5050', 'CI_COMMIT_SHORT_SHA': '3f2a91c',
               'CI_REGISTRY_IMAGE': 'gitlab.example.com:5050/fred/data-logger'}
    done = subprocess.run(['sh', '-c', push], env=environ, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == 'fred/data-logger/build program.tar @3f2a91c\n'


def test_the_newest_release_in_the_changelog_is_this_version() -> None:
    titles = re.findall(r'^(.+)\n-+$', read('CHANGELOG.rst'), re.MULTILINE)
    numbered = [title for title in titles if title != 'Unreleased']
    assert 'Unreleased' not in titles[1:]
    assert re.fullmatch(rf'{re.escape(VERSION)}(?: \(20\d\d-\d\d-\d\d\))?', numbered[0])


def test_the_source_distribution_has_all_files(tmp_path: Path) -> None:
    tree = tmp_path / 'tree'
    for name in files():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tree / name)
    subprocess.run([sys.executable, 'setup.py', '--quiet', 'sdist', '--formats=tar', '--dist-dir', '..'], cwd=tree,
                   capture_output=True, text=True, timeout=300, check=True)
    with tarfile.open(tmp_path / f'python_dxf-{VERSION}.tar') as archive:
        packed = {name.partition('/')[2] for name in archive.getnames()}
    kept = {name for name in files() if '/' in name or name.endswith(('.rst', '.toml', '.yaml', '.py'))
            or name in ('.editorconfig', '.pylintrc', 'LICENCE', 'MANIFEST.in', 'Makefile')}
    assert kept - packed == set()
    assert GIT_ONLY & packed == set()


def literals(page: str, pattern: str) -> set[str]:
    """Return the literals of a page that a pattern matches."""
    return {text for text in re.findall(r'``([^`]+)``', read(page)) if re.fullmatch(pattern, text)}


def test_the_names_that_callers_rely_on_exist() -> None:
    client = DXF('localhost:5000', 'fred/datalogger', insecure=True)
    private = {name.partition('(')[0] for name in literals('docs/callers.rst', r'_\w+(?:\(.*\))?')}
    assert {'_base_request', '_sessions', '_headers', '_tlsverify'} <= private
    assert [name for name in private if not hasattr(client, name)] == []
    public = literals('docs/callers.rst', r'dxf\.\w+')
    assert {'dxf.DXF', 'dxf.Limits', 'dxf._schema1_mimetype'} <= public
    missing = [name for name in public if not hasattr(dxf, name[4:])]
    assert [name for name in missing if not (ROOT / name.replace('.', '/') / '__init__.py').exists()] == []
    methods = literals('docs/callers.rst', r'[a-z]+_[a-z_]+') - {'chunk_size'}
    assert {'get_alias', 'set_alias', 'push_blob', 'pull_blob', 'del_alias', 'get_digest'} <= methods
    assert [name for name in methods if not hasattr(DXF, name)] == []


@pytest.mark.parametrize(('error', 'text'), [
    (exceptions.DXFUnexpectedStatusCodeError(200, 201), 'expected status code 201, got 200'),
    (exceptions.DXFDigestMismatchError('sha256:...', 'sha256:...'), 'expected digest sha256:..., got sha256:...'),
    (exceptions.DXFUnexpectedKeyTypeError('oct', 'EC'), 'expected key type EC, got oct'),
    (exceptions.DXFUnexpectedDigestMethodError('md5', 'sha256'), 'expected digest method sha256, got md5'),
    (exceptions.DXFUnauthorizedError(), 'unauthorized'),
    (exceptions.DXFAuthInsecureError(), 'Auth requires HTTPS'),
])
def test_the_texts_of_errors_are_those_that_callers_rely_on(error: Exception, text: str) -> None:
    assert str(error) == text
    row = next(line for line in read('docs/callers.rst').splitlines() if f'``{type(error).__name__}``  ' in line)
    assert row.split('``')[3] == text


def run_format(tree: Path, *options: str) -> tuple[int, str]:
    """Run the program of ``make format`` that is in a tree; return its status and what it prints."""
    done = subprocess.run([sys.executable, str(tree / 'tools' / 'format.py'), *options], capture_output=True, text=True,
                          timeout=300, check=False)
    return done.returncode, done.stdout


def test_a_badly_formatted_file_is_found_and_formatted(tmp_path: Path) -> None:
    for folder in ('dxf', 'test', 'tools', 'bench', 'docs'):
        (tmp_path / folder).mkdir()
    shutil.copy(ROOT / 'tools' / 'format.py', tmp_path / 'tools')
    (tmp_path / 'docs' / 'conf.py').touch()
    (tmp_path / 'setup.py').write_text('a = f(1,\n   2) \n')
    (tmp_path / 'page.rst').write_text('one  \n\ntwo\n\n')
    status, shown = run_format(tmp_path, '--check')
    assert status == 1 and 'setup.py:2:' in shown and 'page.rst: spaces' in shown
    assert [run_format(tmp_path), run_format(tmp_path, '--check')] == [(0, ''), (0, '')]
    assert (tmp_path / 'setup.py').read_text() == 'a = f(1,\n      2)\n'
    assert (tmp_path / 'page.rst').read_text() == 'one\n\ntwo\n'
