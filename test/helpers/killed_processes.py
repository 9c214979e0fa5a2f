"""Backups and restores that kill themselves before or after a request: a program that forks one for each line it reads.

Each line is a JSON array: host, whether by http, repository, what to do (``backup``, ``backup_stream``, ``restore``, or
``delete`` for a restore that makes the folder equal), folder or file, alias, the number of the request, and whether to
die before or after it. The answer is the exit status, or minus the signal.
"""

import json
import os
import signal
import sys
from typing import Any

from dxf import DXF, snapshots


def dying(number: int, when: str) -> type[DXF]:
    """Return a client that kills its process at a request."""
    class Dying(DXF):
        """Counts its requests."""

        count = 0

        def _base_request(self, method: str, path: str, **kwargs: Any) -> Any:
            Dying.count += 1
            is_last = Dying.count == number
            if is_last and when == 'before':
                os.kill(os.getpid(), signal.SIGKILL)
            response = super()._base_request(method, path, **kwargs)
            if is_last:
                os.kill(os.getpid(), signal.SIGKILL)
            return response
    return Dying


def act(host: str, insecure: bool, repo: str, what: str, folder: str, alias: str, number: int, when: str) -> None:
    """Back up or restore, unless a request kills it."""
    with dying(number, when)(host, repo, insecure=insecure) as client:
        if what == 'backup':
            snapshots.backup(client, [folder], alias)
        elif what == 'backup_stream':
            snapshots.backup_stream(client, folder, alias)
        else:
            snapshots.load(client, alias).restore(folder, delete=what == 'delete')


def main() -> None:
    """Serve the lines of standard input."""
    for line in sys.stdin:
        child = os.fork()
        if not child:
            status = 1
            try:
                act(*json.loads(line))
                status = 0
            finally:
                os._exit(status)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == '__main__':
    main()
