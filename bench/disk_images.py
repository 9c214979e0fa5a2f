"""Images of disks, of which parts change, and what has many files or many bytes: what is sent, and the memory."""

import json
import random
from collections.abc import Sequence
from pathlib import Path

from bench.backup_tools import REPO, Meter, Tool, delta_tool, others
from bench.contenders import Dxf
from bench.measuring import Contender, alternate, always, run
from bench.report import Budget, Section, peak_at_most
from bench.workspace import MIB, Workspace, write_random

PAGE = 4096
REGION, SCATTERED = 0.01, 0.005
"""The parts of an image that change: one region, and pages all over it."""

MANY = 100_000
SPARSE = 100
"""A file that is nearly all holes has so many times the bytes of the large blob."""

IN_FOLDER = 1000
"""Files of a folder."""

LEAST_IMAGE = 100 * MIB
"""An image below this says nothing of shares: a region of it is less than a chunk."""


def extremes(workspace: Workspace, ours: Dxf) -> list[Section]:
    """Store an image of a disk, many files, and a large file."""
    return [*_images(workspace, ours), _memory(workspace, ours)]


def _images(workspace: Workspace, ours: Dxf) -> list[Section]:
    with workspace.room('disk') as room:
        image = write_random(room / 'disk.img', workspace.size)
        tools = [delta_tool(room, ours), *others(room)]
        for tool in tools:
            tool.empty(workspace)
        rows = [('the image', _stored(workspace, tools, image))]
        _change_region(image)
        rows.append((f'one region of {100 * REGION:.0f} % changed', _stored(workspace, tools, image)))
        _change_pages(image)
        told = _told(workspace, tools[0], image, room / 'told')
        rows.append((f'{100 * SCATTERED:.1f} % of the pages changed', _stored(workspace, tools, image)))
    return [_section(workspace, tools, rows, told)]


Cost = tuple[float, int]
"""Seconds, and the bytes by which a store grew."""


def _stored(workspace: Workspace, tools: Sequence[Tool], image: Path) -> list[Cost]:
    """Store the image with each tool; return what that cost."""
    meters = [Meter(workspace, tool, image, lambda _: None) for tool in tools]
    measures = alternate([meter.contender() for meter in meters], 1, workspace)
    return [(measure.median, meter.grown[0]) for measure, meter in zip(measures, meters, strict=True)]


def _section(workspace: Workspace, tools: Sequence[Tool], rows: Sequence[tuple[str, Sequence[Cost]]], told: int
             ) -> Section:
    size = workspace.size
    cells = [(what, *(cell for seconds, grown in costs for cell in (
        f'{seconds:.2f}', f'{grown / MIB:.2f}', f'{100 * grown / size:.2f}'))) for what, costs in rows]
    headers = [header for tool in tools for header in (f'{tool.name}, s', 'MiB', '%')]
    region, scattered = (costs[0][1] for _, costs in rows[1:])
    is_large = size >= LEAST_IMAGE
    return Section(
        'An image of a disk', f'{size // MIB} MiB of random bytes, to a store on the same file system: the seconds of '
        'one run, and by how much the store grows. Before pages of 4 KiB changed all over it, ``--dry-run`` said that '
        f'{told / MIB:.2f} MiB would be sent.', ('What', *headers), cells,
        [Budget('An image of a disk, one region changed: sent, of its bytes', 100 * region / size if is_large else None,
                2, '%'),
         Budget('An image of a disk, pages changed: stored, beside what ``--dry-run`` said', scattered / told, 1.05,
                'x')])


def _change_region(image: Path) -> None:
    size = image.stat().st_size
    with image.open('r+b') as file:
        file.seek(size // 3)
        file.write(random.Random(1).randbytes(max(int(REGION * size), 1)))


def _change_pages(image: Path) -> None:
    pages = image.stat().st_size // PAGE
    chosen = random.Random(2)
    with image.open('r+b') as file:
        for page in chosen.sample(range(pages), max(int(SCATTERED * pages), 1)):
            file.seek(page * PAGE)
            file.write(chosen.randbytes(PAGE))


def _told(workspace: Workspace, tool: Tool, image: Path, output: Path) -> int:
    """Return how many bytes a dry run says that it would send."""
    command = [*tool.backup(image, 0), '--dry-run', '--json']
    run(Contender('a dry run', always(command), tool.environ, stdout=str(output)), workspace)
    sent: int = json.loads(output.read_text('utf-8'))['sent']
    return sent


def _memory(workspace: Workspace, ours: Dxf) -> Section:
    with workspace.room('memory') as room:
        count = min(MANY, 100 * workspace.most)
        many = room / 'many'
        for number in range(count):
            folder = many / str(number // IN_FOLDER)
            if number % IN_FOLDER == 0:
                folder.mkdir(parents=True)
            (folder / f'{number}.txt').write_text(str(number), encoding='ascii')
        sparse = room / 'sparse'
        sparse.mkdir()
        with (sparse / 'disk.img').open('wb') as file:
            file.truncate(SPARSE * workspace.size)
            file.write(random.Random(3).randbytes(MIB))
        environ = {'DXF_HOST': f'oci:{room / "folder"}'}
        jobs = [(f'{count:,} small files, first backup', 'backup', many), (
            f'{count:,} small files, not changed', 'backup', many),
            (f'a sparse file of {SPARSE * workspace.size >> 30} GiB', 'backup', sparse)]
        measures = [measure for what, command, folder in jobs for measure in alternate([Contender(
            what, always(ours.command(command, REPO, str(folder), f'@{folder.name}')), environ)], 1, workspace)]
    return Section(
        'Memory of a backup', 'To a folder, by one run each.', ('What', 'Seconds', 'Peak, MB'),
        [(measure.what, f'{measure.median:.3f}', f'{measure.peak:.0f}') for measure in measures],
        [peak_at_most(measures, measure.what, 150, 'Memory of a backup: ') for measure in measures], measures)
