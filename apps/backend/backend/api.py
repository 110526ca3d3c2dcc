"""The application: its routes, its life from start to shutdown, and how failures of the database are answered."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import psycopg
from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Path, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from pydantic_core import to_json
from starlette.middleware.base import BaseHTTPMiddleware

from backend import logs, prices
from backend.cache import Cache
from backend.database import Pool, Row, connection_pool, reason
from backend.exchange import Exchange, ExchangeError, ExchangeTimeout
from backend.migrate import NEEDED
from backend.settings import Settings, from_environment

log = logging.getLogger("api")
router = APIRouter()
PROBE_TIMEOUT = 3.0
"""Seconds. Below the load balancer's 5, so that a probe is answered and not cut off."""

COINS = "SELECT symbol, name FROM coins ORDER BY base_price DESC"
PRICES = """
SELECT symbol, name, price, as_of FROM coins
CROSS JOIN LATERAL (SELECT price, as_of FROM prices WHERE symbol = coins.symbol ORDER BY as_of DESC LIMIT 1) newest
ORDER BY base_price DESC
"""
HISTORY = """
SELECT as_of, price FROM (SELECT as_of, price FROM prices WHERE symbol = %s ORDER BY as_of DESC LIMIT 240) newest
ORDER BY as_of
"""
HOLDINGS = f"""
SELECT symbol, quantity, round(quantity * price, 2) AS value FROM holdings JOIN ({PRICES}) newest USING (symbol)
WHERE portfolio = %s ORDER BY symbol
"""  # noqa: S608 - constants
HOLD = """
INSERT INTO holdings VALUES (%s, %s, %s) ON CONFLICT (portfolio, symbol) DO UPDATE SET quantity = excluded.quantity
"""
STATE = """
SELECT max(version) AS schema,
    (SELECT greatest(0, extract(epoch FROM clock_timestamp() - max(as_of)))::float8 FROM prices) AS data_age_seconds
FROM schema_version
"""


@dataclass(frozen=True, slots=True)
class Backend:
    """What a request needs: ``app.state.backend``."""

    settings: Settings
    pool: Pool
    cache: Cache
    exchange: Exchange | None

    async def rows(self, statement: str, *values: object) -> list[Row]:
        async with self.pool.connection() as connection:
            return await (await connection.execute(statement, values)).fetchall()

    async def cached_rows(self, key: str, seconds: int, statement: str, *values: object) -> Response:
        """The statement's rows as JSON, through the cache; the header x-cache says how they came."""

        async def load() -> bytes:
            return to_json(await self.rows(statement, *values))

        body, source = await self.cache.read(key, seconds, load)
        return Response(body, media_type="application/json", headers={"x-cache": source})

    def sign(self, portfolio: UUID) -> str:
        key = self.settings.secret_key.get_secret_value().encode()
        return hmac.new(key, str(portfolio).encode(), hashlib.sha256).hexdigest()


def backend_of(request: Request) -> Backend:
    backend: Backend = request.app.state.backend
    return backend


Here = Annotated[Backend, Depends(backend_of)]
Symbol = Annotated[str, Path(pattern=r"^[A-Z]{2,6}$")]


@router.get("/health/live")
async def live() -> dict[str, str]:
    """200 while the process serves, whatever the state of the database."""
    return {"status": "alive"}


@router.get("/health/ready")
async def ready(backend: Here) -> JSONResponse:
    """503 where requests can't be answered: no database, or its schema is older than this code. A cache that is away
    and old prices are reported and don't fail it: replacing the task would mend neither."""
    found = await state(backend)
    return JSONResponse(found, 200 if (found["schema"] or 0) >= NEEDED else 503)


@router.get("/api/v1/status")
async def state(backend: Here) -> dict[str, Any]:
    """Always 200: what runs here, how fresh its data is, and how what it depends on is, for whoever watches from
    outside. ``database_seconds`` is how long the database took for an answer."""
    database, problem, began = "available", "", time.monotonic()
    row: Row = {"schema": None, "data_age_seconds": None}
    try:
        async with asyncio.timeout(PROBE_TIMEOUT):
            [row] = await backend.rows(STATE)
        if (row["schema"] or 0) < NEEDED:
            problem = f"the schema is at version {row['schema']}, this code needs {NEEDED}"
    except psycopg.errors.UndefinedTable:
        problem = f"the database has no schema yet, this code needs version {NEEDED}"
    except (psycopg.Error, TimeoutError) as error:
        database, problem = "unavailable", f"database unavailable: {reason(error)}"
    took = time.monotonic() - began
    if problem:
        log.error("not ready: %s", problem)
    return {
        "environment": backend.settings.environment,
        "revision": backend.settings.revision,
        "database": database,
        "database_seconds": round(took, 3),
        **row,
        "cache": await backend.cache.state(),
        "exchange": backend.exchange.state if backend.exchange else "not configured",
    }


@router.get("/api/v1/coins")
async def coins(backend: Here) -> Response:
    """All coins, dearest first."""
    return await backend.cached_rows("v1:coins", 300, COINS)


