"""The examples of the seed and of the two guides, run as they are written, on the token registry over TLS."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import dxf

from ..helpers import fork_server
from ..helpers.console import DOCS, all_blocks
from ..helpers.endpoints import PASSWORD, USERNAME, Endpoint

SHELL, PYTHON = 'shell.rst', 'python.rst'
READINGS = b'21.5\n21.7\n' * 1000

SEED_SHELL = '''
dxf push-blob fred/datalogger logger.dat @may15-readings
dxf pull-blob fred/datalogger @may15-readings
'''

SEED_SHELL_AGAIN = '''
dxf set-alias fred/datalogger may15-readings $(dxf push-blob fred/datalogger logger.dat)
dxf pull-blob fred/datalogger $(dxf get-alias fred/datalogger may15-readings)
'''

SEED_PYTHON = '''
from dxf import DXF

def auth(dxf, response):
    dxf.authenticate('fred', 'somepassword', response=response)

dxf = DXF('', 'fred/datalogger', auth)

dgst = dxf.push_blob('logger.dat')
dxf.set_alias('may15-readings', dgst)

assert dxf.get_alias('may15-readings') == [dgst]

for chunk in dxf.pull_blob(dgst):
'''
"""The seed breaks off at the body of the loop."""


@pytest.fixture(name='workplace')
def make_workplace(tmp_path: Path) -> Path:
    """A directory with the examples' file, and a ``dxf`` for the shell in ``bin``."""
    (tmp_path / 'logger.dat').write_bytes(READINGS)
    script = tmp_path / 'bin' / 'dxf'
    script.parent.mkdir()
    fork_server.write_program(script)
    return tmp_path


@pytest.fixture(name='fresh', autouse=True)
def forget_datalogger(token_registry: Endpoint) -> None:
    """Take the examples' blob and alias out of the registry, if they are there."""
    client = token_registry.dxf('fred/datalogger')
    try:
        for alias in list(client.list_aliases()):
            for digest in client.del_alias(alias):
                client.del_blob(digest)
    except dxf.exceptions.DXFHTTPError as error:
        assert error.response is not None and error.response.status_code == 404


def run(workplace: Path, endpoint: Endpoint, command: list[str], **variables: str) -> bytes:
    """Run a program in the workplace, where it must succeed without a word on stderr; return what it printed."""
    environ = {**os.environ, **variables, 'REQUESTS_CA_BUNDLE': str(endpoint.ca),
               'PATH': f'{workplace / "bin"}:{os.environ["PATH"]}'}
    done = subprocess.run(command, cwd=workplace, env=environ, stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b'')
    return done.stdout


def run_shell(workplace: Path, endpoint: Endpoint, script: str) -> bytes:
    """Run lines of a shell script that name no host and no credentials."""
    return run(workplace, endpoint, ['bash', '-euo', 'pipefail', '-c', script], **endpoint.environ())


def run_python(workplace: Path, endpoint: Endpoint, code: str, host: str) -> bytes:
    """Run an example with the host and the password put in place of its own."""
    for written, meant in ((f"DXF('{host}', ", f"DXF('{endpoint.host}', "),
                           ("'fred', 'somepassword'", f'{USERNAME!r}, {PASSWORD!r}')):
        assert code.count(written) == 1
        code = code.replace(written, meant)
    example = workplace / 'example.py'
    example.write_text(code)
    return run(workplace, endpoint, [sys.executable, str(example)])


def block(page: str, after: str) -> str:
    """Return the first code block of a page after a text."""
    before, found, _ = (DOCS / page).read_text().partition(after)
    assert found
    return all_blocks(page)[before.count('.. code-block::')][1]


def test_the_shell_example_of_the_seed_works(token_registry: Endpoint, workplace: Path) -> None:
    digest = dxf.hash_bytes(READINGS)
    assert run_shell(workplace, token_registry, SEED_SHELL) == f'{digest}\n'.encode() + READINGS
    assert token_registry.dxf('fred/datalogger').get_alias('may15-readings') == [digest]


def test_the_other_shell_example_of_the_seed_is_the_same(token_registry: Endpoint, workplace: Path) -> None:
    manifest = token_registry.dxf('fred/datalogger').make_manifest
    printed = run_shell(workplace, token_registry, SEED_SHELL_AGAIN)
    assert printed == manifest(dxf.hash_bytes(READINGS)).encode() + READINGS


def test_the_token_example_of_the_seed_works(token_registry: Endpoint, workplace: Path) -> None:
    script = SEED_SHELL + ('DXF_TOKEN=$(dxf auth fred/datalogger pull)\nexport DXF_TOKEN\n'
                           'unset DXF_USERNAME DXF_PASSWORD\n'
                           'dxf pull-blob fred/datalogger @may15-readings | cmp - logger.dat')
    assert run_shell(workplace, token_registry, script).startswith(b'sha256:')


def test_the_module_example_of_the_seed_works(token_registry: Endpoint, workplace: Path) -> None:
    code = 'import sys\n' + SEED_PYTHON + '    sys.stdout.buffer.write(chunk)\n'
    assert run_python(workplace, token_registry, code, '') == READINGS


def test_the_guides_have_the_examples_of_the_seed() -> None:
    shell = re.sub(r'(?m)^ +', '', (DOCS / SHELL).read_text())
    for line in (SEED_SHELL + SEED_SHELL_AGAIN).strip().splitlines():
        assert line in shell
    python = block(PYTHON, 'From Python\n')
    for line in SEED_PYTHON.strip().splitlines():
        assert line.strip() in python or line == "dxf = DXF('', 'fred/datalogger', auth)"


