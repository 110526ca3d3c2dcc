"""A root of Terraform that a stack file names for its local cloud: what of it is copied, and what is missing.

It is applied in a copy, so that nothing is written into the checkout, with its state in a file beside the cloud: what
backend the root has is its own business in AWS.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from omc.config import Environment
from omc.errors import WrongUse
from omc.infrastructure.copies import OVERRIDE, copy_sources

COPY: Final = "terraform"
"""Below the local cloud's state folder."""
VARIABLES: Final = "local.tfvars"
_SOURCE: Final = re.compile(r'^\s*source\s*=\s*"(\.{1,2}/[^"]*)"', re.MULTILINE)
_REGION: Final = re.compile(r'^\s*(?:aws_)?region\s*=\s*"([a-z]{2}(?:-[a-z]+)+-\d)"', re.MULTILINE)


def folders_of(root: Path) -> list[Path]:
    """The root and the modules in folders that it is made of, each once."""
    found, waiting = list[Path](), [root.resolve()]
    while waiting:
        folder = waiting.pop()
        if folder in found:
            continue
        found.append(folder)
        for file in sorted(folder.glob("*.tf")):
            waiting += [(folder / each).resolve() for each in _SOURCE.findall(file.read_text(errors="replace"))]
    return found


def require_own(environment: Environment, project: Path) -> None:
    """Refuse what can't be applied, and what would make something else than the stack file names, before anything is
    started. Raises ``WrongUse``."""
    root = environment.terraform
    if not root.is_dir() or not any(root.glob("*.tf")):
        raise WrongUse(
            f"[environments.{environment.name}] names the Terraform root {_shown(root, project)}, and there is no "
            "*.tf file in it. Name the folder of a root"
        )
    for folder in folders_of(root):
        if not folder.is_dir():
            raise WrongUse(f"The Terraform root {_shown(root, project)} uses the module {folder}, which isn't there")
        if not folder.is_relative_to(project.resolve()):
            raise WrongUse(
                f"The Terraform root {_shown(root, project)} uses {folder}, which is outside of {project}: omc copies "
                "nothing from there"
            )
    others = list(_others(environment, folders_of(root)))
    if others:
        raise WrongUse(
            f"{_shown(root, project)} would make something else than omc.toml names for {environment.name}: "
            f"{'; '.join(others)}. Correct [environments.{environment.name}], or {VARIABLES} in that root"
        )


def _others(environment: Environment, folders: list[Path]) -> Iterator[str]:
    """What the files say otherwise, as far as text can tell; a name that is put together of variables isn't judged."""
    texts = [file.read_text(errors="replace") for folder in folders for file in _files(folder)]
    regions = {each for text in texts for each in _REGION.findall(text)}
    if regions and environment.region not in regions:
        yield f"its region is {' or '.join(sorted(regions))}, not {environment.region}"
    whole = "\n".join(texts)
    if "aws_ecs_service" not in whole:
        return
    for service in environment.services:
        names = (service.ecs_service, service.ecs_service.removeprefix(f"{environment.prefix}-"), service.name)
        if not any(re.search(rf"(?<![\w]){re.escape(name)}(?![\w])", whole) for name in names):
            yield f"it has nothing that is called {service.ecs_service}"


def _files(folder: Path) -> list[Path]:
    return [*sorted(folder.glob("*.tf")), *sorted(folder.glob("*.auto.tfvars")), *sorted(folder.glob(VARIABLES))]


def _shown(root: Path, project: Path) -> str:
    return os.path.relpath(root, project)


def own_root(root: Path, state: Path) -> Path:
    """Where the copy of a root is."""
    folders = folders_of(root) if root.is_dir() else [root.resolve()]
    return state / COPY / root.resolve().relative_to(_common(folders))


def _common(folders: list[Path]) -> Path:
    """The folder that holds them all; for a root alone, the one that it is in."""
    return Path(os.path.commonpath(folders)) if len(folders) > 1 else folders[0].parent


def copy_own(root: Path, state: Path) -> Path:
    """Bring the copy up to date; returns the root in it."""
    folders = folders_of(root)
    common = _common(folders)
    # One within another is copied with it.
    for folder in (
        each for each in folders if not any(each != other and each.is_relative_to(other) for other in folders)
    ):
        copy_sources(folder, state / COPY / folder.relative_to(common))
    copied = own_root(root, state)
    path = state / f"{root.name}.tfstate"
    (copied / OVERRIDE).write_text(f'terraform {{\n  backend "local" {{\n    path = "{path}"\n  }}\n}}\n')
    return copied


def own_var_files(root: Path) -> tuple[str, ...]:
    """The file with variables for the local cloud, where there is one."""
    return (VARIABLES,) if (root / VARIABLES).is_file() else ()
