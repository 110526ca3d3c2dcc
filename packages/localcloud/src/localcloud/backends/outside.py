"""A server outside of AWS with large files, and a client that downloads them at a set rate; both over plain TCP.

``outside.py serve ADDRESS PORT`` sends as many bytes as each request asks for (a number, a line). ``outside.py download
ADDRESS PORT BYTES_PER_SECOND`` asks for that each second, over a new connection every ten seconds, and tries again
where it can't connect. Only the standard library is imported.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import socketserver
import sys
import time

CHUNK = bytes(1 << 16)
CONNECTION_SECONDS = 10.0
TIMEOUT = 5.0


class Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while line := self.rfile.readline(32):
                left = int(line)
                while left > 0:
                    left -= self.connection.send(CHUNK[:left])


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def serve(address: str, port: int) -> None:
    with Server((address, port), Handler) as server:
        server.serve_forever()


def download(address: str, port: int, rate: int) -> None:
    while True:
        began = time.monotonic()
        with contextlib.suppress(OSError), socket.create_connection((address, port), TIMEOUT) as connection:
            connection.settimeout(TIMEOUT)
            while time.monotonic() - began < CONNECTION_SECONDS:
                second = time.monotonic()
                connection.sendall(f"{rate}\n".encode())
                left = rate
                while left > 0:
                    got = connection.recv(min(left, 1 << 18))
                    if not got:
                        raise ConnectionResetError
                    left -= len(got)
                time.sleep(max(0.0, second + 1.0 - time.monotonic()))
        time.sleep(max(0.0, min(1.0, began + 1.0 - time.monotonic())))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if sys.argv[1] == "serve":
        serve(sys.argv[2], int(sys.argv[3]))
    else:
        download(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
