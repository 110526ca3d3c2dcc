"""The application: what it is made of, its life from start to shutdown, and how database failures are answered."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from backend import api, logs, prices
from backend.cache import Cache
from backend.database import Backend, connection_pool, reason
from backend.exchange import HttpExchange, SimulatedExchange
from backend.settings import Settings, from_environment

log = logging.getLogger("backend")


def create(settings: Settings | None = None) -> FastAPI:
    """uvicorn's factory; each worker process calls it."""
    settings = settings or from_environment(os.environ)
    logs.configure(settings.log_level)
    logging.getLogger("psycopg.pool").setLevel("ERROR")  # a warning for each failed attempt; requests report it once
    exchange = HttpExchange(settings.exchange_url) if settings.exchange_url else SimulatedExchange()
    backend = Backend(settings, connection_pool(settings), Cache(settings))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:  # noqa: ARG001
        await backend.pool.open(wait=False)
        storing = asyncio.create_task(prices.run(backend.pool, exchange, settings.price_interval))
        log.info("started", extra={"fields": {"environment": settings.environment, "revision": settings.revision}})
        try:
            yield
        finally:
            storing.cancel()
            await asyncio.wait([storing], timeout=2)
            await backend.pool.close(timeout=2)
            await backend.cache.close()
            log.info("stopped")

    app = FastAPI(
        title="Oh My Coins", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url="/api/openapi.json"
    )
    app.state.backend = backend
    app.include_router(api.health)
    app.include_router(api.router)
    app.add_middleware(logs.RequestLog)
    app.add_exception_handler(psycopg.OperationalError, database_unavailable)
    return app


async def database_unavailable(request: Request, error: Exception) -> JSONResponse:  # noqa: ARG001
    log.error("database unavailable: %s", reason(error))
    return JSONResponse({"detail": "the database is unavailable, try again"}, 503, headers={"retry-after": "5"})
