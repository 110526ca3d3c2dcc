"""What people ask for when they change infrastructure: plain values from which a plan is made, and remade."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """``omc infra apply``, ``destroy`` and ``rollback``: perform exactly this plan file."""

    project: str
    """The folder that holds ``infrastructure/``: the checkout, or a rollback's own worktree."""
    work: str
    """omc's own folder, on this machine: plan files, what Terraform downloads."""
    stack: str
    """The stack's name, which the state's bucket begins with."""
    plan: str
    """The plan file."""
    sha256: str
    """Of the plan file."""
    allow_replace: Sequence[str] = ()
    """Addresses of data stores that may be replaced or destroyed."""
    expect: str = ""
    """The fingerprint of the changes that were approved elsewhere; empty: none was."""
    override: str = ""
    """The reason to proceed past a refusal."""
    branch: str = ""
    """A rollback's branch, which has to be merged afterwards."""
