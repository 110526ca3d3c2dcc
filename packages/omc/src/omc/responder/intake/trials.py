"""Tests of the alarm path, as ``omc doctor --test-page`` publishes them. What one leads to: ``omc.responder.trial``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from omc.responder.intake.reading import Context, text, unreadable
from omc.responder.model import Trial, Unreadable

MARK = "test"
ID = re.compile(r"[0-9a-f]{16}", re.ASCII)


def body_of(environment: str, trial: str) -> str:
    """What is published: for a responder, and for people who get the topic's messages directly."""
    about = f"This is a test of omc's for {environment}. Nothing is wrong and nothing is to be done."
    return json.dumps({"omc": MARK, "id": trial, "environment": environment, "text": about})


def is_trial(found: Mapping[str, Any]) -> bool:
    return found.get("omc") == MARK


def parse(found: Mapping[str, Any], context: Context) -> Trial | Unreadable:
    """The test that a message is."""
    trial = found.get("id")
    if not isinstance(trial, str) or not ID.fullmatch(trial):
        return unreadable("A test of the alarm path without its id.")
    if found.get("environment") != context.environment:
        return unreadable(f"A test of the alarm path of {text(found.get('environment'), 64) or 'no environment'}.")
    return Trial(trial, context.environment, context.sent)
