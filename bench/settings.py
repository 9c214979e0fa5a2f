"""What to measure, and how much of it: the variables of ``make bench``.

``BENCH_MIB``
    size of the large blob (default 1024); where blobs grow, the largest has five times as much
``BENCH_RUNS``
    how often everything runs (default 5); where something grows, a size that takes long runs fewer times
``BENCH_COUNT``
    how many blobs, tags or aliases there are at most where their number grows (default 100000)
``BENCH_SMALL``
    1: a first look in about two minutes, with other defaults: 16 MiB, 1 run, at most 100
``BENCH_ONLY``
    names of the parts that run, separated by commas
``BENCH_REGISTRY``
    the program of another registry, for a second set of tables: one that takes ``serve CONFIGURATION``
``BENCH_TO``
    the folder that the page and its pictures are written to; without it, docs if all parts ran and none was small
"""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.machine import version_of
from bench.workspace import MOST, BenchError, Server

DOCS = Path(__file__).parents[1] / 'docs'


@dataclass(frozen=True)
class Settings:
    """What to run: MiB of the large blob, number of runs, most things of a kind, names of the parts, registries."""

    mebibytes: int
    runs: int
    most: int
    parts: tuple[str, ...]
    servers: tuple[Server, ...]
    folder: Path | None


def read_settings(environ: Mapping[str, str], parts: Collection[str]) -> Settings:
    """Return what the variables say.

    :param parts: the names of all parts
    :raises BenchError: one of them makes no sense
    """
    small = environ.get('BENCH_SMALL', '') not in ('', '0')
    wanted = _parts(environ, parts)
    mebibytes, runs, most = ('16', '1', '100') if small else ('1024', '5', str(MOST))
    whole = DOCS if set(wanted) == set(parts) and not small else None
    folder = environ.get('BENCH_TO')
    return Settings(_number(environ, 'BENCH_MIB', mebibytes), _number(environ, 'BENCH_RUNS', runs),
                    _number(environ, 'BENCH_COUNT', most), wanted, (Server(), *_other(environ)),
                    _folder(folder) if folder else whole)


def _parts(environ: Mapping[str, str], parts: Collection[str]) -> tuple[str, ...]:
    wanted = tuple(environ.get('BENCH_ONLY', '').replace(',', ' ').split()) or tuple(parts)
    unknown = set(wanted) - set(parts)
    if unknown:
        raise BenchError(f'BENCH_ONLY: no {", ".join(sorted(unknown))}; there are {", ".join(parts)}')
    return wanted


def _folder(path: str) -> Path:
    if not Path(path).is_dir():
        raise BenchError(f'BENCH_TO: {path} is not a folder; make it first')
    return Path(path)


def _other(environ: Mapping[str, str]) -> tuple[Server, ...]:
    """Return the second registry, where there is one."""
    path = environ.get('BENCH_REGISTRY')
    if not path:
        return ()
    if not os.access(path, os.X_OK) or Path(path).is_dir():
        raise BenchError(f'BENCH_REGISTRY: {path} is not a program; write the path of one, such as ./registry')
    absolute = str(Path(path).absolute())
    return (Server(absolute, f'{Path(path).name} {version_of([absolute, "--version"])}'),)


def _number(environ: Mapping[str, str], name: str, default: str) -> int:
    value = environ.get(name) or default
    if not value.isascii() or not value.isdigit() or int(value) < 1:
        raise BenchError(f'{name} is a whole number, at least 1')
    return int(value)
