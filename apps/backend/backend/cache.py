"""Redis as a read-through cache that may fail at any time without the API noticing more than its absence.

Values are the bytes of finished answers. After a failure the cache is left alone for ``PAUSE`` seconds, so that an
unreachable Redis costs one request its time-out, not every request.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from redis.asyncio import BlockingConnectionPool, Connection, Redis, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from backend.settings import Settings

log = logging.getLogger("cache")
PAUSE = 10.0


class Cache:
    """``state`` is ``available``, ``unavailable`` or ``not configured``."""

    def __init__(self, settings: Settings) -> None:
        self._redis: Redis | None = None
        self._failed = False
        self._paused_until = 0.0
        if settings.redis_host:
            pool = BlockingConnectionPool(
                # SSLConnection verifies against the default trust store, which SSL_CERT_FILE replaces.
                connection_class=SSLConnection if settings.redis_tls else Connection,
                host=settings.redis_host,
                port=settings.redis_port,
                socket_connect_timeout=1.0,
                socket_timeout=0.5,
                retry=Retry(NoBackoff(), 1),  # one: a connection that idled through a failover is replaced at once
            )
            self._redis = Redis(connection_pool=pool)

    async def read(self, key: str, seconds: int, load: Callable[[], Awaitable[bytes]]) -> tuple[bytes, str]:
        """The value and where it came from: ``hit``, ``miss`` (loaded and stored for so many seconds) or ``bypass``."""
        found = await self._ask(lambda redis: redis.get(key))
        if isinstance(found, bytes):
            return found, "hit"
        value = await load()
        stored = await self._ask(lambda redis: redis.set(key, value, ex=seconds))
        return value, "miss" if stored else "bypass"

    async def state(self) -> str:
        if self._redis is None:
            return "not configured"
        return "available" if await self._ask(lambda redis: redis.ping()) else "unavailable"

    async def close(self) -> None:
        if self._redis is not None:
            await self._redis.aclose()

    async def _ask(self, command: Callable[[Redis], Awaitable[object]]) -> object:
        """The command's answer; None if there is no cache to be had."""
        if self._redis is None or time.monotonic() < self._paused_until:
            return None
        if self._failed:  # one request tries whether it is back; the others stay away meanwhile
            self._paused_until = time.monotonic() + PAUSE
        try:
            async with asyncio.timeout(2.5):
                answer = await command(self._redis)
        except (RedisError, OSError, TimeoutError) as error:
            if not self._failed:
                log.warning("cache unavailable, reading from the database: %s: %s", type(error).__name__, error)
            self._failed = True
            self._paused_until = time.monotonic() + PAUSE
            return None
        if self._failed:
            log.info("cache available again")
            self._failed = False
            self._paused_until = 0.0
        return answer
