"""Addresses of AWS's consoles, as they are today. Pure.

The forms are those that CloudWatch's own console gives (November 2026): dashboards, alarms and traces by name below the
region's own host; a log group with its slashes encoded twice and ``%`` written as ``$``, a trace among CloudWatch's.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

from omc.errors import WrongUse

KINDS: Final = ("dashboard", "logs", "alarm", "trace")
_HOSTS: Final = {"cn-": "console.amazonaws.cn", "us-gov-": "console.amazonaws-us-gov.com"}
TRACE: Final = re.compile(r"(?:Root=)?(1-[0-9a-f]{8}-[0-9a-f]{24})")
"""As a load balancer writes it into its log and hands it on in ``X-Amzn-Trace-Id``."""


def host_of(region: str) -> str:
    """Of the region's partition: aws, aws-cn or aws-us-gov."""
    domain = next((each for start, each in _HOSTS.items() if region.startswith(start)), "console.aws.amazon.com")
    return f"{region}.{domain}"


def console_url(kind: str, name: str, region: str) -> str:
    """Of one thing, or of the list of them where the name is empty. ``WrongUse`` for what is no trace's id."""
    base = f"https://{host_of(region)}/cloudwatch/home?region={region}"
    if kind == "dashboard":
        return f"{base}#dashboards/dashboard/{quote(name, safe='')}" if name else f"{base}#dashboards"
    if kind == "logs":
        return f"{base}#logsV2:log-groups" + (f"/log-group/{_twice(name)}" if name else "")
    if kind == "alarm":
        return f"{base}#alarmsV2:" + (f"alarm/{quote(name, safe='')}" if name else "")
    if not name:
        return f"{base}#xray:traces/query"
    found = TRACE.fullmatch(name.strip())
    if found is None:
        raise WrongUse(f'"{name}" is no trace\'s id; one is written 1-5f84c7a1-0123456789abcdef01234567.')
    return f"{base}#xray:traces/{found[1]}"


def _twice(name: str) -> str:
    return quote(quote(name, safe=""), safe="").replace("%", "$")


def match(name: str, there: list[str], prefix: str) -> str | None:
    """The name that is meant: as it stands, or without the environment's prefix."""
    return next((each for each in (name, f"{prefix}-{name}") if each in there), None)
