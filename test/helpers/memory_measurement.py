"""Runs of dxf in a process of its own, with their memory measured.

The peak is VmHWM of the process itself: ``ru_maxrss`` begins with that of the process that started it, which is pytest.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import IO

CHILD = """
import sys, time
from dxf.main import main
status = main()
with open('/proc/self/status') as file:
    peak = next(line.split()[1] for line in file if line.startswith('VmHWM:'))
with open(sys.argv[0] + '.peak', 'w') as file:
    file.write(f'{peak} {time.process_time()}')
sys.exit(status)
"""


class MeasuredRun:
    """Runs dxf, measured: ``status``, ``out``, ``lines`` (of stderr), ``peak`` (MB) and ``seconds`` (of CPU).

    :param stdin: where its input comes from, nowhere by default
    :param stdout: where its output goes in place of ``out``
    """

    def __init__(self, directory: Path, environ: dict[str, str], *args: str,
                 stdin: int | IO[bytes] = subprocess.DEVNULL, stdout: int | IO[bytes] | None = subprocess.PIPE) -> None:
        script = directory / 'child'
        script.write_text(CHILD, encoding='utf-8')
        done = subprocess.run([sys.executable, str(script), *args], stdin=stdin, stdout=stdout,
                              stderr=subprocess.PIPE, timeout=600, check=False, cwd=Path(__file__).parents[2], env={
                                  **_unmeasured(), 'PYTHONPATH': str(Path(__file__).parents[2]), 'DXF_RETRIES': '0',
                                  'DXF_PROGRESS': '0', **environ})
        self.status = done.returncode
        self.out = done.stdout
        self.lines = done.stderr.decode().splitlines()
        peak, seconds = script.with_suffix('.peak').read_text(encoding='utf-8').split()
        self.peak, self.seconds = int(peak) / 1000, float(seconds)

    def failed(self) -> bool:
        """Return whether it failed as it should: one line, with little work and in little memory."""
        return self.status not in (0, None) and len(self.lines) == 1 and self.lines[0].startswith('dxf: ') \
            and self.seconds < 30 and self.peak < 100


def _unmeasured() -> dict[str, str]:
    """Return the environment, without what would have coverage's own memory counted as dxf's."""
    return {name: value for name, value in os.environ.items() if not name.startswith('COVERAGE_')}
