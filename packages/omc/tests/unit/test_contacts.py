"""Who outside can help is data: shown where a severity or a cause calls for it, and held against what AWS says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from omc.config import load
from omc.config.contact_tables import ContactTable
from omc.errors import StackError
from omc.incidents.contacts import NONE, PLANS, SEVERITY_NAMES, called_for, ways_of
from omc.incidents.document import incident_document
from omc.incidents.events import AlertJoined, Resolved
from omc.oncall.documents import now_document
from omc.oncall.escalation import World
from omc.output import terminal
from omc.responder.catalogue import groups_of
from omc.responder.messages import page_message
from support.incident_life import START, Life
from support.notify_world import STAGING

CONTACTS = {
    "aws-support": ContactTable(name="AWS Support", plan="business-plus", severities=(1,), groups=("database",)),
    "network": ContactTable(name="Net Ltd", reach=("+61 2 5550 1234",), groups=("load-balancer", "frontend")),
}
DATABASE = AlertJoined("a1", "rds-connections-high", 2)


def test_a_contact_is_shown_for_its_severity_a_shared_dependency_or_a_service() -> None:
    def called(life: Life) -> list[str]:
        return [each.id for each in called_for(CONTACTS, life.incident, groups_of(life.incident))]

    assert called(Life().open(1)) == ["aws-support"]
    assert called(Life().open(2)) == []
    assert called(Life().open(2).happens(DATABASE)) == ["aws-support"]
    assert called(Life().open(2).happens(AlertJoined("a2", "x", 2, "frontend"))) == ["network"]


def test_it_stands_in_the_incident_in_the_page_and_in_who_is_on_call() -> None:
    life = Life().open(1)
    outside = called_for(CONTACTS, life.incident)
    shown = incident_document(life.incident, "UTC", outside)
    assert 'severity "Business-critical system down", answered within 30 min' in terminal.render(shown)
    assert shown.data["contacts"][0]["contact"] == "aws-support"
    page = page_message(life.incident, "primary on-call", START, CONTACTS)
    assert page.lines[-1].startswith("Outside help: AWS Support: Open a technical case")
    assert len(page.short) <= 160
    now = now_document({}, World({}, {}), START, "UTC", CONTACTS)
    text = terminal.render(now, width=200)
    assert "load-balancer, frontend" in text
    assert "+61 2 5550 1234" in text
    assert [each["for"] for each in now.data["contacts"]] == ["SEV-1, database", "load-balancer, frontend"]


def test_where_nobody_is_named_that_is_said() -> None:
    assert NONE in terminal.render(now_document({}, World({}, {}), START, "UTC"), width=200)
    open_one = terminal.render(incident_document(Life().open(2).incident, "UTC"), width=200)
    assert "nobody is named for it" in open_one
    for quiet in (Life().open(3), Life().open(1).happens(Resolved("done"))):
        assert "outside help" not in terminal.render(incident_document(quiet.incident, "UTC"), width=200)


@pytest.mark.parametrize(
    ("plan", "severity", "code"),
    [
        ("developer", 1, None),
        ("business", 1, "urgent"),
        ("business-plus", 1, "critical"),
        ("enterprise", 1, "critical"),
        ("enterprise", 2, "high"),
        ("unified", 3, "normal"),
    ],
)
def test_how_a_case_is_opened_follows_from_the_plan(plan: str, severity: int, code: str | None) -> None:
    ways = " ".join(ways_of(ContactTable(name="AWS Support", plan=plan), severity))  # type: ignore[arg-type]
    assert re.findall(r"--severity-code (\w+)", ways) == ([code] if code else [])
    assert ("refuses aws support create-case" in ways) == (code is None)
    assert ("1 January 2027" in ways) == PLANS[plan].ends


def test_with_basic_support_there_is_no_case_to_open() -> None:
    (way,) = ways_of(ContactTable(name="AWS Support", plan="basic"), 1)
    assert "takes no technical case" in way


def test_what_is_said_of_the_api_is_what_its_model_says() -> None:
    model: Any = botocore.session.get_session().get_service_model("support")
    level = model.shape_for("SeverityLevel").members["name"].documentation
    for code, name in SEVERITY_NAMES.items():
        assert re.search(rf"{code}\b.{{0,20}}- {name}", re.sub("<[^>]+>", "", level)), code
    assert {"severityCode", "serviceCode", "categoryCode", "issueType"} <= set(
        model.operation_model("CreateCase").input_shape.members
    )
    needed = re.sub("<[^>]+>", "", model.documentation)
    for plan in PLANS.values():
        said = plan.name.replace("AWS ", "").removesuffix(" Support")
        assert (said in needed.partition("If you call")[0]) == plan.has_api, plan.name


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ('name = "x"\nseverities = [1]', "says no way to reach them"),
        ('name = "x"\nreach = ["y"]', "would never be shown"),
        ('name = "x"\nplan = "gold"\nseverities = [1]', "plan"),
    ],
)
def test_a_contact_that_would_help_nobody_is_refused(table: str, problem: str, tmp_path: Path) -> None:
    file = tmp_path / "omc.toml"
    file.write_text(f"{STAGING.file.read_text()}\n[contacts.x]\n{table}\n")
    with pytest.raises(StackError, match=problem):
        load(file)


def test_the_runbooks_contact_is_in_omc_toml() -> None:
    assert STAGING.contacts["aws-support"].plan == "enterprise"
    shown = terminal.render(now_document({}, World({}, {}), START, "UTC", STAGING.contacts), width=200)
    assert "answered within 15 min (Enterprise Support)" in shown
