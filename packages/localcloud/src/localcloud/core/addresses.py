"""Where a cloud lives on this machine: its address block, its endpoint's port, and who else has which block.

Each cloud owns 127.(64+block).0.0/16. Which block is whose is a folder of symbolic links, one per block, that point to
state folders; a link whose folder is gone is free again. Settings are written once, when a state folder is made.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import socket
import string
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from localcloud.core.cloud import Settings
from localcloud.core.profiles import FULL

BLOCKS = 63
DEFAULT_PORT = 4566
DEFAULT_REGION = "ap-southeast-2"
PORT_SHIFT = 8000
"""Port 80 becomes 8080 and 443 becomes 8443 where this user may not listen below 1024."""
FORMAT = 1
SETTINGS = "settings.json"
LEAST_FREE_BYTES = 200 << 20
"""Databases' write-ahead logs and the metrics need room; running out in the middle would lose more than a start."""


class AddressError(Exception):
    """One sentence: what is wrong with the addresses, and the way out."""


@dataclass(frozen=True, slots=True)
class AddressBlock:
    """What ``settings.json`` of a state folder holds: the settings, and the cloud's own access key pair."""

    settings: Settings
    access_key_id: str
    secret_access_key: str


def registry() -> Path:
    """The machine-wide list of blocks (of this user)."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "localcloud" / "blocks"


def load(state: Path) -> AddressBlock | None:
    """The settings of an existing state folder, or None. Raises ``AddressError`` for a file that can't be read."""
    path = state / SETTINGS
    try:
        held = json.loads(path.read_text())
        if held["format"] != FORMAT:
            raise AddressError(
                f"{path} was written by another version of localcloud (format {held['format']}, not {FORMAT}); "
                "start over with `reset`."
            )
        settings = Settings(
            state.resolve(),
            held["account"],
            held["region"],
            held["block"],
            held["port"],
            held["port_shift"],
            Path(held["outside_api"]) if held.get("outside_api") else None,
            held.get("profile", FULL),
        )
        return AddressBlock(settings, held["access_key_id"], held["secret_access_key"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as problem:
        raise AddressError(f"{path} can't be read ({problem}); start over with `reset`.") from problem


def create(state: Path, *, port: int = DEFAULT_PORT, region: str = DEFAULT_REGION, profile: str = FULL) -> AddressBlock:
    """Make a state folder's settings: the first free block, a new key pair. The folder must exist."""
    state = state.resolve()
    with _registry_lock() as folder:
        block = next((number for number in range(BLOCKS) if _claim(folder, number, state, port)), None)
        if block is None:
            raise AddressError(
                f"All {BLOCKS} address blocks are taken; end a cloud with `reset` (they are listed in {folder})."
            )
        # Still under the lock: a claim whose folder has no settings looks abandoned to the next one who asks.
        return _settle(state, block, port, region, profile)


def adopt(state: Path, source: AddressBlock) -> AddressBlock:
    """Settings for a copy of a cloud: its account and keys, and a free block whose addresses are as long as its own."""
    state, settings = state.resolve(), source.settings
    length = len(settings.address)
    with _registry_lock() as folder:
        fitting = [number for number in range(BLOCKS) if len(f"127.{64 + number}.0.1") == length]
        block = next((number for number in fitting if _claim(folder, number, state, settings.port)), None)
        if block is None:
            raise AddressError(
                f"None of the {len(fitting)} address blocks that a copy of {settings.state} can have is free; "
                f"end a cloud with `reset` (they are listed in {folder})."
            )
        moved = replace(settings, state=state, block=block, port_shift=_port_shift(block))
        return _written(replace(source, settings=moved))


def _settle(state: Path, block: int, port: int, region: str, profile: str) -> AddressBlock:
    settings = Settings(state, f"1000000000{block:02d}", region, block, port, _port_shift(block), profile=profile)
    alphabet = string.ascii_uppercase + "234567"
    key = "AKIA" + "".join(secrets.choice(alphabet) for _ in range(16))
    return _written(AddressBlock(settings, key, secrets.token_urlsafe(30)))


def _written(home: AddressBlock) -> AddressBlock:
    settings = home.settings
    outside = {} if settings.outside_api is None else {"outside_api": str(settings.outside_api)}
    write_private(
        settings.state / SETTINGS,
        {
            "format": FORMAT,
            "account": settings.account,
            "region": settings.region,
            "profile": settings.profile,
            "block": settings.block,
            "port": settings.port,
            "port_shift": settings.port_shift,
            "access_key_id": home.access_key_id,
            "secret_access_key": home.secret_access_key,
            **outside,
        },
    )
    return home


def play(state: Path, outside_api: Path) -> AddressBlock:
    """From the next start on, the API outside of AWS answers as this Python file says."""
    held = json.loads((state / SETTINGS).read_text())
    write_private(state / SETTINGS, {**held, "outside_api": str(outside_api.resolve())})
    home = load(state)
    if home is None:
        raise AddressError(f"{state} has no settings; start over with `reset`.")
    return home


def write_private(path: Path, value: object) -> None:
    """JSON that only this user may read, replaced whole or not at all."""
    temporary = path.with_suffix(".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(value, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def release(state: Path) -> None:
    """Give the block of a state folder back; the folder is about to go."""
    with _registry_lock() as folder:
        for link in folder.iterdir():
            if link.is_symlink() and link.readlink() == state:
                link.unlink()


def can_bind(address: str, port: int) -> OSError | None:
    """None where this process may listen there, else why not."""
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as problem:
            return problem
    return None


def _port_shift(block: int) -> int:
    refused = can_bind(f"127.{64 + block}.0.1", 80)
    return PORT_SHIFT if isinstance(refused, PermissionError) else 0


@contextmanager
def _registry_lock() -> Iterator[Path]:
    folder = registry()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def _claim(folder: Path, block: int, state: Path, port: int) -> bool:
    link = folder / str(block)
    if link.is_symlink():
        owner = link.readlink()
        if owner != state and (owner / SETTINGS).exists():
            return False
        link.unlink()
    if can_bind(f"127.{64 + block}.0.1", port) is not None:
        return False
    link.symlink_to(state)
    return True
