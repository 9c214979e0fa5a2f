"""Growth in a folder: one alias read, set and listed where its repository has more and more of them.

``index.json`` has them all. It is read to find one, and written whole for a change.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path

from bench import contenders
from bench.contenders import Dxf
from bench.growth import grow, label_of, steps
from bench.layout import add_tags, write_layout
from bench.measuring import Command, Contender, always, run
from bench.report import Budget, Curve, Section, grown
from bench.workspace import Workspace, write_random

REPO, REFERENCE = 'bench/aliases', 'text'
GET, LIST, SET = '``dxf get-alias``', '``dxf list-aliases``', '``dxf set-alias``'
READ, REWRITE = '``json.load`` of index.json', '``json.load``, ``json.dump`` of index.json'
ENOUGH = 1_000
"""How many aliases there must be for their cost to be more than noise."""

READ_CODE = 'import json, sys; json.load(open(sys.argv[1]))'
REWRITE_CODE = '''
import json, os, sys
document = json.load(open(sys.argv[1]))
with open(sys.argv[1] + '.new', 'w') as file:
    json.dump(document, file)
    file.flush()
    os.fsync(file.fileno())
os.replace(file.name, sys.argv[1])
'''


class _Folder:
    """A folder with one repository, whose aliases are added as they are needed."""

    def __init__(self, workspace: Workspace, room: Path, ours: Dxf) -> None:
        self.environ = {'DXF_HOST': f'oci:{room / "folder"}'}
        self.layout = room / 'folder' / REPO
        self._ours = ours
        self._other = room / 'other'
        self._names = (f'new{number}' for number in count())
        file = write_random(room / 'file', 100)
        write_layout(self._other, file)
        run(Contender('the first push', always(ours.command('push-blob', REPO, str(file), '@first')), self.environ),
            workspace)
        (first,) = json.loads((self.layout / 'index.json').read_text('utf-8'))['manifests']
        manifest = json.loads(self._blob(first['digest']).read_text('utf-8'))
        self._digest: str = manifest['layers'][0]['digest']

    def _blob(self, digest: str) -> Path:
        return self.layout / 'blobs' / 'sha256' / digest.partition(':')[2]

    def _index(self, code: str) -> Callable[[], Sequence[Command]]:
        return always([self._ours.python, '-I', '-c', code, str(self.layout / 'index.json')])

    def readers(self, size: int) -> list[Contender]:
        """Return those that find one alias among so many, and those that list all."""
        add_tags(self.layout, size)
        return [*self._readers()]

    def _readers(self) -> Iterator[Contender]:
        yield Contender(READ, self._index(READ_CODE))
        yield Contender(GET, always(self._ours.command('get-alias', REPO, 'first')), self.environ)
        yield Contender(LIST, always(self._ours.command('list-aliases', REPO)), self.environ)
        skopeo = contenders.optional('skopeo')
        if skopeo is not None:
            yield Contender('``skopeo inspect --raw``', always(contenders.skopeo_read(skopeo, self.layout, 'first')))

    def setters(self, size: int) -> list[Contender]:
        """Return those that add one alias to so many."""
        add_tags(self.layout, size)
        return [*self._setters()]

    def _setters(self) -> Iterator[Contender]:
        yield Contender(REWRITE, self._index(REWRITE_CODE))
        yield Contender(SET, lambda: [self._ours.command('set-alias', REPO, next(self._names), self._digest)],
                        self.environ)
        skopeo = contenders.optional('skopeo')
        if skopeo is not None:
            yield Contender('``skopeo copy oci: oci:``', lambda: [
                contenders.skopeo_set(skopeo, self._other, self.layout, next(self._names))])


def aliases(workspace: Workspace, runs: int, ours: Dxf, _peer: Dxf) -> list[Section]:
    """Read and set one alias among more and more of them."""
    sizes = steps(workspace.most, 10, 100, 1_000, 5_000, 20_000)
    with workspace.room('aliases') as room:
        folder = _Folder(workspace, room, ours)
        found = grow(sizes, folder.readers, runs, workspace)
    with workspace.room('set') as room:
        folder = _Folder(workspace, room, ours)
        changed = grow(sizes, folder.setters, runs, workspace)
        mebibytes = (folder.layout / 'index.json').stat().st_size / (1 << 20)
    whole = (f'Each operation reads index.json of the repository, and a change writes it whole: both grow with the '
             f'number of aliases in the repository. With {label_of(sizes[-1])} it has {mebibytes:.1f} MiB.')
    return [
        grown('One alias among many in a folder', f'{whole} Other repositories of the folder cost nothing.', found,
              [_growth(found, GET, READ)]),
        grown('Setting one alias among many in a folder', whole, changed, [_growth(changed, SET, REWRITE)])]


def _growth(curves: Sequence[Curve], what: str, other: str) -> Budget:
    """Return the budget of how much longer something takes among many aliases, beside the work on index.json alone."""
    grown_by = {curve.what: curve.points[-1][2].median - curve.points[0][2].median for curve in curves
                if len(curve.points) > 1}
    is_enough = max(size for size, _, _ in curves[0].points) >= ENOUGH
    value = grown_by[what] / grown_by[other] if is_enough and grown_by[other] > 0 else None
    return Budget(f'{what} in a folder, seconds that aliases add, beside {other}', value, 1.1, 'x')
