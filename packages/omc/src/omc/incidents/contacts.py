"""Who outside can help: which contacts of ``[contacts]`` an incident calls for, and how each is reached. Pure.

What is said of AWS Support is held against AWS: which plans may call the Support API, and the codes of severities with
their names in the console, against the model of the API itself (``support`` 2013-04-15); severities by plan and the
times in which AWS means to answer first, which are no promise to solve anything, against
aws.amazon.com/premiumsupport/plans as it was in October 2026.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from omc.config.contact_tables import ContactTable
from omc.incidents.incident import Incident

NONE = "Nobody outside of the rotas is named: omc.toml has no [contacts]."
CREATE_CASE = "https://console.aws.amazon.com/support/home#/case/create"
SEVERITY_NAMES: Mapping[str, str] = {
    "normal": "System impaired",
    "high": "Production system impaired",
    "urgent": "Production system down",
    "critical": "Business-critical system down",
}
"""By the code that the API takes: what the console calls it."""
WANTED: Mapping[int, tuple[str, ...]] = {
    1: ("critical", "urgent", "high", "normal"),
    2: ("high", "normal"),
    3: ("normal",),
}
"""By the incident's severity: the code of the case's, the first that the plan has."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One of AWS Support's plans."""

    name: str
    answers: Mapping[str, str]
    """By the code of a case's severity: within which time AWS means to answer first. Empty: no technical cases."""
    has_api: bool
    """Whether ``aws support create-case`` works; else it answers SubscriptionRequiredException."""
    ends: bool = False
    """AWS ends it on 1 January 2027."""


_PRODUCTION = {"normal": "12 h", "high": "4 h", "urgent": "1 h"}
PLANS: Mapping[str, Plan] = {
    "basic": Plan("Basic Support", {}, has_api=False),
    "developer": Plan("Developer Support", {"normal": "12 business hours"}, has_api=False, ends=True),
    "business": Plan("Business Support", _PRODUCTION, has_api=True, ends=True),
    "business-plus": Plan("Business Support+", {**_PRODUCTION, "critical": "30 min"}, has_api=True),
    "enterprise-on-ramp": Plan("Enterprise On-Ramp", {**_PRODUCTION, "critical": "30 min"}, has_api=True, ends=True),
    "enterprise": Plan("Enterprise Support", {**_PRODUCTION, "critical": "15 min"}, has_api=True),
    "unified": Plan("Unified Operations", {**_PRODUCTION, "critical": "5 min"}, has_api=True),
}


@dataclass(frozen=True, slots=True)
class Called:
    """Somebody outside, and how to reach them about an incident of a severity."""

    id: str
    name: str
    ways: tuple[str, ...]
    """In the order in which they are tried."""


def called_for(
    contacts: Mapping[str, ContactTable], incident: Incident, groups: Iterable[str] = ()
) -> tuple[Called, ...]:
    """Those whom its severity or its cause calls for. ``groups``: shared dependencies of its alerts."""
    touched = {*groups, *incident.services}
    return tuple(
        Called(id_, each.name, ways_of(each, incident.severity))
        for id_, each in contacts.items()
        if incident.severity in each.severities or touched & set(each.groups)
    )


def ways_of(contact: ContactTable, severity: int) -> tuple[str, ...]:
    """What omc.toml says, and for AWS Support how a case is opened with the account's plan."""
    return (*contact.reach, *(_aws_support(PLANS[contact.plan], severity) if contact.plan else ()))


def _aws_support(plan: Plan, severity: int) -> tuple[str, ...]:
    code = next((each for each in WANTED[severity] if each in plan.answers), None)
    if code is None:
        return (f"The plan is {plan.name}: AWS takes no technical case with it. Take another plan first.",)
    name, answer = SEVERITY_NAMES[code], plan.answers[code]
    lines = [f'Open a technical case, severity "{name}", answered within {answer} ({plan.name}): {CREATE_CASE}']
    if plan.has_api:
        lines.append(
            f"Or: aws support create-case --region us-east-1 --issue-type technical --severity-code {code}; "
            "--service-code and --category-code are from aws support describe-services."
        )
    else:
        lines.append(f"By the console alone: with {plan.name} the Support API refuses aws support create-case.")
    lines.append("Have ready: the account, the region, the resources' ids and the times in UTC.")
    if plan.ends:
        lines.append(f"AWS ends {plan.name} on 1 January 2027.")
    return tuple(lines)
