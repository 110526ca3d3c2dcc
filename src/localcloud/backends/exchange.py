"""A stand-in for the exchange whose API the backend asks for quotes: a small HTTPS server, run as a program.

``GET /v1/quotes?symbols=BTC,ETH`` answers ``{"as_of": …, "quotes": [{"symbol": …, "price": …}]}``. How it behaves is in
a file that it reads for each request, so that it can be made to hang, to be slow or to fail while it runs: what a
client then sees is what a broken exchange would do to it. Only the standard library is imported: it starts at once.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import signal
import ssl
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

BASE = {"BTC": 100_000, "ETH": 4_000, "SOL": 180, "XRP": 2.4, "ADA": 0.8, "DOGE": 0.2}
"""US dollars around which the price of each coin swings."""
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


def price(symbol: str, moment: int) -> str:
    """The price at a moment, seconds since 1970, with eight decimals."""
    chance = random.Random(f"{symbol}:{moment}")  # noqa: S311 - a toy market
    swing = 0.03 * math.sin(2 * math.pi * (moment / 2903 + len(symbol) * ord(symbol[0]) / 7))
    return f"{BASE[symbol] * (1 + swing + chance.uniform(-0.001, 0.001)):.8f}"


def quotes(path: str) -> tuple[int, object]:
    """Status and body of the answer to a path."""
    parts = urlsplit(path)
    if parts.path != "/v1/quotes":
        return 404, {"error": "there is /v1/quotes?symbols=BTC,ETH"}
    moment = int(time.time())
    wanted = ",".join(parse_qs(parts.query).get("symbols", [",".join(BASE)])).split(",")
    known = [{"symbol": symbol, "price": price(symbol, moment)} for symbol in wanted if symbol in BASE]
    return 200, {"as_of": moment, "quotes": known}


async def answer(file: Path, path: str, reader: asyncio.StreamReader) -> tuple[int, object] | None:
    """What to say; None where the client went away while it was kept waiting."""
    behaviour = read_behaviour(file)
    until = time.monotonic() + behaviour.seconds
    while behaviour.mode == "hang" or (behaviour.mode == "slow" and time.monotonic() < until):
        await asyncio.sleep(0.1)
        if reader.at_eof():
            return None
        behaviour = read_behaviour(file)
    if behaviour.mode == "errors":
        return 503, {"error": "the matching engine is not available"}
    return quotes(path)


async def serve(file: Path, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection: requests without bodies, one after the other."""
    try:
        while True:
            async with asyncio.timeout(IDLE):
                request = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            method, path, _ = request.split("\r\n", 1)[0].split(" ", 2)
            records = (405, {"error": "only GET"}) if method != "GET" else await answer(file, path, reader)
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


async def run(address: str, port: int, certificate: Path, key: Path, file: Path) -> None:
    """Serve until SIGTERM."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    response = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, response.set)
    server = await asyncio.start_server(
        lambda reader, writer: serve(file, reader, writer), address, port, ssl=context, limit=LONGEST_REQUEST
    )
    await response.wait()
    server.close()


if __name__ == "__main__":
    where, number, certificate_file, key_file, behaviour_file = sys.argv[1:]
    asyncio.run(run(where, int(number), Path(certificate_file), Path(key_file), Path(behaviour_file)))
