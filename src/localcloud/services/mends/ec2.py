"""EC2: what moto forgets of security group rules."""

from __future__ import annotations

import inspect
from typing import Any

from moto.ec2.models.security_groups import SecurityGroupRule

PREFIX_LIST = list(inspect.signature(SecurityGroupRule).parameters).index("prefix_list_id")

_make = SecurityGroupRule.__init__


def _make_and_keep(rule: Any, *given: Any, **named: Any) -> None:
    _make(rule, *given, **named)
    prefix_list = named.get("prefix_list_id") or (given[PREFIX_LIST] if len(given) > PREFIX_LIST else None)
    rule.prefix_list_description = (prefix_list or {}).get("Description")


def _description(rule: Any) -> str | None:
    """A rule that names a group or a prefix list has its description there, not in an address range."""
    found: str | None = rule.ip_range.get("Description") or rule.source_group.get("Description")
    return found or rule.prefix_list_description


SecurityGroupRule.__init__ = _make_and_keep
SecurityGroupRule.description = property(_description)
