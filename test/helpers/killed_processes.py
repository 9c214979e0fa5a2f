"""Commands that kill themselves before or after a request, or before a step in a folder: one is forked for each line.

Each line is a JSON object, the members of :class:`Run`. The answer is the exit status, or minus the signal.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import fsspec

import dxf
from dxf.cli.error_messages import line_of
from dxf.exceptions import DXFError
from dxf.main import doit
from dxf.registry import DXFBase

from .layout_processes import watch


class Run(NamedTuple):
    """A command, and where it ends.

    :param args: of ``dxf``; or ``fsspec``, the name of a method of the filesystem and what it is given, the members of
        ``together`` being such calls that are made in one transaction
    :param number: of the request or step, from 1
    :param when: ``before`` or ``after`` a request, or before a ``step``
    :param root: the folder in which changes are steps
    :param constants: values of names of modules, by these: with small packs, a small folder has several
    """

    args: list[Any]
    environ: dict[str, str]
    number: int = 0
    when: str = 'before'
    root: str = ''
    constants: dict[str, int] | None = None


KILLED = -signal.SIGKILL
CRASHED = 70
"""The status of a command that ends by an exception that is no error of dxf or of the system."""


# In the process that runs the tests

class Killing:
    """Runs commands, of which one request or step may be the last.

    :param process: the program
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, run: Run) -> int:
        """Run a command; return its exit status, or :data:`KILLED`."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(run._asdict()) + '\n')
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@contextmanager
def started(home: Path) -> Iterator[Killing]:
    """Start the program; it is ended at the end."""
    environ = {**os.environ, 'HOME': str(home), 'PYTHONPATH': os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen([sys.executable, '-m', __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                          env=environ, cwd=Path(__file__).parents[2]) as process:
        try:
            yield Killing(process)
        finally:
            process.kill()


# In the program

def die() -> None:
    """Kill this process."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_at_request(number: int, when: str) -> None:
    """Let this process kill itself at a request of a number."""
    request = DXFBase._base_request
    numbers = count(1)

    def dying(self: DXFBase, method: str, path: str, **kwargs: Any) -> Any:
        is_last = next(numbers) == number
        if is_last and when == 'before':
            die()
        try:
            return request(self, method, path, **kwargs)
        finally:
            if is_last:
                die()
    setattr(DXFBase, '_base_request', dying)


def die_before_step(number: int, root: str) -> None:
    """Let this process kill itself before it changes something in a folder for the time of a number."""
    numbers = count(1)
    watch(Path(root), lambda: die() if next(numbers) == number else None, False)


def use_filesystem(environ: dict[str, str], name: str, *args: Any) -> int:
    """Call a method of the filesystem, or several in a transaction."""
    filesystem = fsspec.filesystem('dxf', host=environ['DXF_HOST'], insecure=environ.get('DXF_INSECURE') == '1')
    if name != 'together':
        options = args[-1] if isinstance(args[-1], dict) else {}
        getattr(filesystem, name)(*(arg for arg in args if arg is not options), **options)
        return 0
    with filesystem.transaction:
        for method, *rest in args:
            getattr(filesystem, method)(*rest)
    return 0


def carry_out(run: Run) -> int:
    """Run a command, unless it dies; return its exit status."""
    for path, value in (run.constants or {}).items():
        module, _, constant = path.rpartition('.')
        setattr(importlib.import_module(module), constant, value)
    if run.number and run.when == 'step':
        die_before_step(run.number, run.root)
    elif run.number:
        die_at_request(run.number, run.when)
    name, *args = run.args
    if name == 'fsspec':
        return use_filesystem(run.environ, *args)
    return doit(run.args, {'DXF_JOBS': '1', 'DXF_RETRIES': '0', 'DXF_PROGRESS': '0', **run.environ})


def import_all() -> None:
    """Import here what each process would else import for itself."""
    for module in pkgutil.walk_packages(dxf.__path__, 'dxf.'):
        if module.name != 'dxf.__main__':
            importlib.import_module(module.name)
    gc.freeze()


def main() -> None:
    """Serve the lines of standard input."""
    with open(os.dup(1), 'w', encoding='ascii') as answers, open(os.devnull, 'wb') as null:
        os.dup2(null.fileno(), 1)  # what commands print does not matter
        # Who is killed, unlike a machine without power, loses nothing that was written; and there are no other writers.
        setattr(os, 'fsync', lambda file: None)
        setattr(time, 'sleep', lambda seconds: None)
        import_all()
        for line in sys.stdin:
            child = os.fork()
            if not child:
                status = 1
                try:
                    status = carry_out(Run(**json.loads(line)))
                except (DXFError, OSError) as error:  # those of requests are OSErrors too
                    print(line_of(error), file=sys.stderr)
                except BaseException:
                    traceback.print_exc()
                    status = CRASHED
                finally:
                    os._exit(status)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), file=answers, flush=True)


if __name__ == '__main__':
    main()
