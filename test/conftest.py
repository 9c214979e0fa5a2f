"""The fixtures that all tests share: running servers, a clean environment, a record of the traffic."""

import contextlib
import copy
import gc
import importlib
import itertools
import os
import signal
import uuid
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import hypothesis
import pytest

from dxf import DXF, Limits
from dxf.transfer.source import Source, open_source

from .helpers import killed_processes, programs
from .helpers.endpoints import PASSWORD, USERNAME, Endpoint, Folder
from .helpers.layouts import REPO as LAYOUT_REPO
from .helpers.traffic import Traffic
from .servers.certificates import Certificates
from .servers.registry import Registry
from .servers.scripted_registry import REPO, ScriptedRegistry
from .servers.token_server import TokenServer

# A shell starts what it runs in the background with SIGINT ignored, and so would all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A test may not fail by chance, nor because the machine is busy. "--hypothesis-profile=random" draws other examples.
hypothesis.settings.register_profile('random', deadline=None, print_blob=True,
                                     suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.register_profile('same', hypothesis.settings.get_profile('random'), derandomize=True)
hypothesis.settings.register_profile('few', hypothesis.settings.get_profile('same'), max_examples=20)
hypothesis.settings.load_profile('same')

KEPT = ('COVERAGE_', 'DXF_TEST_', 'HYPOTHESIS_', 'LANG', 'LC_', 'LD_', 'PATH', 'PIP_', 'PYTEST', 'PYTHON', 'SSL_CERT_',
        'TERM', 'TMPDIR', 'TZ', 'USER', 'VIRTUAL_ENV')
"""How the names of the variables begin that tests get from the machine: of others there are settings and secrets."""

for _name in [name for name in os.environ if not name.startswith(KEPT)]:  # once: requests read all at each request
    del os.environ[_name]
for _name in ('PYTHONUNBUFFERED', 'PYTHONDONTWRITEBYTECODE'):
    os.environ.pop(_name, None)  # commands buffer where a test does not say more, and compile what they import once


ONCE = Limits(retries=0, settle=0.01, longest_backoff=0.05)
"""The limits of a client that sends each request once, and waits little for what is written to be listed."""

TESTS = Path(__file__).parent

QUICK = {
    'test_aliases', 'test_architecture', 'test_auth', 'test_blobs', 'test_request_body', 'test_commands',
    'test_strict_json',
    'test_download', 'test_exceptions', 'test_layout_adapter', 'test_links', 'test_listing', 'test_manifests',
    'test_names', 'test_session', 'test_settings', 'test_source', 'test_stored', 'test_stream_upload', 'test_upload',
    'test_upload_session', 'test_usage',
}
"""The modules of ``make quick``: they take less than a minute together, and need docker-registry at most."""


LONG = {'test_readme', 'test_docs', 'test_schedules', 'test_bounds', 'test_unreadable_folders', 'test_layout_index'}
"""The modules with tests of many seconds."""


MEMORY = '/dev/shm'
MEMORY_FREE = 8 << 30
"""Bytes that must be free there: the files of a whole run fit into it several times."""


def pytest_configure(config: pytest.Config) -> None:
    """Keep the tests' files in memory where there is room: registries and dxf wait for the disk after each file.

    The quick tests draw few examples.
    """
    if config.getoption('markexpr') == 'quick':
        hypothesis.settings.load_profile('few')
    if os.path.isdir(MEMORY) and os.access(MEMORY, os.W_OK):
        system = os.statvfs(MEMORY)
        if not system.f_flag & os.ST_NOEXEC and system.f_bavail * system.f_frsize >= MEMORY_FREE:
            os.environ.setdefault('PYTEST_DEBUG_TEMPROOT', MEMORY)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return the number of processes that run tests: more than processors, as tests wait for servers and programs."""
    return (len(os.sched_getaffinity(0)) * 3 + 1) // 2 if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Read no module that ``-m quick`` would leave out: to read all takes as long as to run those that are quick."""
    is_left_out = collection_path.name.startswith('test_') and collection_path.stem not in QUICK
    return True if is_left_out and config.getoption('markexpr') == 'quick' else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of the quick modules; put those that take long to the front, so that none is alone at the end."""
    items.sort(key=lambda item: item.path.stem not in LONG)
    for item in items:
        if item.path.stem in QUICK:
            item.add_marker(pytest.mark.quick)


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Collect no garbage while tests are collected: nearly all that is made stays."""
    gc.disable()
    worker = os.environ.get('PYTEST_XDIST_WORKER')
    if worker is not None and {os.path.abspath(path) for path in session.config.args} == {str(TESTS)}:
        import_modules(int(worker.removeprefix('gw')) / int(os.environ['PYTEST_XDIST_WORKER_COUNT']))
    result = yield
    gc.enable()
    return result


def import_modules(share: float) -> None:
    """Import all modules, beginning at some share of them.

    Each worker begins at another: in a new clone, where they have to be compiled, each then compiles some of them.
    """
    modules = sorted(TESTS.glob('*/test_*.py'))
    first = int(len(modules) * share)
    for path in (*modules[first:], *modules[:first]):
        with contextlib.suppress(Exception):  # pytest reports it when it collects the module
            importlib.import_module(f'{TESTS.name}.{path.parent.name}.{path.stem}')


@pytest.fixture(autouse=True, scope='module')
def keep_collections_short() -> None:
    """Keep out of every garbage collection what was made before: by the collection of the tests, and by other modules.

    Some modules leave millions of objects.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(name='homes', scope='session')
def make_homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The paths of the home of each test: a ``mktemp`` a test would read the names of all that were made before."""
    root = tmp_path_factory.mktemp('homes')
    return (root / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, homes: Iterator[Path]) -> None:
    """Give every test a home of its own, without settings and credentials."""
    home = next(homes)
    home.mkdir()
    monkeypatch.setenv('HOME', str(home))


@pytest.fixture(name='certificates', scope='session')
def make_certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """The authority that the test servers' certificates come from."""
    return Certificates(tmp_path_factory.mktemp('certificates'))


@pytest.fixture(name='directory', scope='session')
def make_directory(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """A maker of empty directories for registries."""
    return lambda: tmp_path_factory.mktemp('registry')


@pytest.fixture(scope='session')
def open_registry(directory: Callable[[], Path]) -> Iterator[Endpoint]:
    """A registry over http, open to all; as the next two, it serves all modules, whose repositories have new names."""
    with Registry(directory()) as registry:
        yield Endpoint(registry)


@pytest.fixture(scope='session')
def schema1_registry(directory: Callable[[], Path]) -> Iterator[Endpoint]:
    """A registry over http, open to all, that accepts schema 1."""
    with Registry(directory(), schema1=True) as registry:
        yield Endpoint(registry)


@pytest.fixture(scope='session')
def basic_registry(directory: Callable[[], Path], certificates: Certificates) -> Iterator[Endpoint]:
    """A registry over https with Basic authentication."""
    with Registry(directory(), tls=certificates, users={USERNAME: PASSWORD}) as registry:
        yield Endpoint(registry, certificates.ca, USERNAME, PASSWORD)


@pytest.fixture(name='token_registry', scope='session')
def start_token_registry(directory: Callable[[], Path], certificates: Certificates) -> Iterator[Endpoint]:
    """A registry over https that takes tokens, with its token server."""
    with TokenServer(certificates, {USERNAME: PASSWORD}) as server, \
            Registry(directory(), tls=certificates, tokens=server) as registry:
        yield Endpoint(registry, certificates.ca, USERNAME, PASSWORD, server)


@pytest.fixture
def tokens(token_registry: Endpoint) -> Iterator[TokenServer]:
    """The token server of ``token_registry``: its record empty, its settings put back after the test."""
    server = token_registry.tokens
    assert server is not None
    server.requests.clear()
    settings = ('users', 'anonymous', 'grants', 'lifetime', 'backdate', 'answer_key', 'identities', 'post_refusal',
                'post_status')
    before = {name: copy.copy(getattr(server, name)) for name in settings}
    yield server
    for name, value in before.items():
        setattr(server, name, value)


@pytest.fixture
def folder(homes: Iterator[Path]) -> Endpoint:
    """A folder in place of a registry, of one test: a push looks for its blob in each repository of the folder."""
    return Endpoint(Folder(next(homes) / 'blobs'))


ENDPOINTS = {'open': 'open_registry', 'htpasswd': 'basic_registry', 'token': 'token_registry', 'oci': 'folder'}


def _endpoint(request: pytest.FixtureRequest) -> Endpoint:
    found = request.getfixturevalue(ENDPOINTS[request.param])
    assert isinstance(found, Endpoint)
    return found


@pytest.fixture(params=ENDPOINTS)
def endpoint(request: pytest.FixtureRequest) -> Endpoint:
    """Each way in which a registry admits its users, in turn, and a folder in place of one."""
    return _endpoint(request)


ON_TWO = {'artifacts', 'cli', 'deletion', 'filesystem'}
"""The folders whose tests run on a folder, and on the server that asks for the most: for TLS, and a token of the right
scope. How users are let in is the subject of others.
"""


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Choose the endpoints of a test, unless it does so itself."""
    chosen = [str(mark.args[0]) for mark in metafunc.definition.iter_markers('parametrize')]
    if metafunc.definition.path.parent.name in ON_TWO and 'endpoint' in metafunc.fixturenames \
            and not any('endpoint' in names for names in chosen):
        metafunc.definition.add_marker(pytest.mark.parametrize('endpoint', ['token', 'oci'], indirect=True))


@pytest.fixture(params=[name for name in ENDPOINTS if name != 'oci'])
def real_server(request: pytest.FixtureRequest) -> Endpoint:
    """The same without the folder, for what only a server has."""
    return _endpoint(request)


@pytest.fixture(name='killing', scope='session')
def start_killing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[killed_processes.Killing]:
    """What runs commands that are killed at a request, or before a step in a folder."""
    with killed_processes.started(tmp_path_factory.mktemp('home')) as killing:
        yield killing


@pytest.fixture(name='server')
def start_server() -> Iterator[ScriptedRegistry]:
    """A scripted registry over http that stores nothing yet; many modules fill it."""
    with ScriptedRegistry() as server:
        yield server


@pytest.fixture(name='secure')
def start_secure(certificates: Certificates) -> Iterator[ScriptedRegistry]:
    """A scripted registry over https that stores nothing yet."""
    with ScriptedRegistry(certificates) as server:
        yield server


@pytest.fixture(name='elsewhere')
def start_elsewhere(certificates: Certificates) -> Iterator[ScriptedRegistry]:
    """Another origin over https."""
    with ScriptedRegistry(certificates) as server:
        yield server


@pytest.fixture(name='client')
def open_client(server: ScriptedRegistry) -> Iterator[DXF]:
    """A client of the repository ``REPO`` of ``server`` that sends each request once."""
    with DXF(server.host, REPO, insecure=True, limits=ONCE) as client:
        yield client


@pytest.fixture(name='store')
def name_store(tmp_path: Path) -> Endpoint:
    """A folder for repositories, which is not there yet."""
    return Endpoint(Folder(tmp_path / 'blobs'))


@pytest.fixture(name='layout')
def name_layout(store: Endpoint) -> Path:
    """The folder of one repository in ``store``, which is not there yet."""
    return store.registry.storage / LAYOUT_REPO


@pytest.fixture(name='source')
def open_path(path: Path) -> Iterator[Source]:
    """The source that the file ``path`` of a module makes."""
    source = open_source(str(path), None)
    yield source
    source.close()


@pytest.fixture
def asked_by_head(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let dxf ask by HEAD for blobs of every size, as it does for large ones."""
    monkeypatch.setattr('dxf.transfer.mounting.MAX_ASKED', -1)


@pytest.fixture
def repo() -> str:
    """The name of a repository that no test has used before."""
    return f'fred/t{uuid.uuid4().hex}'


@pytest.fixture
def traffic(monkeypatch: pytest.MonkeyPatch) -> Traffic:
    """A record of the requests and connections that this test makes through requests."""
    record = Traffic()
    record.watch(monkeypatch)
    return record


@pytest.fixture
def skopeo() -> Callable[..., str]:
    """Skopeo itself: ``skopeo('inspect', '--tls-verify=false', 'docker://...')`` returns what it printed."""
    return programs.skopeo
