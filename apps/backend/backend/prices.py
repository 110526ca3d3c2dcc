"""Prices in the database: the queries that read them and the loop that stores new ones.

Every process of every task runs the loop; an advisory lock and the age of the newest price let one of them store
each cycle, so there is no leader to lose.
"""

from __future__ import annotations

import asyncio
import logging
from decimal import Decimal
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import class_row

from backend.database import Pool, reason
from backend.exchange import Coin, Exchange, ExchangeError

log = logging.getLogger("prices")
LOCK = 0x70726963
KEPT = "7 days"

LATEST = """
SELECT coins.symbol, coins.name, coins.base_price, newest.price, newest.as_of, earlier.price AS price_day_ago
FROM coins
LEFT JOIN LATERAL (SELECT price, as_of FROM prices WHERE symbol = coins.symbol
                   ORDER BY as_of DESC LIMIT 1) newest ON true
LEFT JOIN LATERAL (SELECT price FROM prices WHERE symbol = coins.symbol AND as_of >= now() - interval '1 day'
                   ORDER BY as_of LIMIT 1) earlier ON true
ORDER BY coins.base_price DESC
"""
HISTORY = """
SELECT max(as_of) AS as_of, round(avg(price), 8) AS price FROM prices
WHERE symbol = %(symbol)s AND as_of >= now() - make_interval(mins => %(minutes)s)
GROUP BY floor(extract(epoch FROM as_of) / %(step)s) ORDER BY 1
"""
AGE = "SELECT extract(epoch FROM clock_timestamp() - max(as_of))::float8 AS seconds FROM prices"


async def latest(pool: Pool) -> list[dict[str, Any]]:
    async with pool.connection() as connection:
        return await (await connection.execute(LATEST)).fetchall()


async def history(pool: Pool, symbol: str, minutes: int) -> list[dict[str, Any]]:
    """At most about 240 averaged points."""
    parameters = {"symbol": symbol, "minutes": minutes, "step": max(1, minutes * 60 // 240)}
    async with pool.connection() as connection:
        return await (await connection.execute(HISTORY, parameters)).fetchall()


async def age(connection: AsyncConnection[dict[str, Any]]) -> float | None:
    """Seconds since the newest stored price; None before the first."""
    row = await (await connection.execute(AGE)).fetchone()
    return None if row is None or row["seconds"] is None else float(row["seconds"])


async def store(pool: Pool, exchange: Exchange, interval: float) -> int:
    """Fetch and store one set of prices if one is due and no other process is at it; how many were stored."""
    async with pool.connection() as connection:
        # A session's lock, not a transaction's: no transaction stays open while the exchange is asked.
        row = await (await connection.execute("SELECT pg_try_advisory_lock(%s) AS got", (LOCK,))).fetchone()
        if row is None or not row["got"]:
            return 0
        try:
            before = await age(connection)
            if before is not None and before < 0.8 * interval:
                return 0
            quotes = await _quotes(connection, exchange, interval)
            await connection.execute(
                "INSERT INTO prices (symbol, as_of, price) SELECT unnest(%s::text[]), now(), unnest(%s::numeric[])",
                (list(quotes), list(quotes.values())),
            )
            await connection.execute("DELETE FROM prices WHERE as_of < now() - %s::interval", (KEPT,))
        finally:
            await connection.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))
    previous = None if before is None else round(before, 1)
    log.info("prices stored", extra={"fields": {"count": len(quotes), "previous_age_seconds": previous}})
    return len(quotes)


async def _quotes(
    connection: AsyncConnection[dict[str, Any]], exchange: Exchange, interval: float
) -> dict[str, Decimal]:
    async with connection.cursor(row_factory=class_row(Coin)) as cursor:
        await cursor.execute(f"SELECT symbol, base_price, price AS last_price FROM ({LATEST}) latest")  # noqa: S608 - a constant
        coins = await cursor.fetchall()
    row = await (await connection.execute("SELECT extract(epoch FROM now())::float8 AS now")).fetchone()
    return await exchange.quotes(coins, int((row["now"] if row else 0) // interval))


async def run(pool: Pool, exchange: Exchange, interval: float) -> None:
    """Store prices until cancelled. Failures are logged and tried again at the next cycle."""
    while True:
        try:
            await store(pool, exchange, interval)
        except (ExchangeError, psycopg.Error) as error:
            log.error("prices not stored: %s", reason(error))
        await asyncio.sleep(interval)
