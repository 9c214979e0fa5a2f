"""The air gap, whole and by the command line alone: a registry with tokens, a folder, a tar, a registry with passwords.

What leaves and what arrives is verified by skopeo, and by dxf.
"""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from dxf import hash_bytes
from dxf.main import doit

from ..helpers.endpoints import PASSWORD, USERNAME, Endpoint
from ..helpers.images import Index, write_index
from ..helpers.programs import skopeo
from ..helpers.repository_content import CONTENTS, reachable, target_variables

PLATFORMS = (('linux/amd64', (b'first layer\n' * 1000, b'second layer')), ('linux/arm64', (b'arm', b'second layer')),
             ('unknown/unknown', (b'proof',)))
DATA, IMAGE = 'fred/datalogger', 'fred/tools/image'
ALIASES = {DATA: 'may15', IMAGE: 'v1'}


@dataclass(frozen=True)
class Sides:
    """Both sides of the gap, and skopeo's way into both.

    :param authority: a folder with the authority of both, as skopeo wants it
    """

    outer: Endpoint
    inner: Endpoint
    authority: Path

    def options(self, prefix: str = '') -> tuple[str, str]:
        """Return skopeo's options for a registry."""
        return f'--{prefix}creds={USERNAME}:{PASSWORD}', f'--{prefix}cert-dir={self.authority}'

    def saved(self, endpoint: Endpoint, repo: str, alias: str, folder: Path) -> dict[str, bytes]:
        """Return what skopeo copies out of a registry."""
        return saved(f'docker://{endpoint.host}/{repo}:{alias}', folder, *self.options('src-'))


def saved(name: str, folder: Path, *options: str) -> dict[str, bytes]:
    """Let skopeo copy something into a folder, and return its files by their names."""
    folder.mkdir(parents=True)
    skopeo('copy', '--all', *options, name, f'dir:{folder}')
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(name='sides', scope='module')
def make_sides(token_registry: Endpoint, basic_registry: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> Sides:
    """A registry with tokens outside, one with passwords inside."""
    authority = tmp_path_factory.mktemp('authority')
    (authority / 'ca.crt').write_bytes(Path(str(token_registry.ca)).read_bytes())
    return Sides(token_registry, basic_registry, authority)


@pytest.fixture(name='index')
def push_image(sides: Sides, tmp_path: Path) -> Index:
    """An image of several platforms, which skopeo pushed to the registry outside."""
    index = write_index(tmp_path / 'layout', PLATFORMS)
    skopeo('copy', '--all', *sides.options('dest-'), f'oci:{tmp_path / "layout"}:latest',
           f'docker://{sides.outer.host}/{IMAGE}:{ALIASES[IMAGE]}')
    return index


@pytest.fixture(name='manifest')
def push_data(sides: Sides, tmp_path: Path) -> str:
    """The digest of an alias of several blobs, which dxf pushed to the registry outside."""
    files = [tmp_path / str(number) for number in range(len(CONTENTS))]
    for file, content in zip(files, CONTENTS, strict=True):
        file.write_bytes(content)
    environ = {**sides.outer.environ(), 'DXF_SCHEMA': 'oci'}
    assert doit(['push-blob', DATA, *map(str, files), f'@{ALIASES[DATA]}'], environ) == 0
    return hash_bytes(str(sides.outer.dxf(DATA).get_manifest(ALIASES[DATA])).encode())


def tar(*args: str) -> None:
    """Run tar."""
    subprocess.run(['tar', *args], check=True, timeout=90)


def check_inside(sides: Sides, repo: str, digest: str, outside: dict[str, bytes], folder: Path) -> None:
    """Insist that the registry inside has what the one outside has."""
    copied, alias = f'inside/{repo}', ALIASES[repo]
    assert sides.saved(sides.inner, copied, alias, folder) == outside
    name = f'docker://{sides.inner.host}/{copied}:{alias}'
    assert hash_bytes(skopeo('inspect', '--raw', *sides.options(), name).encode()) == digest
    assert reachable(sides.inner.dxf(copied), alias) == reachable(sides.outer.dxf(repo), alias)


def test_data_and_images_cross_the_air_gap(sides: Sides, index: Index, manifest: str, tmp_path: Path,
                                           capfd: pytest.CaptureFixture[str]) -> None:
    capfd.readouterr()
    outside, inside = {}, tmp_path / 'inside'
    for repo, digest in ((DATA, manifest), (IMAGE, index.digest)):
        assert doit(['copy', repo, '--all', '--to', f'oci:{tmp_path / "outside"}'], sides.outer.environ()) == 0
        assert capfd.readouterr() == (f'{digest}\n', '')
        outside[repo] = sides.saved(sides.outer, repo, ALIASES[repo], tmp_path / 'left' / repo)
        folder = tmp_path / 'outside' / repo
        assert saved(f'oci:{folder}:{ALIASES[repo]}', tmp_path / 'kept' / repo) == outside[repo]
    tar('-C', str(tmp_path), '-cf', str(tmp_path / 'blobs.tar'), 'outside')
    inside.mkdir()
    tar('-C', str(inside), '-xf', str(tmp_path / 'blobs.tar'))
    for repo, digest in ((DATA, manifest), (IMAGE, index.digest)):
        assert doit(['copy', repo, ALIASES[repo], '--to', sides.inner.host, '--to-repo', f'inside/{repo}'],
                    {'DXF_HOST': f'oci:{inside / "outside"}', **target_variables(sides.inner)}) == 0
        assert capfd.readouterr() == (f'{digest}\n', '')
        check_inside(sides, repo, digest, outside[repo], tmp_path / 'arrived' / repo)
    config = json.loads(skopeo('inspect', '--config', '--override-os=linux', '--override-arch=arm64', *sides.options(),
                               f'docker://{sides.inner.host}/inside/{IMAGE}:{ALIASES[IMAGE]}'))
    assert config['architecture'] == 'arm64'
    assert doit(['pull-blob', '-o', str(tmp_path / 'pulled'), f'inside/{DATA}', f'@{ALIASES[DATA]}'],
                sides.inner.environ()) == 0
    assert (tmp_path / 'pulled').read_bytes() == b''.join(CONTENTS)


def test_what_skopeo_put_into_a_folder_goes_to_a_registry(sides: Sides, tmp_path: Path, repo: str) -> None:
    index = write_index(tmp_path / 'layout', PLATFORMS, 'v1')
    environ = {'DXF_HOST': f'oci:{tmp_path / "layout"}', **target_variables(sides.inner)}
    assert doit(['copy', '', 'v1', '--to', sides.inner.host, '--to-repo', repo], environ) == 0
    name = f'docker://{sides.inner.host}/{repo}:v1'
    assert hash_bytes(skopeo('inspect', '--raw', *sides.options(), name).encode()) == index.digest
    skopeo('copy', '--all', *sides.options('src-'), name, f'oci:{tmp_path / "back"}:v1')
    for image in index.images:
        for digest in (image.digest, image.config, *image.layers):
            path = Path('blobs', *digest.split(':'))
            assert (tmp_path / 'back' / path).read_bytes() == (tmp_path / 'layout' / path).read_bytes()
