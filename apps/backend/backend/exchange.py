"""The exchange whose quotes we store and show: somebody else's API, which may be slow, wrong or away at any time.

It is asked over plain HTTP/1.1 in a thread; every question has one time limit for the whole of it. The connection is
verified against the default trust store, which SSL_CERT_FILE replaces.
"""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from http.client import HTTPException
from urllib.parse import quote

DECIMALS = Decimal("0.00000001")


class ExchangeError(Exception):
    """No quotes were to be had; the message names the exchange and why."""


class ExchangeTimeout(ExchangeError):
    """It gave no whole answer in time."""


@dataclass(slots=True)
class Exchange:
    url: str
    timeout: float
    """Seconds for a whole question."""
    state: str = "unknown"
    """``available`` or ``unavailable``, as the newest question showed; ``unknown`` before the first."""

    async def quotes(self, symbols: Sequence[str]) -> dict[str, Decimal]:
        """The prices in US dollars of those symbols that the exchange knows."""
        try:
            found = await self._quotes(symbols)
        except ExchangeError:
            self.state = "unavailable"
            raise
        self.state = "available"
        return found

    async def _quotes(self, symbols: Sequence[str]) -> dict[str, Decimal]:
        try:
            async with asyncio.timeout(self.timeout):
                return await asyncio.to_thread(self._ask, symbols)
        except TimeoutError:
            raise ExchangeTimeout(f"exchange {self.url} did not answer within {self.timeout:g} s") from None
        except (OSError, HTTPException, ValueError, KeyError, TypeError, InvalidOperation) as error:
            raise ExchangeError(f"exchange {self.url} failed: {_reason(error)}") from None

    def _ask(self, symbols: Sequence[str]) -> dict[str, Decimal]:
        url = f"{self.url}/v1/quotes?symbols={quote(','.join(symbols))}"
        # The time limit above is the one that counts; this one ends a thread that nobody waits for any more.
        with urllib.request.urlopen(url, timeout=self.timeout + 1) as answer:  # noqa: S310 - settings allow http(s) only
            found = json.load(answer)
        prices = {each["symbol"]: Decimal(each["price"]).quantize(DECIMALS) for each in found["quotes"]}
        if any(price <= 0 for price in prices.values()):
            raise ValueError("a quote that is not above zero")
        return prices


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"it answered {error.code}"
    if isinstance(error, urllib.error.URLError):
        return str(error.reason)
    return f"{type(error).__name__}: {error}"
