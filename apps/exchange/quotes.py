"""What the exchange answers that the backend asks for quotes, where the local cloud plays it.

``localcloud up --outside-api`` is given this file.

``GET /v1/quotes?symbols=BTC,ETH`` answers ``{"as_of": …, "quotes": [{"symbol": …, "price": …}]}``.
"""

from __future__ import annotations

import math
import random
import time
from urllib.parse import parse_qs, urlsplit

BASE = {"BTC": 100_000, "ETH": 4_000, "SOL": 180, "XRP": 2.4, "ADA": 0.8, "DOGE": 0.2}
"""US dollars around which the price of each coin swings."""


def price(symbol: str, moment: int) -> str:
    """The price at a moment, seconds since 1970, with eight decimals."""
    chance = random.Random(f"{symbol}:{moment}")  # noqa: S311 - a toy market
    swing = 0.03 * math.sin(2 * math.pi * (moment / 2903 + len(symbol) * ord(symbol[0]) / 7))
    return f"{BASE[symbol] * (1 + swing + chance.uniform(-0.001, 0.001)):.8f}"


def answer(path: str) -> tuple[int, object]:
    """Status and body of the answer to a path."""
    parts = urlsplit(path)
    if parts.path != "/v1/quotes":
        return 404, {"error": "there is /v1/quotes?symbols=BTC,ETH"}
    moment = int(time.time())
    wanted = ",".join(parse_qs(parts.query).get("symbols", [",".join(BASE)])).split(",")
    known = [{"symbol": symbol, "price": price(symbol, moment)} for symbol in wanted if symbol in BASE]
    return 200, {"as_of": moment, "quotes": known}
