"""One HTTP GET (or TRACE) without credentials: what answered, or what stood in the way, told apart.

Redirects aren't followed.

It speaks HTTP by http.client, since urllib costs 30 ms to import and follows proxies and redirects. One limit of time
holds for all of it (look-up, connection, TLS, answer), also against a server that sends a byte now and then.
"""

from __future__ import annotations

import io
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import omc
from omc.aws.calls import Call, record
from omc.errors import Unreachable

if TYPE_CHECKING:
    import ssl

MAX_BYTES = 1 << 20
"""Bytes of a body. What is asked for here has a few thousand."""
_QUERY = "/%:@!$&'()*+,;=~?"
"""What stands in a path or a query as it is."""


class Trouble(StrEnum):
    """What stood in the way of an answer."""

    NAME = "name"
    """The name leads nowhere."""
    RESOLVER = "resolver"
    """Nobody answered what the name leads to."""
    ROUTE = "route"
    """This machine has no way to the address."""
    REFUSED = "refused"
    """Something is there, and nothing listens on the port."""
    CONNECT = "connect"
    """Nothing answered when a connection was asked for."""
    EXPIRED = "expired"
    """The certificate is of another time: expired, or not valid yet."""
    OTHER_NAME = "other-name"
    """The certificate is of another name."""
    UNTRUSTED = "untrusted"
    """The certificate isn't from a trusted authority."""
    TLS = "tls"
    """No TLS connection could be made: another protocol, no version in common."""
    SILENT = "silent"
    """Connected, and then no whole answer in time."""
    CLOSED = "closed"
    """The connection ended before the answer did."""
    GARBAGE = "garbage"
    """What came is not HTTP."""
    ADDRESS = "address"
    """The URL itself is invalid."""


class Failed(Unreachable):
    """No answer, and why."""

    def __init__(self, message: str, trouble: Trouble, problem: str) -> None:
        super().__init__(message)
        self.trouble = trouble
        self.problem = problem
        """In the words of the library, for evidence."""


@dataclass(frozen=True, slots=True)
class Page:
    """One answer. Its texts are somebody else's: data, never more."""

    status: int
    reason: str
    location: str
    """Where it redirects to, as it says; else empty."""
    server: str
    """The header ``Server``; load balancers name themselves in what they answer on their own."""
    kind: str
    """The media type, lower case, without parameters."""
    body: bytes
    is_cut: bool
    """The body is longer than what was read of it."""
    seconds: float
    address: str
    """IP address that answered."""
    certificate_ends: datetime | None = None


def get(
    url: str,
    *,
    timeout: float = 5.0,
    shown: str = "",
    via: tuple[str, int] | None = None,
    first: int = 0,
    most: int = MAX_BYTES,
    method: str = "GET",
) -> Page:
    """GET ``url``; no longer than ``timeout`` seconds. Raises ``Failed``.

    ``via`` is the host and port to connect to in place of the URL's own (the name in ``Host`` and in TLS stays the
    URL's); ``first`` says which of the addresses is tried first. ``shown`` stands for the URL in messages and records.
    ``method``: GET or TRACE.
    """
    shown = shown or url
    at, began = datetime.now(UTC), time.monotonic()
    problem: str | None = None
    try:
        return _get(url, via, first, most, began, began + timeout, method)
    except _Stopped as stopped:
        problem = stopped.problem
        raise Failed(f"{shown} can't be reached ({stopped.problem}).", stopped.trouble, stopped.problem) from stopped
    finally:
        request: dict[str, Any] = {"url": shown}
        if via:
            request["via"] = f"{via[0]}:{via[1]}"
        record(Call("http", method, request, at, time.monotonic() - began, 1, problem, is_next_page=False))


class _Stopped(Exception):
    def __init__(self, trouble: Trouble, problem: object) -> None:
        super().__init__(str(problem))
        self.trouble = trouble
        self.problem = str(problem) or type(problem).__name__


def _get(
    url: str, via: tuple[str, int] | None, first: int, most: int, began: float, deadline: float, method: str
) -> Page:
    from http.client import HTTPConnection, HTTPException

    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna").decode("ascii")
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except (ValueError, UnicodeError) as error:
        raise _Stopped(Trouble.ADDRESS, error) from error
    if not host or parts.scheme not in ("http", "https"):
        raise _Stopped(Trouble.ADDRESS, "it isn't an http or https URL with a host")
    target = quote(parts.path or "/", safe=_QUERY) + (f"?{quote(parts.query, safe=_QUERY)}" if parts.query else "")
    usual = port == (443 if parts.scheme == "https" else 80)
    named = f"[{host}]" if ":" in host else host
    headers = {
        "Host": named if usual else f"{named}:{port}",
        "User-Agent": f"omc/{omc.__version__}",
        "Accept": "application/json, text/html;q=0.9, */*;q=0.1",
        "Connection": "close",
    }
    line = _connected(*(via or (host, port)), first, deadline)
    ends: datetime | None = None
    connection = HTTPConnection(host, port)
    try:
        address = str(line.getpeername()[0])
        if parts.scheme == "https":
            line, ends = _secured(line, host, deadline)
        connection.sock = _Timed(line, deadline)  # all that http.client asks of a socket
        connection.request(method, target, headers=headers)
        answer = connection.getresponse()
        body = b""
        while len(body) <= most and (part := answer.read1(most)):
            body += part
        if answer.length and len(body) <= most:
            raise _Stopped(Trouble.CLOSED, "the connection ended in the middle of the answer")
        return Page(
            status=answer.status,
            reason=answer.reason,
            location=answer.headers.get("Location", ""),
            server=answer.headers.get("Server", ""),
            kind=answer.headers.get_content_type() if "Content-Type" in answer.headers else "",
            body=body[:most],
            is_cut=len(body) > most,
            seconds=time.monotonic() - began,
            address=address,
            certificate_ends=ends,
        )
    except TimeoutError as error:
        raise _Stopped(Trouble.SILENT, "timed out") from error
    except OSError as error:
        raise _Stopped(Trouble.CLOSED, error) from error
    except HTTPException as error:
        cut_short = type(error).__name__ == "IncompleteRead"
        raise _Stopped(Trouble.CLOSED if cut_short else Trouble.GARBAGE, type(error).__name__) from error
    except ValueError as error:  # a length of a chunk that is no number, and the like
        raise _Stopped(Trouble.GARBAGE, type(error).__name__) from error
    finally:
        connection.close()
        line.close()


