"""Where prices come from: an exchange's HTTP API, or without one a simulator that walks at random but repeatably.

Nothing here touches the database; ``prices`` stores what these return.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Protocol

TIMEOUT = 3.0


class ExchangeError(Exception):
    """The exchange gave no usable prices."""


@dataclass(frozen=True, slots=True)
class Coin:
    """A coin with the price that it started from and the last one stored (None before the first)."""

    symbol: str
    base_price: Decimal
    last_price: Decimal | None


class Exchange(Protocol):
    async def quotes(self, coins: Sequence[Coin], tick: int) -> dict[str, Decimal]:
        """Price by symbol, in US dollars. Raises ExchangeError."""


class SimulatedExchange:
    """A step of about 0.2 % each tick, drawn back to the base price so that a year of steps stays near it."""

    async def quotes(self, coins: Sequence[Coin], tick: int) -> dict[str, Decimal]:
        return {coin.symbol: step(coin, tick) for coin in coins}


def step(coin: Coin, tick: int) -> Decimal:
    """The next price. The same coin, last price and tick give the same step."""
    last = coin.last_price or coin.base_price
    drift = 0.01 * math.log(coin.base_price / last)
    noise = random.Random(f"{coin.symbol}:{tick}").gauss(0, 0.002)  # noqa: S311 - a toy market
    return max(Decimal("0.00000001"), (last * Decimal(math.exp(drift + noise))).quantize(Decimal("0.00000001")))


class HttpExchange:
    """GET of one URL that answers ``{"BTC": "100000.00", …}``."""

    def __init__(self, url: str) -> None:
        if not url.startswith(("http://", "https://")):
            raise ExchangeError(f"EXCHANGE_URL is {url!r}; it must start with http:// or https://")
        self._url = url

    async def quotes(self, coins: Sequence[Coin], tick: int) -> dict[str, Decimal]:  # noqa: ARG002
        try:
            async with asyncio.timeout(TIMEOUT + 1):
                answer = json.loads(await asyncio.to_thread(self._get))
            quotes = {coin.symbol: Decimal(str(answer[coin.symbol])) for coin in coins if coin.symbol in answer}
        except TimeoutError as error:
            raise ExchangeError(f"the exchange did not answer within {TIMEOUT:g} s") from error
        except (OSError, ValueError, TypeError, InvalidOperation) as error:
            raise ExchangeError(f"the exchange gave no usable prices: {type(error).__name__}: {error}") from error
        good = {symbol: price for symbol, price in quotes.items() if price.is_finite() and price > 0}
        if not good:
            raise ExchangeError("the exchange's answer has no price of any of our coins")
        return good

    def _get(self) -> bytes:
        with urllib.request.urlopen(self._url, timeout=TIMEOUT) as answer:  # noqa: S310 - checked in __init__
            body: bytes = answer.read(1 << 20)
            return body
