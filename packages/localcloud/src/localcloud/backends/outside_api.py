"""A stand-in for somebody else's API: a small HTTPS server, run as a program.

What it answers is said by a Python file from outside with a function ``answer(path) -> (status, JSON)``; without one it
says what was asked. How it behaves is in a file that it reads for each request, so that it can be made to hang, to be
slow or to fail while it runs: what a client then sees is what a broken API would do to it. Only the standard library is
imported: it starts at once.
"""

from __future__ import annotations

import asyncio
import json
import runpy
import signal
import ssl
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

Answers: TypeAlias = Callable[[str], tuple[int, object]]
MODES = ("normal", "hang", "slow", "errors")
LONGEST_REQUEST = 16 << 10
IDLE = 75.0
"""Seconds that a connection may wait for its next request."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """``hang``: requests are read and never answered; ``slow``: answered after so many seconds; ``errors``: 503."""

    mode: str = "normal"
    seconds: float = 0.0


def read_behaviour(file: Path) -> Behaviour:
    """Normal where there is no file."""
    try:
        return Behaviour(**json.loads(file.read_text()))
    except FileNotFoundError:
        return Behaviour()


def write_behaviour(file: Path, behaviour: Behaviour) -> None:
    """From the next request on; those that hang go on hanging until it is normal again."""
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps(asdict(behaviour)))
    fresh.replace(file)


def echo(path: str) -> tuple[int, object]:
    """What is answered where nobody said what the API answers."""
    return 200, {"path": path, "at": int(time.time())}


def answers_of(file: Path | None) -> Answers:
    """The function ``answer(path) -> (status, JSON)`` of a Python file."""
    if file is None:
        return echo
    answers: Answers = runpy.run_path(str(file))["answer"]
    return answers


async def answer(answers: Answers, file: Path, path: str, reader: asyncio.StreamReader) -> tuple[int, object] | None:
    """What to say; None where the client went away while it was kept waiting."""
    behaviour = read_behaviour(file)
    until = time.monotonic() + behaviour.seconds
    while behaviour.mode == "hang" or (behaviour.mode == "slow" and time.monotonic() < until):
        await asyncio.sleep(0.1)
        if reader.at_eof():
            return None
        behaviour = read_behaviour(file)
    if behaviour.mode == "errors":
        return 503, {"error": "not available"}
    return answers(path)


async def serve(answers: Answers, file: Path, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection: requests without bodies, one after the other."""
    try:
        while True:
            async with asyncio.timeout(IDLE):
                request = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            method, path, _ = request.split("\r\n", 1)[0].split(" ", 2)
            records = (405, {"error": "only GET"}) if method != "GET" else await answer(answers, file, path, reader)
            if records is None:
                return
            status, body = records
            content = json.dumps(body).encode()
            closing = "close" in request.lower().partition("\r\nconnection:")[2].partition("\r\n")[0]
            head = f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n"
            head += "Connection: close\r\n\r\n" if closing else "\r\n"
            writer.write(head.encode() + content)
            await writer.drain()
            if closing:
                return
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, ValueError):
        return  # the client went away, or speaks no HTTP
    finally:
        writer.close()


async def run(address: str, port: int, certificate: Path, key: Path, file: Path, answers: Answers) -> None:
    """Serve until SIGTERM."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    response = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, response.set)
    server = await asyncio.start_server(
        lambda reader, writer: serve(answers, file, reader, writer), address, port, ssl=context, limit=LONGEST_REQUEST
    )
    await response.wait()
    server.close()


if __name__ == "__main__":
    where, number, certificate_file, key_file, behaviour_file, *given = sys.argv[1:]
    asyncio.run(
        run(
            where,
            int(number),
            Path(certificate_file),
            Path(key_file),
            Path(behaviour_file),
            answers_of(Path(given[0]) if given else None),
        )
    )
