"""What the kernel tells of a process."""

from __future__ import annotations

from pathlib import Path


def stat(pid: int | str) -> list[str]:
    """The fields of ``/proc/PID/stat`` after the command's name: state, parent, group, session, terminal and so on.

    The name itself may hold anything. Raises ``OSError`` where there is no such process.
    """
    return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
