"""The page in a real browser: the frontend as it is, and stand-ins for the API's answers on the same origin."""

import asyncio
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from frontend.__main__ import app as frontend

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PRICES = {"BTC": ("Bitcoin", "101234.5"), "ETH": ("Ether", "3987.654321"), "DOGE": ("Dogecoin", "0.20123")}

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(BROWSER is None, reason="no chromium, chromium-browser or google-chrome on PATH"),
]


def prices(request: Request) -> Response:
    now = datetime.now(UTC).isoformat()
    return JSONResponse(
        [{"symbol": symbol, "name": name, "price": price, "as_of": now} for symbol, (name, price) in PRICES.items()]
    )


def history(request: Request) -> Response:
    """Twenty minutes up and down between 100 and 140 for Bitcoin, the coin that the page shows first."""
    assert request.path_params["symbol"] == "BTC"
    start = datetime.now(UTC) - timedelta(minutes=20)
    return JSONResponse(
        [
            {"as_of": (start + timedelta(seconds=5 * each)).isoformat(), "price": str(100 + each % 41)}
            for each in range(240)
        ]
    )


def unavailable(request: Request) -> Response:
    return JSONResponse({"detail": "the database is unavailable, try again"}, 503)


@contextmanager
def serving(*api: Route) -> Iterator[str]:
    """The frontend and these routes of an API on one origin, as the load balancer joins them; the address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()  # whoever comes before the server is ready waits for it
        config = uvicorn.Config(Starlette(routes=[*api, Mount("/", frontend)]), log_config=None)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            server.should_exit = True
            thread.join(10)


def browse(url: str, profile: Path, *options: str) -> str:
    """What a browser makes of the page: the document after its scripts ran for four (virtual) seconds."""
    arguments = [
        str(BROWSER),
        *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
        *("--disable-background-networking", "--disable-component-update", "--no-first-run"),
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # it must find all it needs on this machine
        f"--user-data-dir={profile}",
        "--virtual-time-budget=4000",
        *options,
        url,
    ]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=90, check=True).stdout


def test_prices_and_the_chart_are_drawn(tmp_path: Path) -> None:
    with serving(Route("/api/v1/prices", prices), Route("/api/v1/prices/{symbol}/history", history)) as url:
        document = browse(url, tmp_path, "--dump-dom")
    assert re.findall(r"<tr><td>(.*?)</td><td>(.*?)</td></tr>", document) == [
        ("Bitcoin (BTC)", "101,234.5"),
        ("Ether (ETH)", "3,987.654"),
        ("Dogecoin (DOGE)", "0.20123"),
    ]
    assert re.search(r'<p id="freshness"[^>]* class="">Prices are \d s old</p>', document)
    assert re.findall(r"<option value=\"(\w+)\">", document) == list(PRICES)
    [points] = re.findall(r'<polyline id="line" points="([^"]+)">', document)
    corners = [tuple(float(number) for number in corner.split(",")) for corner in points.split()]
    assert len(corners) == 240
    assert all(0 <= x <= 600 and 0 <= y <= 240 for x, y in corners), "the line leaves the picture"
    assert [x for x, _ in corners] == sorted(x for x, _ in corners)
    assert corners[40][1] < corners[0][1], "a higher price must be drawn further up"
    assert re.search(r"<figcaption .*>[\d:]{8} to [\d:]{8}, between 100 and 140</figcaption>", document)


def test_an_api_that_fails_is_reported_on_the_page(tmp_path: Path) -> None:
    with serving(Route("/api/v1/{path:path}", unavailable)) as url:
        document = browse(url, tmp_path, "--dump-dom")
    assert re.search(r'class="bad">Prices can\'t be refreshed: the API answered 503</p>', document)
