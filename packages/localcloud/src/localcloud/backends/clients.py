"""Small stand-ins for two clients that the runbook calls inside a task: ``redis-cli`` and ``nc``.

The real ones are in the images. Here tasks are processes of a machine that may lack them; where it has them, they are
used. Run as ``python -m localcloud.backends.clients redis-cli …``.
"""

from __future__ import annotations

import argparse
import shlex
import socket
import ssl
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO, cast

from localcloud.backends.valkey import Reply, ValkeyError, encode, read_reply


def redis_cli(arguments: Sequence[str]) -> int:
    """``redis-cli [-h host] [-p port] [--tls] [-a password] [-n database] [command …]``; commands from stdin else."""
    parser = argparse.ArgumentParser("redis-cli", add_help=False)
    parser.add_argument("-h", dest="host", default="127.0.0.1")
    parser.add_argument("-p", dest="port", type=int, default=6379)
    parser.add_argument("-a", dest="password")
    parser.add_argument("-n", dest="database", type=int, default=0)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--cacert")
    parser.add_argument("--insecure", action="store_true")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    provided = parser.parse_args(arguments)
    try:
        with _connection(provided) as stream:
            if provided.password:
                _ask(stream, ["AUTH", provided.password])
            if provided.database:
                _ask(stream, ["SELECT", str(provided.database)])
            if provided.command:
                return _show(stream, provided.command)
            status = 0
            for line in sys.stdin:
                if words := shlex.split(line):
                    status = _show(stream, words)
            return status
    except (OSError, ValkeyError) as problem:
        print(f"Could not connect to Redis at {provided.host}:{provided.port}: {problem}", file=sys.stderr)
        return 1


@contextmanager
def _connection(provided: argparse.Namespace) -> Iterator[BinaryIO]:
    with socket.create_connection((provided.host, provided.port), 10) as plain:
        if not provided.tls:
            with plain.makefile("rwb") as stream:
                yield cast("BinaryIO", stream)
            return
        context = ssl.create_default_context(cafile=provided.cacert)
        if provided.insecure:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(plain, server_hostname=provided.host) as secure, secure.makefile("rwb") as stream:
            yield cast("BinaryIO", stream)


def _ask(stream: BinaryIO, words: Sequence[str]) -> Reply:
    stream.write(encode(words))
    stream.flush()
    return read_reply(stream)


def _show(stream: BinaryIO, words: Sequence[str]) -> int:
    try:
        reply = _ask(stream, words)
    except ValkeyError as problem:
        print(f"(error) {problem}" if sys.stdout.isatty() else problem)
        return 1
    print("\n".join(_lines(reply)))
    return 0


def _lines(reply: Reply) -> Iterator[str]:
    if isinstance(reply, list):
        for each in reply:
            yield from _lines(each)
    else:
        yield "" if reply is None else str(reply)


def nc(arguments: Sequence[str]) -> int:
    """``nc -zv [-w seconds] [-s source] host port``: whether a connection can be made, in the words of OpenBSD's nc."""
    parser = argparse.ArgumentParser("nc")
    parser.add_argument("-z", dest="only_connect", action="store_true")
    parser.add_argument("-v", dest="verbose", action="store_true")
    parser.add_argument("-w", dest="timeout", type=float, default=10.0)
    parser.add_argument("-s", dest="source", default="")
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    provided = parser.parse_args(arguments)
    if not provided.only_connect:
        print("nc: this stand-in only tries connections; use -z", file=sys.stderr)
        return 2
    try:
        source = (provided.source, 0) if provided.source else None
        socket.create_connection((provided.host, provided.port), provided.timeout, source).close()
    except OSError as problem:
        reason = problem.strerror or str(problem)
        print(f"nc: connect to {provided.host} port {provided.port} (tcp) failed: {reason}", file=sys.stderr)
        return 1
    if provided.verbose:
        print(f"Connection to {provided.host} {provided.port} port [tcp/*] succeeded!", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit({"redis-cli": redis_cli, "nc": nc}[sys.argv[1]](sys.argv[2:]))