@router.get("/api/v1/prices")
async def newest_prices(backend: Here) -> Response:
    """The newest price of each coin that has one. ``as_of`` says how fresh it is."""
    return await backend.cached_rows("v1:prices", 2, PRICES)


@router.get("/api/v1/prices/{symbol}/history")
async def history(backend: Here, symbol: Symbol) -> Response:
    """The newest 240 prices, oldest first; an unknown coin has none."""
    return await backend.cached_rows(f"v1:history:{symbol}", 5, HISTORY, symbol)


@router.get("/api/v1/quote/{symbol}")
async def quote(backend: Here, symbol: Symbol) -> dict[str, str]:
    """What the exchange says now, asked while the caller waits. 404 for a coin that we don't have, 504 where the
    exchange doesn't answer in time, 502 where it answers with nothing of use."""
    coins = await backend.rows("SELECT symbol, base_price FROM coins WHERE symbol = %s", symbol)
    if not coins:
        raise HTTPException(404, f"there is no coin {symbol}")
    try:
        found = await prices.quotes(backend.exchange, coins, int(time.time()))
        return {"symbol": symbol, "price": str(found[symbol])}
    except ExchangeTimeout as error:
        log.error("no quote: %s", error)
        raise HTTPException(504, "the exchange doesn't answer, try again") from None
    except ExchangeError as error:
        log.error("no quote: %s", error)
    except KeyError:
        log.error("no quote: the exchange has none of %s", symbol)
    raise HTTPException(502, "the exchange has no quote, try again")


def owned(backend: Here, authorization: Annotated[str, Header()] = "") -> UUID:
    """The portfolio whose token came with the request: its id, signed with SECRET_KEY. 401 otherwise."""
    identifier, _, signature = authorization.removeprefix("Bearer ").partition(".")
    try:
        portfolio = UUID(identifier)
    except ValueError:
        raise HTTPException(401, "send the portfolio's token as: Authorization: Bearer …") from None
    if not hmac.compare_digest(backend.sign(portfolio).encode(), signature.encode()):
        raise HTTPException(401, "this token was not issued here")
    return portfolio


Owned = Annotated[UUID, Depends(owned)]


class Quantity(BaseModel):
    quantity: Decimal = Field(ge=0, max_digits=24, decimal_places=8)


@router.post("/api/v1/portfolio", status_code=201)
async def open_portfolio(backend: Here) -> dict[str, str]:
    """A new, empty portfolio. Its token is shown once; whoever holds it holds the portfolio."""
    [row] = await backend.rows("INSERT INTO portfolios DEFAULT VALUES RETURNING id")
    return {"token": f"{row['id']}.{backend.sign(row['id'])}"}


@router.get("/api/v1/portfolio")
async def portfolio(backend: Here, owner: Owned) -> Response:
    """Holdings at the newest prices. Straight from the database: what was just put must be in it."""
    holdings = await backend.rows(HOLDINGS, owner)
    value = sum((each["value"] for each in holdings), Decimal(0))
    return Response(to_json({"holdings": holdings, "value": value}), media_type="application/json")


@router.put("/api/v1/portfolio/{symbol}", status_code=204)
async def hold(backend: Here, owner: Owned, symbol: Symbol, body: Quantity) -> None:
    """Hold so much of a coin from now on; zero removes it. 404 for a coin or portfolio that doesn't exist."""
    async with backend.pool.connection() as connection:
        if body.quantity == 0:
            await connection.execute("DELETE FROM holdings WHERE portfolio = %s AND symbol = %s", (owner, symbol))
            return
        try:
            await connection.execute(HOLD, (owner, symbol, body.quantity))
        except psycopg.errors.ForeignKeyViolation:
            raise HTTPException(404, f"there is no coin {symbol}, or no such portfolio any more") from None


async def database_unavailable(request: Request, error: Exception) -> JSONResponse:  # noqa: ARG001
    log.error("database unavailable: %s", reason(error))
    return JSONResponse({"detail": "the database is unavailable, try again"}, 503, headers={"retry-after": "5"})


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    backend: Backend = app.state.backend
    await backend.pool.open(wait=False)
    storing = asyncio.create_task(prices.run(backend.pool, backend.exchange, backend.settings.price_interval))
    log.info("started")
    try:
        yield
    finally:
        storing.cancel()
        await asyncio.wait([storing], timeout=2)
        await backend.pool.close(timeout=2)
        await backend.cache.close()
        log.info("stopped")


def create() -> FastAPI:
    """uvicorn's factory; each worker process calls it."""
    settings = from_environment(os.environ, Settings)
    app = FastAPI(title="Oh My Coins", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    exchange = Exchange(settings.exchange_url, settings.exchange_timeout) if settings.exchange_url else None
    app.state.backend = Backend(settings, connection_pool(settings), Cache(settings), exchange)
    app.include_router(router)
    app.add_middleware(BaseHTTPMiddleware, dispatch=logs.log_request)
    app.add_exception_handler(psycopg.OperationalError, database_unavailable)
    return app
