"""The sample stack that comes with omc: omc.toml, Terraform and applications, so that there is something to rehearse.

A wheel holds it as files; in omc's own repository it is the repository's.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import omc
from omc.errors import WrongUse

LEFT_OUT = shutil.ignore_patterns(".terraform", "*.tfstate*", ".localcloud*", "__pycache__", ".gitignore")
PARTS = ("omc.toml", "infrastructure", "apps")


def copy_sample(folder: Path) -> None:
    """Write the sample stack into ``folder``. ``WrongUse`` where something of it is there already."""
    source = _source()
    for part in PARTS:
        if (folder / part).exists():
            raise WrongUse(f"{folder} has {part} already, and nothing is written over. Name another folder.")
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        place = source / part
        if place.is_dir():
            shutil.copytree(place, folder / part, ignore=LEFT_OUT)
        else:
            shutil.copyfile(place, folder / part)


def _source() -> Path:
    place = Path(omc.__file__).parent / "bundled"
    if all((place / part).exists() for part in PARTS):
        return place
    raise WrongUse("This omc was installed without its sample stack. Install it from its wheel.")
