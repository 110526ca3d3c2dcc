"""The doctor of one environment's account."""

from __future__ import annotations

from datetime import UTC, datetime

from omc.aws.gateway import Gateway
from omc.checks.doctor import DOCTOR
from omc.checks.run import Report, run_checks
from omc.config import Stack
from omc.facts.project import Project
from omc.facts.scope import Scope
from omc.facts.source import Facts
from omc.store.location import StoreLocation, locate_store


def doctor(stack: Stack, gateway: Gateway) -> Report:
    """Which of omc's own assumptions hold in the gateway's environment. Raises as ``morning`` does."""
    more = {Project: Project(stack.file.parent, stack.name), StoreLocation: locate_store(stack, gateway.environment)}
    return run_checks(DOCTOR, Facts(gateway, Scope(datetime.now(UTC)), more))
