"""The dxf of shells in tests: has the fork server run the command on its own streams, and ends as the command did.

It is started as ``python -I -S shell_client.py ADDRESS PROGRAM ARGUMENTS...``, and imports only what the interpreter
holds.
"""

import _socket
import marshal
import posix
import sys


def main(address: str, program: str, args: list[str]) -> int:
    """Run a command; return its exit status."""
    environ = {_text(name): _text(value) for name, value in posix.environ.items()}
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    connection.connect(address)
    streams = b''.join(number.to_bytes(4, sys.byteorder) for number in range(3))
    connection.sendmsg([b'.'], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)])
    connection.sendall(marshal.dumps({'program': program, 'args': args, 'environ': environ, 'cwd': posix.getcwd()}))
    connection.shutdown(_socket.SHUT_WR)
    answer = b''
    while piece := connection.recv(100):
        answer += piece
    status = int(answer.split()[1])
    if status < 0:
        signal = __import__('_signal')  # the module signal takes longer to import than all the rest
        if -status != signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)  # the interpreter ignores SIGPIPE and catches SIGINT
        posix.kill(posix.getpid(), -status)
    return status


def _text(value: bytes) -> str:
    return value.decode(sys.getfilesystemencoding(), 'surrogateescape')


if __name__ == '__main__':
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
