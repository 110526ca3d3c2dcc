"""Arguments of the action that applies a plan file of Terraform."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from omc.model.arguments.base import Arguments


@dataclass(frozen=True, slots=True)
class ApprovedChange:
    """What an approval covers of one resource."""

    address: str
    does: str
    """A ``ChangeAction`` of ``omc.facts.terraform_json``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyPlan(Arguments):
    """Apply the plan file that was approved, and nothing but what it says."""

    ACTION: ClassVar[str] = "terraform.apply_plan"
    project: str
    """The folder with the code."""
    work: str
    """omc's own folder, with copies of the code and plan files."""
    stack: str
    plan: str
    """The path of the file."""
    sha256: str
    """Of the file."""
    serial: int
    """Of the state that it was made from."""
    lineage: str
    destroy: bool
    variables: Mapping[str, Any]
    """What it was made with, secrets left out."""
    approved: tuple[ApprovedChange, ...]
    partial: bool = False
    """It is only a part of what the code wants."""
    unseen: str = ""
    """What its summary leaves out, in words."""
