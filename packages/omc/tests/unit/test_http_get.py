"""The one HTTP client against real servers that behave badly: each trouble is told apart, and none takes long."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from omc.aws import http_get
from omc.aws.calls import recording
from omc.aws.command_lines import command_line
from omc.aws.http_get import Failed, Trouble, get
from support.wire import Authority, Handler, answering, page, says

SHORT, LONG = 0.4, 20.0
"""Seconds: where the limit is what ends it, and where it isn't."""


def trouble_of(url: str, timeout: float = LONG, via: tuple[str, int] | None = None) -> Trouble:
    with pytest.raises(Failed) as failed:
        get(url, timeout=timeout, via=via)
    assert failed.value.message.startswith(url)
    return failed.value.trouble


@contextmanager
def nobody_listens() -> Iterator[int]:
    """A port that is kept while nobody listens at it, so that nobody else begins to."""
    with socket.socket() as kept:
        kept.bind(("127.0.0.1", 0))
        yield kept.getsockname()[1]


def drip(start: bytes, drop: bytes) -> Handler:
    def handler(line: socket.socket, over: threading.Event) -> None:
        line.recv(65536)
        line.sendall(start)
        while not over.wait(0.05):
            line.sendall(drop)

    return handler


def silent(line: socket.socket, over: threading.Event) -> None:
    line.recv(65536)
    over.wait(60)


