"""A command line's words, as the shell that it is pasted into takes them."""

from __future__ import annotations

import subprocess


def words_of(line: str) -> list[str]:
    """Python's own ``shlex`` doesn't know ``$'…'``; bash does, and runs nothing but ``printf`` here."""
    done = subprocess.run(["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, check=True)
    return done.stdout.decode().removesuffix("\0").split("\0")
