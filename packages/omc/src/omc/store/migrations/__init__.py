"""The schema's versions, one file each under ``versions``: ``0001_runs.py`` holds revision ``0001``, and so on."""

from __future__ import annotations

from pathlib import Path


def newest() -> str:
    """The version that this code knows, found without importing Alembic, which costs more than all else here."""
    return max(file.name[:4] for file in (Path(__file__).parent / "versions").glob("[0-9][0-9][0-9][0-9]_*.py"))
