"""Rules of security groups as older Terraform code has them: several sources in one, or written inside the group."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from omc.facts.terraform_values import Values

Resource = tuple[str, Values]
SOURCES: Mapping[str, str] = {
    "cidr_blocks": "cidr_ipv4",
    "ipv6_cidr_blocks": "cidr_ipv6",
    "prefix_list_ids": "prefix_list_id",
    "security_groups": "referenced_security_group_id",
}
"""Lists of sources, and what a rule of its own calls each."""


def as_single_rules(resources: Iterable[Resource]) -> Iterator[Resource]:
    """The resources, with such rules as AWS has them: one source each.

    Rules inside a group count where no separate rule names that group: otherwise Terraform recorded there what it
    found, whoever made it.
    """
    every = list(resources)
    apart = {values.get("security_group_id") for kind, values in every if kind.endswith("_rule")}
    for kind, values in every:
        if kind == "aws_security_group_rule":
            yield from _single(str(values.get("type")), str(values.get("security_group_id")), values)
        elif kind == "aws_security_group" and values.get("id") not in apart:
            yield kind, values
            for way in ("ingress", "egress"):
                for block in values.get(way) or ():
                    yield from _single(way, str(values.get("id")), block)
        else:
            yield kind, values


def _single(way: str, group: str, values: Values) -> Iterator[Resource]:
    sources: list[tuple[str, Any]] = [
        (name, each) for names, name in SOURCES.items() for each in values.get(names) or ()
    ]
    if source := values.get("source_security_group_id"):
        sources.append(("referenced_security_group_id", source))
    if values.get("self"):
        sources.append(("referenced_security_group_id", group))
    for name, each in sources:
        yield (
            f"aws_vpc_security_group_{way}_rule",
            {
                "security_group_id": group,
                "ip_protocol": values.get("protocol"),
                "from_port": values.get("from_port"),
                "to_port": values.get("to_port"),
                name: each,
            },
        )
