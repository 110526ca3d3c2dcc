"""Copies of folders with Terraform, in which it is applied to a local cloud."""

from __future__ import annotations

import filecmp
import shutil
from pathlib import Path

LOCK_FILE = ".terraform.lock.hcl"
LEFT_OUT = (".terraform", "tests")
OVERRIDE = "omc_override.tf"
"""A file of omc's own in a copy. Terraform merges those of this ending over the others (its "Override Files")."""


def copy_sources(source: Path, target: Path) -> None:
    """Bring a copy of ``infrastructure/terraform`` up to date: what Terraform keeps there stays, files that went go.

    Equal files are left alone, so that somebody who works in the copy just now isn't disturbed.
    """
    wanted = {
        path.relative_to(source)
        for path in source.rglob("*")
        if path.is_file() and _is_source(path.relative_to(source))
    }
    for path in sorted(wanted):
        if not (target / path).is_file() or not filecmp.cmp(source / path, target / path, shallow=False):
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / path, target / path)
    for path in target.rglob("*"):
        inside = path.relative_to(target)
        # A lock that isn't among the sources is Terraform's own: a saved plan is applied with the one it was made with.
        if path.is_file() and _is_source(inside) and inside not in wanted and inside.name not in (LOCK_FILE, OVERRIDE):
            path.unlink()


def _is_source(path: Path) -> bool:
    return not (set(path.parts) & set(LEFT_OUT) or ".tfstate" in path.name)
