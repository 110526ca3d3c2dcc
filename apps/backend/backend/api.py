"""The routes. Each says in its docstring what it answers; the queries for prices are in ``prices``."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

import psycopg
from fastapi import APIRouter, Depends, Header, HTTPException, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, TypeAdapter

from backend import prices
from backend.database import Backend, reason
from backend.migrate import NEEDED

log = logging.getLogger("api")
health = APIRouter(prefix="/health")
router = APIRouter(prefix="/api/v1")
PROBE_TIMEOUT = 3.0
"""Below the load balancer's 5 s, so that a probe is answered and not cut off."""


class Coin(BaseModel):
    symbol: str
    name: str


class Price(Coin):
    price: Decimal
    change_24h_percent: float | None
    as_of: datetime


class Point(BaseModel):
    as_of: datetime
    price: Decimal


class Holding(BaseModel):
    symbol: str
    quantity: Decimal
    value: Decimal | None


class Portfolio(BaseModel):
    holdings: list[Holding]
    value: Decimal


class NewPortfolio(BaseModel):
    token: str


class Quantity(BaseModel):
    quantity: Decimal = Field(ge=0, max_digits=24, decimal_places=8)


class Status(BaseModel):
    environment: str
    revision: str
    schema_version: int | None = Field(serialization_alias="schema")
    data_age_seconds: float | None
    database: str
    cache: str


PRICES = TypeAdapter(list[Price])
POINTS = TypeAdapter(list[Point])
COINS = TypeAdapter(list[Coin])


def backend_of(request: Request) -> Backend:
    backend: Backend = request.app.state.backend
    return backend


Here = Annotated[Backend, Depends(backend_of)]
Symbol = Annotated[str, Path(pattern=r"^[A-Z]{2,6}$")]


@dataclass(frozen=True, slots=True)
class Probe:
    database: str
    schema: int | None
    data_age_seconds: float | None
    problem: str = ""
    """Why requests can't be answered; empty where they can."""


async def probe(backend: Backend) -> Probe:
    """Never raises for a database that is away, slow or empty."""
    try:
        async with asyncio.timeout(PROBE_TIMEOUT), backend.pool.connection(timeout=PROBE_TIMEOUT - 0.5) as connection:
            row = await (await connection.execute("SELECT max(version) AS version FROM schema_version")).fetchone()
            schema = row["version"] if row else None
            old = f"the schema is at version {schema}, this code needs {NEEDED}" if (schema or 0) < NEEDED else ""
            return Probe("available", schema, await prices.age(connection), old)
    except psycopg.errors.UndefinedTable:
        return Probe("available", None, None, f"the database has no schema yet, this code needs version {NEEDED}")
    except (psycopg.Error, TimeoutError) as error:
        return Probe("unavailable", None, None, f"database unavailable: {reason(error)}")


@health.get("/live")
async def live() -> dict[str, str]:
    """200 while the process serves, whatever the state of the database."""
    return {"status": "alive"}


@health.get("/ready")
async def ready(backend: Here) -> JSONResponse:
    """503 where requests can't be answered: no database, or its schema is older than this code. A cache that is away
    and old prices are reported and don't fail it: replacing the task would mend neither."""
    found, cache = await asyncio.gather(probe(backend), backend.cache.state())
    if found.problem:
        log.error("not ready: %s", found.problem)
    body = {
        "status": "not ready" if found.problem else "ready",
        "database": found.database,
        "schema": found.schema,
        "schema_needed": NEEDED,
        "cache": cache,
        "data_age_seconds": found.data_age_seconds,
    }
    return JSONResponse(body, 503 if found.problem else 200)


@router.get("/status")
async def status(backend: Here) -> Status:
    """Always 200: what runs here and how fresh its data is, for whoever watches from outside."""
    found, cache = await asyncio.gather(probe(backend), backend.cache.state())
    settings = backend.settings
    return Status(
        environment=settings.environment,
        revision=settings.revision,
        schema_version=found.schema,
        data_age_seconds=found.data_age_seconds,
        database=found.database,
        cache=cache,
    )


async def cached(backend: Backend, key: str, seconds: int, load: Callable[[], Awaitable[bytes]]) -> Response:
    body, source = await backend.cache.read(key, seconds, load)
    return Response(body, media_type="application/json", headers={"x-cache": source})