class _Timed:
    """A socket for http.client, each of whose waits ends with the deadline."""

    def __init__(self, line: socket.socket, deadline: float) -> None:
        self._line, self._deadline = line, deadline

    def sendall(self, data: bytes) -> None:
        self._line.settimeout(_left(self._deadline))
        self._line.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self._line, self._deadline))

    def close(self) -> None:
        """http.client has done with it as soon as the headers are there; the body is still to come."""


class _Reader(io.RawIOBase):
    def __init__(self, line: socket.socket, deadline: float) -> None:
        self._line, self._deadline = line, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._line.settimeout(_left(self._deadline))
        return self._line.recv_into(buffer)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


def _connected(host: str, port: int, first: int, deadline: float) -> socket.socket:
    """A connection to the first of the host's addresses that takes one; what is left of the time is shared out."""
    found = look_up(host, port, deadline - time.monotonic())
    first %= len(found)
    waiting = [*found[first:], *found[:first]]
    trouble = _Stopped(Trouble.CONNECT, "timed out")
    for number, (family, address) in enumerate(waiting):
        try:
            line = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:  # no IPv6 on this machine
            trouble = _Stopped(Trouble.ROUTE, error) if number == 0 else trouble
            continue
        try:
            line.settimeout(_left(deadline) / (len(waiting) - number))
            line.connect(address)
            return line
        except TimeoutError:
            trouble = _Stopped(Trouble.CONNECT, "timed out")
        except ConnectionRefusedError as error:
            trouble = _Stopped(Trouble.REFUSED, error)
        except OSError as error:
            if number == 0:  # of another address, its own trouble says more
                trouble = _Stopped(Trouble.ROUTE, error)
        line.close()
    raise trouble


Address = tuple[int, Any]


def look_up(host: str, port: int, timeout: float) -> Sequence[Address]:
    """Family and address of each that the name leads to. The library's look-up has no limit of time, so that it runs
    in a thread of its own, which is left behind where it takes too long."""
    import queue
    import threading

    try:
        return _addresses(host, port, socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        pass  # a name
    answer: queue.SimpleQueue[Sequence[Address] | Exception] = queue.SimpleQueue()

    def look() -> None:
        try:
            answer.put(_addresses(host, port, 0))
        except (OSError, UnicodeError) as error:
            answer.put(error)

    threading.Thread(target=look, daemon=True, name="look-up").start()
    try:
        found = answer.get(timeout=max(timeout, 0.001))
    except queue.Empty:
        raise _Stopped(Trouble.RESOLVER, f"{host} could not be looked up in time") from None
    if isinstance(found, Exception):
        nobody = isinstance(found, socket.gaierror) and found.errno in (socket.EAI_AGAIN, socket.EAI_FAIL)
        why = getattr(found, "strerror", None) or found
        raise _Stopped(Trouble.RESOLVER if nobody else Trouble.NAME, f"{host}: {why}")
    if not found:
        raise _Stopped(Trouble.NAME, f"{host}: no address")
    return found


def _addresses(host: str, port: int, flags: int) -> Sequence[Address]:
    return [(int(entry[0]), entry[4]) for entry in socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM, 0, flags)]


@cache
def _context() -> ssl.SSLContext:
    import ssl

    return ssl.create_default_context()


def _secured(line: socket.socket, host: str, deadline: float) -> tuple[socket.socket, datetime | None]:
    import ssl

    line.settimeout(_left(deadline))
    try:
        secured = _context().wrap_socket(line, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        kinds = {9: Trouble.EXPIRED, 10: Trouble.EXPIRED, 62: Trouble.OTHER_NAME, 64: Trouble.OTHER_NAME}
        raise _Stopped(kinds.get(error.verify_code, Trouble.UNTRUSTED), error.verify_message.rstrip(".")) from error
    except TimeoutError as error:
        raise _Stopped(Trouble.SILENT, "timed out during the TLS handshake") from error
    except (ssl.SSLError, ValueError) as error:
        why = getattr(error, "reason", None) or error
        raise _Stopped(Trouble.TLS, str(why).lower().replace("_", " ")) from error
    except OSError as error:
        raise _Stopped(Trouble.CLOSED, error) from error
    ends = secured.getpeercert() or {}
    message = str(ends.get("notAfter", ""))
    return secured, datetime.fromtimestamp(ssl.cert_time_to_seconds(message), UTC) if message else None
