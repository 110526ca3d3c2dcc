"""The secrets of the channels: read from the environment when they are used, and taken out of every reason."""

from __future__ import annotations

import os
import re

from omc.config.notify_tables import SECRETS
from omc.notify.links import MIN_SECRET
from omc.redaction import REDACTED

_NAMES = re.compile("|".join(re.escape(name).replace("<NAME>", "[A-Z0-9_]+") for name in SECRETS))
MIN_LENGTH = 4
"""Characters; what is shorter would take words out of sentences."""


def secret(variable: str, name: str = "") -> str | None:
    """The secret in an environment variable: one of ``SECRETS``, ``<NAME>`` filled in. None where it isn't set."""
    return os.environ.get(variable_of(variable, name), "").strip() or None


def both_of(variable: str, old: str, name: str = "") -> tuple[str, ...]:
    """A secret and the one before it, which counts while the new one isn't everywhere yet."""
    return tuple(filter(None, (secret(variable, name), secret(old, name))))


def link_secret() -> str | None:
    """What links are made with; None also where it is too short, so that none is guessed."""
    found = secret("OMC_LINK_SECRET")
    return found if found is not None and len(found) >= MIN_SECRET else None


def link_secrets() -> tuple[str, ...]:
    """With what links may have been made."""
    return tuple(each for each in both_of("OMC_LINK_SECRET", "OMC_OLD_LINK_SECRET") if len(each) >= MIN_SECRET)


def variable_of(variable: str, name: str = "") -> str:
    """``OMC_PAGERDUTY_KEY_<NAME>`` and ``jo-pages`` as ``OMC_PAGERDUTY_KEY_JO_PAGES``."""
    if variable not in SECRETS:
        raise KeyError(variable)
    return variable.replace("<NAME>", name.upper().replace("-", "_"))


def scrubbed(text: str) -> str:
    """The text without any of the secrets that are set, whoever repeated one: servers do in their errors."""
    values = {os.environ[name].strip() for name in os.environ if _NAMES.fullmatch(name)}
    for value in sorted(values, key=len, reverse=True):
        if len(value) >= MIN_LENGTH:
            text = text.replace(value, REDACTED)
    return text
