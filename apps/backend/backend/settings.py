"""The backend's settings, read once from the environment. Nothing else in the package reads the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


class SettingsError(Exception):
    """A setting is missing or malformed. The message names it and what is allowed."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Times in seconds."""

    host: str
    port: int
    workers: int
    """Processes that serve; each has a pool of its own (``WEB_CONCURRENCY``)."""
    environment: str
    revision: str
    log_level: str
    postgres: Mapping[str, str | int]
    """libpq's connection parameters."""
    password: str = field(repr=False)
    pool_size: int
    """The most connections of one process (``DATABASE_POOL_SIZE``); a task takes workers times pool_size of
    ``max_connections``, and one more for the moment of a migration."""
    pool_timeout: float
    redis_host: str
    """Empty: no cache is configured, every read goes to the database."""
    redis_port: int
    redis_tls: bool
    secret_key: str = field(repr=False)
    exchange_url: str
    """Empty: the simulator in ``exchange`` makes the prices."""
    price_interval: float
    migrate_on_start: bool


def from_environment(env: Mapping[str, str]) -> Settings:
    """Raises SettingsError for the first setting that can't be used."""
    return Settings(
        host=env.get("HOST", "0.0.0.0"),  # noqa: S104 - a container's own network namespace
        port=_integer(env, "PORT", 8000, 0, 65535),
        workers=_integer(env, "WEB_CONCURRENCY", 1, 1, 16),
        environment=env.get("ENVIRONMENT", "local"),
        revision=env.get("REVISION", "unknown"),
        log_level=_choice(env, "LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR")),
        postgres={
            "host": _required(env, "POSTGRES_SERVER"),
            "port": _integer(env, "POSTGRES_PORT", 5432, 1, 65535),
            "dbname": env.get("POSTGRES_DB", "ohmycoins"),
            "user": env.get("POSTGRES_USER", "ohmycoins"),
            # Encrypted by default. verify-full needs RDS's own CA bundle in PGSSLROOTCERT.
            "sslmode": _choice(env, "POSTGRES_SSLMODE", "require", ("disable", "prefer", "require", "verify-full")),
            "connect_timeout": 3,
            "application_name": "ohmycoins-backend",
            "options": "-c statement_timeout=10s -c idle_in_transaction_session_timeout=30s",
        },
        password=_required(env, "POSTGRES_PASSWORD"),
        pool_size=_integer(env, "DATABASE_POOL_SIZE", 5, 1, 100),
        pool_timeout=3.0,
        redis_host=env.get("REDIS_HOST", ""),
        redis_port=_integer(env, "REDIS_PORT", 6379, 1, 65535),
        redis_tls=_boolean(env, "REDIS_TLS", True),
        secret_key=_required(env, "SECRET_KEY"),
        exchange_url=env.get("EXCHANGE_URL", ""),
        price_interval=float(_integer(env, "PRICE_INTERVAL", 5, 1, 3600)),
        migrate_on_start=_boolean(env, "MIGRATE_ON_START", False),
    )


def _required(env: Mapping[str, str], name: str) -> str:
    if not env.get(name):
        raise SettingsError(f"{name} is not set; the backend can't start without it: add it to the task definition")
    return env[name]


def _integer(env: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = env.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
        raise SettingsError(f"{name} is {text!r}; it must be a whole number from {low} to {high}")
    return int(text)


def _boolean(env: Mapping[str, str], name: str, default: bool) -> bool:
    text = env.get(name) or str(default)
    if text.lower() not in {"true", "false", "1", "0"}:
        raise SettingsError(f"{name} is {text!r}; it must be true or false")
    return text.lower() in {"true", "1"}


def _choice(env: Mapping[str, str], name: str, default: str, allowed: tuple[str, ...]) -> str:
    text = env.get(name) or default
    if text not in allowed:
        raise SettingsError(f"{name} is {text!r}; it must be one of {', '.join(allowed)}")
    return text