@router.get("/coins", response_model=list[Coin])
async def coins(backend: Here) -> Response:
    """All coins, dearest first."""

    async def load() -> bytes:
        return COINS.dump_json(
            [Coin(symbol=row["symbol"], name=row["name"]) for row in await prices.latest(backend.pool)]
        )

    return await cached(backend, "v1:coins", 300, load)


@router.get("/prices", response_model=list[Price])
async def latest_prices(backend: Here) -> Response:
    """The newest price of each coin that has one. ``as_of`` says how fresh it is."""

    async def load() -> bytes:
        rows = await prices.latest(backend.pool)
        return PRICES.dump_json(
            [
                Price(
                    symbol=row["symbol"],
                    name=row["name"],
                    price=row["price"],
                    change_24h_percent=round(float(row["price"] / row["price_day_ago"] - 1) * 100, 2)
                    if row["price_day_ago"]
                    else None,
                    as_of=row["as_of"],
                )
                for row in rows
                if row["price"] is not None
            ]
        )

    return await cached(backend, "v1:prices", 2, load)


@router.get("/prices/{symbol}/history", response_model=list[Point])
async def price_history(backend: Here, symbol: Symbol, minutes: Annotated[int, Query(ge=1, le=10080)] = 60) -> Response:
    """Prices of the last minutes, averaged to about 240 points, oldest first; an unknown coin has none."""

    async def load() -> bytes:
        return POINTS.dump_json([Point(**row) for row in await prices.history(backend.pool, symbol, minutes)])

    return await cached(backend, f"v1:history:{symbol}:{minutes}", max(5, minutes // 20), load)


def sign(secret_key: str, portfolio: UUID) -> str:
    return hmac.new(secret_key.encode(), str(portfolio).encode(), hashlib.sha256).hexdigest()


def owned(backend: Here, authorization: Annotated[str, Header()] = "") -> UUID:
    """The portfolio whose token came with the request: its id, signed with SECRET_KEY. 401 otherwise."""
    identifier, _, signature = authorization.removeprefix("Bearer ").partition(".")
    try:
        portfolio = UUID(identifier)
    except ValueError:
        raise HTTPException(401, "send the portfolio's token as: Authorization: Bearer …") from None
    if not hmac.compare_digest(sign(backend.settings.secret_key, portfolio).encode(), signature.encode()):
        raise HTTPException(401, "this token was not issued here")
    return portfolio


Owned = Annotated[UUID, Depends(owned)]


@router.post("/portfolio", status_code=201)
async def open_portfolio(backend: Here) -> NewPortfolio:
    """A new, empty portfolio. Its token is shown once; whoever holds it holds the portfolio."""
    async with backend.pool.connection() as connection:
        row = await (await connection.execute("INSERT INTO portfolios DEFAULT VALUES RETURNING id")).fetchone()
    if row is None:
        raise HTTPException(500, "the portfolio was not stored")
    return NewPortfolio(token=f"{row['id']}.{sign(backend.settings.secret_key, row['id'])}")


@router.get("/portfolio")
async def portfolio(backend: Here, owner: Owned) -> Portfolio:
    """Holdings at the newest prices. Straight from the database: what was just put must be in it."""
    async with backend.pool.connection() as connection:
        rows = await (
            await connection.execute(
                f"SELECT symbol, quantity, round(quantity * price, 2) AS value FROM holdings "  # noqa: S608 - a constant
                f"LEFT JOIN ({prices.LATEST}) latest USING (symbol) WHERE portfolio = %s ORDER BY symbol",
                (owner,),
            )
        ).fetchall()
    holdings = [Holding(**row) for row in rows]
    return Portfolio(holdings=holdings, value=sum((each.value or Decimal(0) for each in holdings), Decimal(0)))


@router.put("/portfolio/{symbol}", status_code=204)
async def hold(backend: Here, owner: Owned, symbol: Symbol, body: Quantity) -> None:
    """Hold so much of a coin from now on; zero removes it. 404 for a coin or portfolio that doesn't exist."""
    async with backend.pool.connection() as connection:
        if body.quantity == 0:
            await connection.execute("DELETE FROM holdings WHERE portfolio = %s AND symbol = %s", (owner, symbol))
            return
        try:
            await connection.execute(
                "INSERT INTO holdings VALUES (%s, %s, %s) "
                "ON CONFLICT (portfolio, symbol) DO UPDATE SET quantity = excluded.quantity",
                (owner, symbol, body.quantity),
            )
        except psycopg.errors.ForeignKeyViolation:
            raise HTTPException(404, f"there is no coin {symbol}, or no such portfolio any more") from None
