"""A script that starts the processes of one run and tells how long they took and how much memory they had.

Small on purpose, and run by ``python -I -S``: Linux counts to a process's peak what the process that started it had,
so that of the starter is the least that can be seen. Reads a JSON object on its standard input: ``pipeline`` (a list of
commands, each with the path of its program), ``environ``, and ``stdout`` (the path that the last one writes to); writes
one: ``seconds``, ``cpu`` (the seconds that all had of a processor), and for each command its ``statuses`` and ``peaks``
(bytes).
"""

import json
import os
import sys
import time

KIBIBYTE = 1024  # in these ru_maxrss is counted


def start(command: list[str], environ: dict[str, str], source: int, sink: int) -> int:
    """Start a command between two open files, and return its process id."""
    return os.posix_spawn(command[0], command, environ, file_actions=[
        (os.POSIX_SPAWN_DUP2, source, 0), (os.POSIX_SPAWN_DUP2, sink, 1)])


def main() -> None:
    """Run what standard input says."""
    task = json.load(sys.stdin)
    pipeline, environ = task['pipeline'], task['environ']
    output = os.open(task['stdout'], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    source = os.open(os.devnull, os.O_RDONLY)
    processes = []
    begin = time.monotonic()
    for number, command in enumerate(pipeline, 1):
        following, sink = os.pipe() if number < len(pipeline) else (source, output)
        processes.append(start(command, environ, source, sink))
        os.close(sink)
        if following != source:
            os.close(source)
            source = following
    ends = [os.wait4(process, 0) for process in processes]
    seconds = time.monotonic() - begin
    json.dump({'seconds': seconds, 'cpu': sum(usage.ru_utime + usage.ru_stime for _, _, usage in ends),
               'statuses': [os.waitstatus_to_exitcode(status) for _, status, _ in ends],
               'peaks': [usage.ru_maxrss * KIBIBYTE for _, _, usage in ends]}, sys.stdout)


if __name__ == '__main__':
    main()
