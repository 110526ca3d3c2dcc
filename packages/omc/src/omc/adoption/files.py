"""Writing a file that isn't there: whole or not at all, and never over another."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from omc.errors import Refused


def create(file: Path, text: str) -> None:
    """Raises ``Refused`` where there is one already, and ``OSError``."""
    descriptor, path = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        mask = os.umask(0)
        os.umask(mask)
        Path(path).chmod(0o666 & ~mask)
        os.link(path, file)  # unlike a rename it fails where the name is taken
    except FileExistsError:
        raise Refused(f"{file} is there already. Nothing was written; name another file with --write.") from None
    finally:
        with suppress(FileNotFoundError):
            Path(path).unlink()