def test_the_module_example_works_as_it_stands(token_registry: Endpoint, workplace: Path) -> None:
    assert run_python(workplace, token_registry, block(PYTHON, 'From Python\n'), 'registry.example.com') == b''
    assert (workplace / 'copy.dat').read_bytes() == READINGS


def test_the_example_of_several_blobs_works_after_it(token_registry: Endpoint, workplace: Path) -> None:
    for day in ('monday', 'tuesday'):
        (workplace / f'{day}.dat').write_text(day)
    code = block(PYTHON, 'From Python\n') + block(PYTHON, 'Several blobs move at once')
    printed = run_python(workplace, token_registry, code, 'registry.example.com')
    assert printed.decode().split()[1::3] == printed.decode().split()[2::3] == ['6', '7']
    assert (workplace / 'week-20.dat').read_text() == 'mondaytuesday'


def test_the_example_of_files_that_are_read_in_place_works(token_registry: Endpoint, workplace: Path) -> None:
    code = block(PYTHON, 'From Python\n') + block(PYTHON, 'read in place')
    assert run_python(workplace, token_registry, code, 'registry.example.com') == b'21.5\n21.7\n'


def test_the_first_shell_examples_work_as_they_stand(token_registry: Endpoint, workplace: Path) -> None:
    first = block(SHELL, 'From the shell\n')
    host = 'export DXF_HOST=registry.example.com\n'
    assert first.startswith(host)
    digest = dxf.hash_bytes(READINGS)
    printed = run_shell(workplace, token_registry, first.removeprefix(host))
    assert printed == f'{digest}\n'.encode() + READINGS
    printed = run_shell(workplace, token_registry, block(SHELL, 'single steps'))
    assert printed.endswith(b'}' + READINGS)


def test_the_other_shell_examples_work(token_registry: Endpoint, workplace: Path) -> None:
    example = block(SHELL, 'before a command').replace('tar x', 'tar x -C copy')
    run_shell(workplace, token_registry, 'mkdir copy photos; echo sunset > photos/1\n' + example)
    assert (workplace / 'copy' / 'photos' / '1').read_text() == 'sunset\n'
    run_shell(workplace, token_registry,
              'echo 1 > monday.dat; echo 2 > tuesday.dat\n' + block(SHELL, 'Several files under'))
    assert (workplace / 'week-20.dat').read_text() == '1\n2\n'
    token = block(SHELL, 'can get a token instead')
    assert token == 'DXF_TOKEN=$(dxf auth fred/datalogger pull)\n'
    run_shell(workplace, token_registry, token + 'test -n "$DXF_TOKEN"')


def test_the_example_of_login_works(token_registry: Endpoint, workplace: Path) -> None:
    (workplace / 'password').write_text(PASSWORD + '\n')
    endpoint = {'DXF_HOST': token_registry.host, 'HOME': str(workplace), 'DOCKER_CONFIG': str(workplace / 'docker')}
    example = block(SHELL, 'has accepted it')
    assert '--username=fred ' in example
    script = example.replace('fred', USERNAME) + 'dxf push-blob fred/datalogger logger.dat'
    printed = run(workplace, token_registry, ['bash', '-euo', 'pipefail', '-c', script], **endpoint)
    assert printed.decode().splitlines()[-1] == dxf.hash_bytes(READINGS)


def test_the_names_that_the_guides_give_exist() -> None:
    text = ''.join((DOCS / page).read_text() for page in (SHELL, PYTHON))
    names = re.findall(r'``(?:dxf\.)?(?:DXF\.)?([a-z]+_[a-z_0-9]+)``', text)
    assert names
    assert [name for name in names if not hasattr(dxf.DXF, name)] == []
    assert issubclass(dxf.exceptions.DXFHTTPError, dxf.exceptions.DXFError)


def test_the_example_without_a_registry_works_and_so_do_copies_of_it(token_registry: Endpoint, workplace: Path) -> None:
    folder = block(SHELL, 'Without a registry\n')
    copies, onward = block(SHELL, 'Copies\n'), block(SHELL, 'carry the folder')
    digest = dxf.hash_bytes(READINGS)
    script = 'unset DXF_USERNAME DXF_PASSWORD\n' + folder + copies + onward
    printed = run_shell(workplace, token_registry, script).decode().splitlines()
    assert printed[:2] == [digest, 'may15-readings']
    assert printed[3:5] == ['unchanged may15-readings', 'total 0']
    assert printed[2] == printed[5] and len(printed) == 6
    archived = dxf.DXF(f'oci:{workplace / "archive"}', 'old/readings')
    assert b''.join(archived.pull_blob(*archived.get_alias('may15-readings'))) == READINGS


def test_the_examples_of_files_with_their_names_work(token_registry: Endpoint, workplace: Path) -> None:
    (workplace / 'charts').mkdir()
    (workplace / 'charts' / 'may').write_text('15')
    script = block(SHELL, 'Files with their names\n') + block(SHELL, '``attach`` stores')
    printed = run_shell(workplace, token_registry, script)
    lines = printed.decode().splitlines()
    assert lines[1:4] == ['logger.dat', 'charts', 'logger.dat']
    assert lines[4].endswith(' application/vnd.example.report') and lines[5:] == ['report.txt']
    assert (workplace / 'copy' / 'charts' / 'may').read_text() == '15'
    assert (workplace / 'reports' / 'report.txt').read_text() == 'checked\n'
    code = block(PYTHON, 'module of their own').replace("'copy')", "'again')")
    (workplace / 'example.py').write_text(code)
    assert run(workplace, token_registry, [sys.executable, 'example.py']) == b"['logger.dat', 'charts']\n"
