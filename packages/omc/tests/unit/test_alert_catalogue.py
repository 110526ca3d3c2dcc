"""What is known of alerts beforehand: every alarm of the Terraform and every alert of the runbook, and nothing else."""

from __future__ import annotations

import re

import pytest

from omc.incidents.incident import SEVERITIES
from omc.responder.catalogue import catalogue, find
from omc.responder.intake.rds import ELASTICACHE_EVENTS, RDS_EVENTS
from omc.responder.pipeline.enrich import assess
from omc.responder.rules import kind_explains, kinds_beside
from support.alert_causes import ROWS
from support.alerts_world import notification, rules
from support.commands import ROOT

TABLE = (ROOT / "infrastructure/terraform/modules/monitoring/alarm_table.tf").read_text()


def alarms() -> dict[str, tuple[int, str]]:
    """Each alarm of the Terraform with its severity and its section of the runbook."""
    found = {}
    pattern = re.compile(
        r'"?(?P<name>[a-z$][a-z0-9${}.-]*)"?\s+=>?\s+\{\s+service\s+=\s+[^,\n]+,\s*severity = "SEV-(?P<severity>\d)",'
        r'\s*runbook = "(?P<runbook>[^"]+)"'
    )
    for each in pattern.finditer(TABLE):
        name = each["name"].replace("${service}", "{service}")
        found[name] = (int(each["severity"]), f"docs/runbook/{each['runbook']}")
    return found


def headings(document: str) -> set[str]:
    """The anchors of a chapter."""
    text = (ROOT / document).read_text()
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    }


def test_every_alarm_of_the_terraform_is_known_with_its_severity_and_its_section() -> None:
    ours = {each.name: (each.severity, each.runbook) for each in catalogue().values() if " " not in each.name}
    theirs = alarms()
    assert len(theirs) == 27
    assert ours == theirs


@pytest.mark.parametrize("kind", list(catalogue()))
def test_what_is_known_can_be_read_and_leads_to_a_section_that_there_is(kind: str) -> None:
    known = catalogue()[kind]
    assert known.severity in SEVERITIES
    for text in (known.symptom, known.action, known.escalation):
        assert text[-1] in ".?", text
        assert text[0].isupper(), text
        assert len(text) <= 100, text
    document, _, section = known.runbook.partition("#")
    assert section in headings(document)
    explained = known.explains | known.explains_of_its_service
    assert explained <= set(catalogue())
    assert kind not in explained, "nothing explains itself"


def test_no_two_kinds_explain_each_other() -> None:
    """Also not by way of others: else a circle of alerts would hold each other, and nobody would be told."""

    def below(kind: str, seen: frozenset[str]) -> frozenset[str]:
        assert kind not in seen, f"{kind} explains itself by way of {seen}"
        known = catalogue()[kind]
        return frozenset().union(
            *(below(each, seen | {kind}) for each in known.explains | known.explains_of_its_service)
        )

    for kind in catalogue():
        below(kind, frozenset())


@pytest.mark.parametrize(
    ("name", "kind", "service"),
    [
        ("rds-no-data", "rds-no-data", None),
        ("backend-no-healthy", "no-healthy", "backend"),
        ("my-own-service-unhealthy", "unhealthy", "my-own-service"),
        ("backend task failed", "task-failed", "backend"),
        ("backend deployment failed", "deployment-failed", "backend"),
        ("unhealthy", None, None),
        ("rds-no-data-2", None, None),
    ],
)
def test_a_name_says_what_is_known_of_it(name: str, kind: str | None, service: str | None) -> None:
    known, found = find(name, "cloudwatch")
    assert (known.kind if known else None, found) == (kind, service)


@pytest.mark.parametrize(
    ("cause", "explained", "expected"),
    [
        ("rds-no-data", "alb-5xx-percent", True),
        ("alb-5xx-percent", "rds-no-data", False),
        ("backend-no-healthy", "backend-tasks-short", True),
        ("backend-no-healthy", "frontend-tasks-short", False),
        ("backend-no-healthy", "alb-elb-5xx", True),
        ("heartbeat", "alb-elb-5xx", False),
    ],
)
def test_what_explains_what(cause: str, explained: str, expected: bool) -> None:
    one, other = (assess(notification(each), rules())[0] for each in (cause, explained))
    assert kind_explains(one, other) is expected
    assert not expected or {one.kind, other.kind} <= kinds_beside(one.kind) | {one.kind}


FIRING = [
    *(("rds", "shop-db", each.about) for each in RDS_EVENTS.values() if each.says == "firing"),
    *(("elasticache", "shop-redis-001", each.about) for each in ELASTICACHE_EVENTS.values() if each.says == "firing"),
    *((source, "shop", "failure") for source in ("rds", "elasticache")),
]


@pytest.mark.parametrize(("source", "subject", "about"), sorted(set(FIRING)))
def test_what_a_shared_dependency_tells_of_itself_is_of_its_incident(source: str, subject: str, about: str) -> None:
    """An event of RDS's beside an alarm of the database is the same trouble, and no incident of its own."""
    facts, _ = assess(notification(f"{subject} {about}", source=source), rules())
    assert facts.group == {"rds": "database", "elasticache": "cache"}[source]
    assert facts.kind in catalogue()
    elsewhere, _ = assess(notification(f"{subject} {about}", source="alertmanager"), rules())
    assert elsewhere.kind not in catalogue(), "what others call so isn't the database"


def test_each_alert_of_the_runbook_is_rehearsed_by_its_cause_and_the_table_says_so() -> None:
    """docs/alerts.md has what the rehearsals hold (and, behind it, what they measured when it was written)."""
    runbook = (ROOT / "docs/runbook/alerts.md").read_text()
    high_and_medium = runbook.partition("## High priority alerts")[2].partition("### Alert delivery")[0]
    answered = {heading.lower() for heading in re.findall(r"^### (.+)$", high_and_medium, re.MULTILINE)}
    assert {row.alert.lower() for row in ROWS} == answered
    for row in ROWS:
        known, _ = find(row.alarm, "cloudwatch")
        assert known is not None
        assert known.severity == row.severity
    lines = [
        line
        for line in (ROOT / "docs/alerts.md").read_text().splitlines()
        if line.endswith((" s |", "| not measured |"))
    ]
    assert [line.startswith(row.cells()) for line, row in zip(lines, ROWS, strict=True)] == [True] * len(ROWS), lines


def test_the_runbook_s_high_and_medium_alerts_are_there_as_it_words_them() -> None:
    """Symptom, action and escalation of each, by the section that answers it."""
    sections = {each.runbook.partition("#")[2] for each in catalogue().values()}
    assert {
        *("database-connection-failures", "high-error-rate-5xx", "service-unhealthy"),
        *("high-cpu-usage", "redis-cache-hit-rate-low"),
    } <= sections