@pytest.mark.parametrize(
    ("handler", "trouble"),
    [
        (silent, Trouble.SILENT),
        (drip(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"), Trouble.SILENT),
        (drip(b"HTTP/1.1 200 OK\r\n\r\n", b"x"), Trouble.SILENT),
        (drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"), Trouble.SILENT),
        (drip(b"", b"H"), Trouble.SILENT),
        (says(), Trouble.CLOSED),
        (says(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf"), Trouble.CLOSED),
        (says(b"SSH-2.0-OpenSSH_9.2\r\n"), Trouble.GARBAGE),
        (says(b"\x00\xff\x00" * 100), Trouble.GARBAGE),
        (says(b"HTTP/1.1 abc OK\r\n\r\n"), Trouble.GARBAGE),
        (says(b"HTTP/1.1 200 " + b"x" * 70_000 + b"\r\n\r\n"), Trouble.GARBAGE),
        (says(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 500 + b"\r\n"), Trouble.GARBAGE),
        (says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nx"), Trouble.CLOSED),
    ],
)
def test_what_stands_in_the_way_of_an_answer(handler: Handler, trouble: Trouble) -> None:
    with answering(handler) as port:
        assert trouble_of(f"http://127.0.0.1:{port}/status", SHORT if trouble is Trouble.SILENT else LONG) is trouble


def test_nothing_listens() -> None:
    with nobody_listens() as port:
        assert trouble_of(f"http://127.0.0.1:{port}/") is Trouble.REFUSED


def test_a_frozen_server_takes_the_connection_and_stays_silent() -> None:
    """SIGSTOP leaves the kernel's queue of connections at work, so that connecting succeeds."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert trouble_of(f"http://127.0.0.1:{server.getsockname()[1]}/", SHORT) is Trouble.SILENT


def test_a_full_queue_takes_no_connection() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        address = server.getsockname()
        held = [socket.socket() for _ in range(4)]
        for each in held:
            each.setblocking(False)
            each.connect_ex(address)
        assert trouble_of(f"http://127.0.0.1:{address[1]}/", SHORT) is Trouble.CONNECT
        for each in held:
            each.close()


@pytest.mark.parametrize(
    "url",
    [
        "http:///nothing",
        "ftp://127.0.0.1/",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:port/",
        "http://[::1/",
        "http://" + "a" * 300 + ".example/",
        "http://a..b/",
    ],
)
def test_an_address_that_makes_no_sense_is_reported_and_no_traceback(url: str) -> None:
    assert trouble_of(url) is Trouble.ADDRESS


def test_a_name_that_nobody_has(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    assert trouble_of("http://shop.example/") is Trouble.NAME


def test_no_resolver_is_not_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def later(*_: object) -> object:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", later)
    assert trouble_of("http://shop.example/") is Trouble.RESOLVER


def test_a_look_up_that_never_ends_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def hangs(_host: str, _port: int, _family: int, _type: int, _protocol: int, flags: int) -> object:
        if flags:
            raise socket.gaierror(socket.EAI_NONAME, "no number")
        over.wait(30)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hangs)
    assert trouble_of("http://shop.example/", SHORT) is Trouble.RESOLVER
    over.set()


def test_the_next_address_is_taken_where_the_first_is_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(page(b"here")) as port, nobody_listens() as dead:
        found = [(socket.AF_INET, 0, 0, "", ("127.0.0.1", dead)), (socket.AF_INET, 0, 0, "", ("127.0.0.1", port))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: found)
        assert get("http://shop.example/", timeout=LONG).body == b"here"
        assert get("http://shop.example/", timeout=LONG, first=1).body == b"here"


def test_an_answer_with_what_is_read_of_it() -> None:
    with answering(page(b"{}" * 9, "404 Not Found", Server="awselb/2.0", Content_Type="Text/HTML; charset=x")) as port:
        found = get(f"http://127.0.0.1:{port}/x", timeout=LONG)
    assert (found.status, found.server, found.kind, found.body) == (404, "awselb/2.0", "text/html", b"{}" * 9)
    assert (found.address, found.is_cut, found.certificate_ends) == ("127.0.0.1", False, None)


def test_of_a_huge_answer_only_so_much_is_read() -> None:
    sent = 0

    def endless(line: socket.socket, over: threading.Event) -> None:
        nonlocal sent
        line.recv(65536)
        line.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not over.is_set():
            line.sendall(b"x" * 65536)
            sent += 65536

    with answering(endless) as port:
        found = get(f"http://127.0.0.1:{port}/", timeout=LONG, most=100_000)
    assert (len(found.body), found.is_cut) == (100_000, True)
    assert sent < 64 << 20


def test_nothing_but_a_get_without_credentials_is_sent() -> None:
    received = b""

    def listens(line: socket.socket, _over: threading.Event) -> None:
        nonlocal received
        received = line.recv(65536)
        line.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    with answering(listens) as port:
        get("http://shop.example/a b/ü?q=\r\nX: y", via=("127.0.0.1", port), timeout=LONG)
    lines = received.decode("ascii").split("\r\n")
    assert lines[0].startswith("GET /a%20b/%C3%BC?q=")
    assert {line.partition(":")[0] for line in lines[1:] if line} == {
        "Host",
        "User-Agent",
        "Accept",
        "Accept-Encoding",
        "Connection",
    }
    assert "Host: shop.example" in lines


def test_the_way_round_is_recorded_as_a_command() -> None:
    with answering(page(b"")) as port, recording() as calls:
        get("http://shop.example/x", via=("127.0.0.1", port), timeout=LONG)
    assert command_line(calls[0]) == (
        f"curl --silent --show-error --max-time 5 --connect-to ::127.0.0.1:{port} http://shop.example/x"
    )


# TLS


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Authority]:
    made = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.file))
    http_get._context.cache_clear()  # it is kept for a process, whose authorities don't change
    yield made
    http_get._context.cache_clear()


def test_a_good_certificate_and_when_it_ends(authority: Authority) -> None:
    with answering(page(b"ok"), authority.server("shop.example", days=9)) as port:
        found = get("https://shop.example/", via=("127.0.0.1", port), timeout=LONG)
    assert found.body == b"ok"
    assert found.certificate_ends is not None
    assert timedelta(days=8) < found.certificate_ends - datetime.now(UTC) < timedelta(days=10)


@pytest.mark.parametrize(
    ("name", "days", "trouble"),
    [
        ("shop.example", -1, Trouble.EXPIRED),
        ("other.example", 30, Trouble.OTHER_NAME),
        ("*.shop.example", 30, Trouble.OTHER_NAME),
    ],
)
def test_a_wrong_certificate(authority: Authority, name: str, days: float, trouble: Trouble) -> None:
    with answering(page(b"ok"), authority.server(name, days=days)) as port:
        assert trouble_of("https://shop.example/", via=("127.0.0.1", port)) is trouble


def test_a_certificate_that_nobody_known_signed(authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "stranger").mkdir()
    stranger = Authority(tmp_path / "stranger")
    with answering(page(b"ok"), stranger.server("shop.example")) as port:
        assert trouble_of("https://shop.example/", via=("127.0.0.1", port)) is Trouble.UNTRUSTED


@pytest.mark.parametrize(
    ("handler", "trouble"),
    [
        (page(b"plain"), Trouble.TLS),
        (silent, Trouble.SILENT),
        (says(), Trouble.CLOSED),
        (drip(b"", b"\x16"), Trouble.TLS),
    ],
)
def test_no_tls_at_all(handler: Handler, trouble: Trouble) -> None:
    with answering(handler) as port:
        limit = SHORT if trouble is Trouble.SILENT else LONG
        found = trouble_of("https://shop.example/", limit, via=("127.0.0.1", port))
    assert found in (trouble, Trouble.TLS), "an end in the middle of the handshake is either"
