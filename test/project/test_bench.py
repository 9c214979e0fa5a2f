"""The benchmark's own parts: its relays, how it runs a process, and what its report makes of numbers."""

import contextlib
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
import requests

from bench.__main__ import PARTS, PICTURED, write
from bench.contenders import Dxf
from bench.counting import CountingRelay, RequestReader
from bench.delay import DelayRelay
from bench.growth import label_of_bytes, steps
from bench.measuring import Contender, alternate, always, run
from bench.report import (Budget, Curve, Measure, at_most, beside_the_slower, budgets_text, grown, linear, page,
                          peak_at_most, ratio, section_text, table, timed)
from bench.settings import DOCS, Settings, read_settings
from bench.workspace import BenchError, Server, Workspace
from dxf import DXF

from ..helpers import fork_server
from ..helpers.programs import program
from ..servers.certificates import Certificates
from ..servers.registry import Registry

DELAY = 0.04


@pytest.fixture(name='echo')
def start_echo() -> Iterator[str]:
    """A server that sends back what one client sends, as ``localhost:PORT``."""
    listener = socket.create_server(('127.0.0.1', 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            client, _ = listener.accept()
            with client:
                while piece := client.recv(65536):
                    client.sendall(piece)
    thread = threading.Thread(target=serve)
    thread.start()
    yield f'localhost:{listener.getsockname()[1]}'
    with contextlib.suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


@pytest.fixture(name='workspace')
def make_workspace(tmp_path: Path) -> Workspace:
    """A workspace in a folder of the test."""
    return Workspace(tmp_path, 0)


def connect(host: str) -> socket.socket:
    """Return a connection to a relay."""
    return socket.create_connection(('127.0.0.1', int(host.rpartition(':')[2])), timeout=60)


def receive(client: socket.socket, size: int) -> bytes:
    """Return the next bytes of a connection."""
    content = bytearray()
    while len(content) < size:
        content += client.recv(size - len(content))
    return bytes(content)


def test_a_connection_and_each_exchange_cost_a_round_trip(echo: str) -> None:
    with DelayRelay(echo, DELAY) as relay:
        begin = time.monotonic()
        with connect(relay.host) as client:
            client.sendall(b'first')
            assert receive(client, 5) == b'first'
            connected = time.monotonic()
            client.sendall(b'second')
            assert receive(client, 6) == b'second'
            end = time.monotonic()
    assert connected - begin >= 4 * DELAY
    assert end - connected >= 2 * DELAY
    assert relay.connections == 1


def test_delayed_bytes_arrive_as_they_were_sent_and_so_does_their_end(echo: str) -> None:
    content = os.urandom(3_000_000)
    with DelayRelay(echo, DELAY) as relay, connect(relay.host) as client:
        sender = threading.Thread(target=client.sendall, args=(content,))
        sender.start()
        assert receive(client, len(content)) == content
        sender.join()
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b''


def test_a_relay_ends_with_its_connections(echo: str) -> None:
    with DelayRelay(echo, DELAY) as relay, connect(relay.host) as client:
        pass
    assert client.fileno() == -1
    with pytest.raises(ConnectionRefusedError):
        connect(relay.host)


def test_requests_and_connections_are_counted(certificates: Certificates, tmp_path: Path) -> None:
    tricky = b'GET /none HTTP/1.1\r\n\r\n'
    with Registry(tmp_path, tls=certificates) as registry, CountingRelay(registry.host, certificates) as relay:
        url = f'https://{relay.host}/v2/'
        with requests.Session() as session:
            session.verify = certificates.ca
            assert session.get(url).status_code == 200
            upload = session.post(f'{url}fred/x/blobs/uploads/')
            location = upload.headers['Location']
            assert location.startswith(url)
            patch = session.patch(location, data=iter([tricky, tricky]))
            assert patch.headers['Range'] == f'0-{2 * len(tricky) - 1}'
            session.put(f'{url}fred/x/manifests/latest', data=tricky)
        assert relay.requests == ['GET /v2/', 'POST /v2/fred/x/blobs/uploads/',
                                  f'PATCH {location.removeprefix(url[:-4]).partition("?")[0]}',
                                  'PUT /v2/fred/x/manifests/latest']
        assert relay.connections == 1
        relay.clear()
        for _ in range(3):
            requests.get(url, verify=certificates.ca, timeout=60)
        assert (relay.requests, relay.connections) == (['GET /v2/'] * 3, 3)


def test_the_bytes_that_clients_get_and_send_are_counted_without_tls_too(tmp_path: Path) -> None:
    with Registry(tmp_path) as registry, CountingRelay(registry.host) as relay:
        digest = DXF(registry.host, 'fred/x', insecure=True).push_blob(data=bytes(1_000_000))
        part = {'Range': 'bytes=500000-799999'}
        assert len(requests.get(f'http://{relay.host}/v2/fred/x/blobs/{digest}', headers=part, timeout=60).content) == \
            300_000
        assert relay.requests == [f'GET /v2/fred/x/blobs/{digest}']
        assert 300_000 < relay.received < 301_000
        relay.clear()
        assert relay.received == relay.sent == 0
        requests.put(f'http://{relay.host}/v2/', data=bytes(200_000), timeout=60)
        assert 200_000 < relay.sent < 201_000


@pytest.mark.parametrize('step', [1, 7, 1000])
def test_requests_are_found_however_their_bytes_arrive(step: int) -> None:
    content = (b'GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n'
               b'PUT /d HTTP/1.1\r\nCONTENT-LENGTH: 14\r\n\r\nGET / HTTP/1\r\n'
               b'\r\nPATCH /e HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\nA\r\n\r\nGET /\r\n\r\r\n'
               b'0\r\nTrailer: x\r\n\r\n'
               b'HEAD /f HTTP/1.1\r\n\r\n')
    found: list[str] = []
    reader = RequestReader(found.append)
    for start in range(0, len(content), step):
        reader.feed(content[start:start + step])
    assert found == ['GET /a', 'PUT /d', 'PATCH /e', 'HEAD /f']


def python(script: str) -> list[str]:
    """Return the command of a small script."""
    return [sys.executable, '-S', '-c', script]


def test_a_run_has_the_seconds_of_all_and_the_peak_of_the_largest(workspace: Workspace, tmp_path: Path) -> None:
    output = tmp_path / 'output'
    pipeline = always(python('import time; time.sleep(0.05); print("x")'),
                      python('import sys; len(50_000_000 * "x"); print(sys.stdin.read(), end="y")'))
    cost = run(Contender('two', pipeline, stdout=str(output)), workspace)
    assert output.read_text('utf-8') == 'x\ny'
    assert cost.seconds >= 0.05
    assert 50_000_000 <= cost.peak < 80_000_000


def test_a_run_that_fails_says_what_the_command_said(workspace: Workspace) -> None:
    with pytest.raises(BenchError, match=r'^it: statuses \[0, 1\]: bad luck$'):
        run(Contender('it', always(python(''), python('import sys; sys.exit("bad luck")'))), workspace)
    run(Contender('it', always(python('import sys; sys.exit(3)')), status=3), workspace)


def test_contenders_alternate_and_another_begins_each_round(workspace: Workspace) -> None:
    order: list[str] = []

    def noting(name: str) -> Callable[[], list[list[str]]]:
        def pipeline() -> list[list[str]]:
            order.append(name)
            return [['/bin/true']]
        return pipeline
    measures = alternate([Contender(name, noting(name), after=lambda cost: len(order)) for name in 'abc'], 2, workspace,
                         warm_up=True)
    assert ''.join(order) == 'cab' 'abc' 'bca'
    assert [(measure.what, measure.seconds) for measure in measures] == [('a', (4, 9)), ('b', (5, 7)), ('c', (6, 8))]


MEASURES = (Measure('slow', (2.0, 9.0, 4.0), 30.4), Measure('quick', (1.0, 3.0), 20.0))


def test_medians_and_ratios_are_right() -> None:
    assert [measure.median for measure in MEASURES] == [4, 2]
    assert ratio(MEASURES, 'slow', 'quick') == 2
    assert ratio(MEASURES, 'slow', 'not there') is None
    section = timed('Title', 'Text.', MEASURES, 'slow', ())
    assert section.rows == [('slow', '4.000', '2.000 - 9.000', '1.00', '30'),
                            ('quick', '2.000', '1.000 - 3.000', '0.50', '20')]
    assert timed('', '', MEASURES, 'slow', (), milliseconds=True).rows[1][1:3] == ('2000.0', '1000.0 - 3000.0')


@pytest.mark.parametrize('budget, met', [
    (at_most(MEASURES, 'quick', 0.5, 'slow'), 'yes'),
    (at_most(MEASURES, 'quick', 0.49, 'slow'), '**no**'),
    (at_most(MEASURES, 'quick', 0.5, 'crane'), 'not measured'),
    (at_most(MEASURES, 'crane', 0.5, 'slow'), 'not measured'),
    (peak_at_most(MEASURES, 'slow', 31), 'yes'),
    (peak_at_most(MEASURES, 'slow', 30), '**no**'),  # although rounded it is 30
    (Budget('requests', 7, 6, '', 0), '**no**'),
])
def test_a_budget_is_met_or_not(budget: Budget, met: str) -> None:
    assert budget.met == budget.row()[-1] == met
    assert met in budgets_text([timed('', '', MEASURES, 'slow', [budget])]).splitlines()[-2]


def test_tables_are_as_wide_as_their_cells() -> None:
    assert table(('What', 'X'), [('a', 'long'), ('``b c``', '')]) == (
        '======= ====\n'
        'What    X\n'
        '======= ====\n'
        'a       long\n'
        '``b c``\n'
        '======= ====')


def test_the_page_begins_with_the_pictures_and_ends_with_the_budgets() -> None:
    section = timed('Pull', 'Text.', MEASURES, 'slow', [at_most(MEASURES, 'quick', 0.4, 'slow')])
    text = page('Intro.', [('picture.svg', 'Bars'), ('more.svg', 'Curves')], [section], [('Python', '3.14')])
    parts = ('Benchmarks\n=====', '.. image:: picture.svg\n   :alt: Bars', '.. image:: more.svg\n   :alt: Curves',
             'Intro.', 'Pull\n----', 'Text. Ratios are to slow.', 'quick 2.000', 'Python 3.14',
             'quick, beside slow 0.50 x   0.40 x  **no**')
    places = [text.find(part) for part in parts]
    assert -1 not in places and places == sorted(places), (places, text)


def test_growth_is_a_column_for_each_size_and_its_budget_compares_the_last_two() -> None:
    curves = (Curve('a', ((10, '10', Measure('a', (1.0,), 20.0)), (100, '100', Measure('a', (12.0,), 31.0, 4.5)))),
              Curve('b', ((10, '10', Measure('b', (3.0, 5.0), 9.0, 0.2)),)))
    section = grown('Title', 'Text.', curves, ())
    assert section.headers == ('What', '10', '100', 'CPU, s', 'Peak, MB')
    assert section.rows == [('a', '1.000', '12.000', '4.50', '31'), ('b', '4.000', '-', '0.20', '9')]
    assert linear(curves, 'a').row() == ('a, seconds for each at 100, beside 10', '1.20 x', '1.10 x', '**no**')
    assert linear(curves, 'b').met == 'not measured'


def test_a_start_is_taken_off_before_the_comparison_with_the_slower_one() -> None:
    budget = beside_the_slower(MEASURES, 'slow', 1.0, ('quick', 'slow'), 1.0)
    assert (budget.value, budget.met) == (0.75, 'yes')
    assert beside_the_slower(MEASURES, 'slow', 1.0, ('quick', 'crane'), 1.0).met == 'not measured'


def test_sizes_end_at_the_limit() -> None:
    assert steps(100, 10, 100, 1_000) == (10, 100)
    assert steps(5, 10, 100) == (5,)
    assert [label_of_bytes(size) for size in (1, 1 << 10, 5 << 30)] == ['1 B', '1 KiB', '5 GiB']


def test_no_round_begins_after_the_patience_ended(workspace: Workspace) -> None:
    true = Contender('true', always(['/bin/true']))
    assert [len(measure.seconds) for measure in alternate([true, replace(true, name='again')], 3, workspace,
                                                          patience=0)] == [1, 1]


def test_variables_bound_the_benchmark(tmp_path: Path) -> None:
    settings = read_settings({}, PARTS)
    assert (settings.mebibytes, settings.runs, settings.most, settings.parts) == (1024, 5, 100_000, tuple(PARTS))
    assert (settings.folder, settings.servers) == (DOCS, (Server(),))
    small = read_settings({'BENCH_SMALL': '1', 'BENCH_RUNS': '2'}, PARTS)
    assert (small.mebibytes, small.runs, small.most, small.folder) == (16, 2, 100, None)
    assert read_settings({'BENCH_ONLY': 'tags'}, PARTS).folder is None
    binary = program('docker-registry')
    other = read_settings({'BENCH_ONLY': 'tags,jobs', 'BENCH_REGISTRY': binary, 'BENCH_TO': str(tmp_path)}, PARTS)
    assert (other.parts, other.folder) == (('tags', 'jobs'), tmp_path)
    assert other.servers[1].path == binary and other.servers[1].name.startswith('docker-registry 2.')


@pytest.mark.parametrize('name, value', [
    ('BENCH_MIB', '0'), ('BENCH_COUNT', 'many'), ('BENCH_ONLY', 'tug'), ('BENCH_REGISTRY', '/'),
    ('BENCH_TO', '/nowhere')])
def test_a_variable_that_makes_no_sense_is_named(name: str, value: str) -> None:
    with pytest.raises(BenchError, match=f'^{name}'):
        read_settings({name: value}, PARTS)


@pytest.mark.parametrize('part', PARTS)
def test_every_part_measures_at_its_smallest(part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This dxf, forked, stands for both commands, and the second registry for both: no package index is asked.

    Python is forked too: most of what the library's scripts cost is to import it. Other backup tools store the trees
    alone: an image is a path of theirs as any other.
    """
    monkeypatch.setattr('bench.startup.RUNS', 1)
    monkeypatch.setattr('bench.growing_jobs.ROUND_TRIPS', (0, 10))
    monkeypatch.setattr('bench.disk_images.others', lambda _: [])
    programs = [str(fork_server.write_program(tmp_path / name, name)) for name in ('dxf', 'python')]
    clients = Dxf('dxf', *programs), Dxf('python-dxf 12.1.1', *programs)
    for module in ('bench.contenders', 'bench.tables'):
        monkeypatch.setattr(f'{module}.with_tables', lambda: clients[0])
    other = Server(program('docker-registry'), 'other 2')
    place = Workspace(tmp_path, 100_000, most=1, servers=[other])
    sections = PARTS[part](place, 1, *clients)
    settings = Settings(1, 1, 1, (part,), (other,), tmp_path)
    write(tmp_path, settings, {part: sections}, [('Python', '3')])
    text = (tmp_path / 'benchmarks.rst').read_text('utf-8')
    for section in sections:
        assert section_text(section) in text
        assert len(section.rows) > 1 and {len(row) for row in section.rows} == {len(section.headers)}
        assert all(cell for row in section.rows for cell in row)
        assert all(budget.what in text.rpartition('Budgets\n-------')[2] for budget in section.budgets)
    seconds = [each.median for section in sections for each in section.measures]
    seconds += [each.median for section in sections for curve in section.curves for _, _, each in curve.points]
    assert all(each > 0 for each in seconds) and (seconds or part == 'requests')
    pictures = re.findall(r'^\.\. image:: (.+)$', text, re.MULTILINE)
    assert len(pictures) == int(part in PICTURED or any(section.curves for section in sections))
    for picture in pictures:
        assert ElementTree.parse(tmp_path / picture).getroot().tag.endswith('svg')
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ['home']
