"""The backend's settings, read once from the environment. Nothing else in the package reads the environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, Json, SecretStr, ValidationError


class SettingsError(Exception):
    """A setting is missing or malformed. The message names it and what is allowed."""


class DatabaseSettings(BaseModel):
    """Where the database is, and who logs in. Each is the environment variable of the same name in capitals."""

    model_config = ConfigDict(frozen=True)

    postgres_server: str
    postgres_port: int = Field(5432, ge=1, le=65535)
    postgres_db: str = "ohmycoins"
    postgres_user: str = "ohmycoins"
    postgres_password: SecretStr
    postgres_sslmode: str = Field("require", pattern="^(disable|prefer|require|verify-full)$")
    """Encrypted by default. verify-full needs RDS's own CA bundle in PGSSLROOTCERT."""


class ApplicationUser(BaseModel):
    """A user as which the application logs in, from a secret."""

    username: str = Field(pattern="^[a-z_][a-z0-9_]{0,62}$")
    password: SecretStr = Field(min_length=16)


class MigrationSettings(DatabaseSettings):
    """Of a migration, which logs in as the owner of the schema: on RDS the master user."""

    app_user_a: Json[ApplicationUser] | None = None
    """``{"username": …, "password": …}``. There are two, so that one can get a new password while the other is in use.
    Without either, whoever migrates is also who serves."""
    app_user_b: Json[ApplicationUser] | None = None

    @property
    def application_users(self) -> list[ApplicationUser]:
        return [user for user in (self.app_user_a, self.app_user_b) if user]


class Settings(DatabaseSettings):
    """Of the backend that serves."""

    host: str = "0.0.0.0"  # noqa: S104 - a container's own network namespace
    port: int = Field(8000, ge=0, le=65535)
    web_concurrency: int = Field(1, ge=1, le=16)
    """Processes that serve; each has a pool of its own."""
    environment: str = "local"
    revision: str = "unknown"
    database_pool_size: int = Field(5, ge=1, le=100)
    """The most connections of one process; a task takes web_concurrency times as many of ``max_connections``, and one
    more for the moment of a migration."""
    redis_host: str = ""
    """Empty: no cache is configured, every read goes to the database."""
    redis_port: int = Field(6379, ge=1, le=65535)
    redis_tls: bool = True
    secret_key: SecretStr
    price_interval: int = Field(5, ge=1, le=3600)
    """Seconds between two sets of prices."""
    exchange_url: str = Field("", pattern="^(https?://[^/?#]+)?$")
    """Where quotes come from. Empty: a simulated market."""
    exchange_timeout: float = Field(2.0, gt=0, le=60)
    """Seconds for a whole answer of the exchange."""


Kind = TypeVar("Kind", bound=DatabaseSettings)


def from_environment(environment: Mapping[str, str], kind: type[Kind]) -> Kind:
    """A variable that is empty counts as not set. Raises SettingsError for the first that can't be used."""
    try:
        return kind.model_validate({name.lower(): value for name, value in environment.items() if value})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).upper()
        if first["type"] == "missing" and len(first["loc"]) == 1:
            raise SettingsError(f"{name} is not set; the backend can't start without it") from None
        if name.startswith("APP_USER_"):  # it holds a password, which a message must not show
            raise SettingsError(f'{name} is not a JSON object with "username" and "password": {first["msg"]}') from None
        raise SettingsError(f"{name} is {first['input']!r}: {first['msg']}") from None
