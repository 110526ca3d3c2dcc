"""Where the store is: a PostgreSQL by URL, or the embedded one in a folder. Cheap to import; opens nothing."""

from __future__ import annotations

import hashlib
import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from omc.config import Environment, Stack, environment_of
from omc.redaction import REDACTED, mask

URL_VARIABLE = "OMC_STORE_URL"
FOLDER_VARIABLE = "OMC_STORE_FOLDER"
FOLDER_NAME = ".omc"
"""Beside the stack file."""
LOCAL_FOLDER = "omc"
"""In a local cloud's state folder."""


@dataclass(frozen=True, slots=True)
class StoreLocation:
    """One store: exactly one of URL and folder is set."""

    url: str | None = None
    folder: Path | None = None
    is_read_only: bool = False
    """Whoever opens it here may only read: the database refuses each write, and its tables are left as they are."""

    @property
    def exists(self) -> bool:
        """Whether anything was ever kept there, as far as can be told without asking. A folder that is closed to us
        holds somebody's: opening it says so."""
        try:
            return self.url is not None or (self.folder is not None and (self.folder / "data").is_dir())
        except PermissionError:
            return True

    @property
    def identity(self) -> str:
        """Twelve hexadecimal digits of where it is: the same for everybody who uses it by the same name."""
        return hashlib.sha256(self.label.encode()).hexdigest()[:12]

    @property
    def label(self) -> str:
        """Where it is, without user and password: ``db.example.com:5432/omc``, or the machine and the folder."""
        if self.url is None:
            return f"{socket.gethostname()}:{self.folder}"
        from sqlalchemy import make_url
        from sqlalchemy.exc import ArgumentError

        scheme, _, rest = parts_of(self.url)
        try:
            url = make_url(f"{scheme}://{rest}")
        except (ArgumentError, ValueError):
            return str(self)
        host = url.host or url.query.get("host", "")
        return f"{host if isinstance(host, str) else ','.join(host)}:{url.port or 5432}/{url.database}"

    def __str__(self) -> str:
        if self.url is None:
            return str(self.folder)
        scheme, account, rest = parts_of(self.url)
        return f"{scheme}://{REDACTED + '@' if account else ''}{mask(rest)}"

    def without_password(self, text: str) -> str:
        """What a driver says of this store, without the password, however it is written there."""
        password = parts_of(self.url)[1].partition(":")[2] if self.url else ""
        for secret in sorted({password, unquote(password)}, key=len, reverse=True):
            text = text.replace(secret, REDACTED) if secret else text
        return mask(text)


_HOST = re.compile(r"[^/?#@\s:,]*(:\d+)?(,[^/?#@\s:,]*(:\d+)?)*(/[^?#@\s]*)?(\?\w+=.*)?")
"""What follows on the account in a URL."""


def parts_of(url: str) -> tuple[str, str, str]:
    """Scheme, account (``user:password``, as it is written), and all that follows. The password may hold what it should
    have been escaped: the account ends at the first @ behind which stands nothing but a host."""
    scheme, sign, rest = url.partition("://")
    if not sign:
        return "", rest, ""
    ends = [at for at, character in enumerate(rest) if character == "@"]
    end = next((at for at in ends if _HOST.fullmatch(rest[at + 1 :])), ends[-1] if ends else -1)
    return scheme, rest[: max(end, 0)], rest[end + 1 :]


def locate_store(stack: Stack, environment: Environment | None) -> StoreLocation:
    """The store of an environment. A local cloud has its own, which is dropped with it; the others share one.

    ``OMC_STORE_URL`` goes before all, since whoever sets it means it; the stack file's ``[store]`` is for the
    environments in AWS.
    """
    if url := os.environ.get(URL_VARIABLE):
        return StoreLocation(url=url)
    if environment is not None and environment.local_state is not None:
        return StoreLocation(folder=environment.local_state.absolute() / LOCAL_FOLDER)
    if stack.store.url:
        return StoreLocation(url=stack.store.url)
    named = os.environ.get(FOLDER_VARIABLE)
    folder = Path(named) if named else stack.file.parent / (stack.store.folder or FOLDER_NAME)
    return StoreLocation(folder=folder.absolute())


def environments_at(stack: Stack, name: str | None) -> tuple[StoreLocation, list[Environment]]:
    """A store and the environments that a process works for there: the one of this name, or the stack file's default;
    without either all those whose record is where that of the environments in AWS is."""
    if name is None and stack.default_environment is None:
        place = locate_store(stack, None)
        return place, [each for each in stack.environments.values() if locate_store(stack, each) == place]
    environment = environment_of(stack, name)
    return locate_store(stack, environment), [environment]


def store_locations(stack: Stack) -> list[StoreLocation]:
    """Every store of the stack file, each once."""
    return list(dict.fromkeys(locate_store(stack, environment) for environment in stack.environments.values()))
