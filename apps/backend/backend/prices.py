"""Prices: the exchange's quotes, or a simulated market where there is no exchange, and the loop that stores them.

Every process of every task runs the loop. A set of prices belongs to a tick of the clock, and the first process to
store it wins: there is no leader to lose.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

import psycopg

from backend.database import Pool, Row, reason
from backend.exchange import Exchange, ExchangeError

log = logging.getLogger("prices")
WAVES = ((0.004, 331), (0.01, 2903), (0.03, 50021))
"""Swings of each coin around its base price: share of the price, seconds."""
KEPT = "7 days"


def quote(symbol: str, base_price: Decimal, moment: int) -> Decimal:
    """The price in US dollars at a moment, seconds since 1970. The same question has the same answer in every task."""
    chance = random.Random(f"{symbol}:{moment}")  # noqa: S311 - a toy market
    change = chance.uniform(-0.001, 0.001)
    for share, seconds in WAVES:
        change += share * math.sin(2 * math.pi * (moment / seconds + len(symbol) * ord(symbol[0]) / 7))
    return max(Decimal("0.00000001"), (base_price * Decimal(1 + change)).quantize(Decimal("0.00000001")))


async def quotes(exchange: Exchange | None, coins: Sequence[Row], moment: int) -> dict[str, Decimal]:
    """The price at this moment of each of these coins (``symbol``, ``base_price``) that has one, or ExchangeError."""
    if exchange is None:
        return {coin["symbol"]: quote(coin["symbol"], coin["base_price"], moment) for coin in coins}
    found = await exchange.quotes([coin["symbol"] for coin in coins])
    return {coin["symbol"]: found[coin["symbol"]] for coin in coins if coin["symbol"] in found}


async def store(pool: Pool, exchange: Exchange | None, moment: int) -> int:
    """Store the prices of a moment unless another process has; how many were stored."""
    as_of = datetime.fromtimestamp(moment, UTC)
    async with pool.connection() as connection:
        coins = await (await connection.execute("SELECT symbol, base_price FROM coins ORDER BY symbol")).fetchall()
    prices = await quotes(exchange, coins, moment)  # no connection is held while the exchange takes its time
    async with pool.connection() as connection:
        stored = await connection.execute(
            "INSERT INTO prices (symbol, as_of, price) SELECT unnest(%s::text[]), %s, unnest(%s::numeric[])"
            " ON CONFLICT DO NOTHING",
            (list(prices), as_of, list(prices.values())),
        )
        await connection.execute("DELETE FROM prices WHERE as_of < now() - %s::interval", (KEPT,))
        return stored.rowcount


async def run(pool: Pool, exchange: Exchange | None, interval: int) -> None:
    """Store prices at every tick until cancelled. Failures are logged and tried again at the next tick."""
    while True:
        now = time.time()
        try:
            if count := await store(pool, exchange, int(now - now % interval)):
                log.info("prices stored", extra={"fields": {"count": count}})
        except psycopg.Error as error:
            log.error("prices not stored: %s", reason(error))
        except ExchangeError as error:
            log.error("prices not stored: %s", error)
        await asyncio.sleep(interval - time.time() % interval)
