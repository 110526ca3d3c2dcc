"""The runbook against what it speaks of: the original's chapters, the alarms, omc's own commands, the AWS CLI's."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import click
import jmespath
import pytest

ROOT = Path(__file__).parents[2]
RUNBOOK = ROOT / "docs" / "runbook"
CHAPTERS = sorted(RUNBOOK.glob("*.md"))

# Every heading of the runbook that this one grew from, and where it is answered.
ORIGINAL = {
    "Overview": "README.md#overview",
    "Daily Operations": "daily-operations.md#daily-operations",
    "Morning Checks": "daily-operations.md#morning-checks",
    "Check System Health": "daily-operations.md#check-system-health",
    "Review CloudWatch Alarms": "daily-operations.md#review-cloudwatch-alarms",
    "Check Recent Errors": "daily-operations.md#check-recent-errors",
    "Weekly Checks": "daily-operations.md#weekly-checks",
    "Cost Review": "daily-operations.md#cost-review",
    "Security Review": "daily-operations.md#security-review",
    "Performance Review": "daily-operations.md#performance-review",
    "Deployment Procedures": "deployment.md#deployment-procedures",
    "Standard Deployment (Automated)": "deployment.md#standard-deployment",
    "Via GitHub Actions": "deployment.md#via-github-actions",
    "Via Manual Workflow Dispatch": "deployment.md#via-manual-workflow-dispatch",
    "Emergency Rollback": "deployment.md#emergency-rollback",
    "Application Rollback (ECS)": "deployment.md#application-rollback",
    "Infrastructure Rollback (Terraform)": "deployment.md#infrastructure-rollback",
    "Scaling Operations": "deployment.md#scaling-operations",
    "Manual Scaling (ECS)": "deployment.md#manual-scaling",
    "Auto-Scaling Configuration": "deployment.md#auto-scaling-configuration",
    "Monitoring and Alerts": "alerts.md#monitoring-and-alerts",
    "CloudWatch Dashboards": "alerts.md#cloudwatch-dashboards",
    "Infrastructure Dashboard": "alerts.md#infrastructure-dashboard",
    "Application Dashboard": "alerts.md#application-dashboard",
    "Alert Response": "alerts.md#alert-response",
    "High Priority Alerts": "alerts.md#high-priority-alerts",
    "Database Connection Failures": "alerts.md#database-connection-failures",
    "High Error Rate (5xx)": "alerts.md#high-error-rate-5xx",
    "Service Unhealthy": "alerts.md#service-unhealthy",
    "Medium Priority Alerts": "alerts.md#medium-priority-alerts",
    "High CPU Usage": "alerts.md#high-cpu-usage",
    "Redis Cache Hit Rate Low": "alerts.md#redis-cache-hit-rate-low",
    "Log Analysis": "alerts.md#log-analysis",
    "Find Recent Errors": "alerts.md#find-recent-errors",
    "Track Slow Queries": "alerts.md#track-slow-queries",
    "Incident Response": "incident-response.md#incident-response",
    "Severity Levels": "incident-response.md#severity-levels",
    "Incident Response Steps": "incident-response.md#incident-response-steps",
    "Acknowledge": "incident-response.md#acknowledge",
    "Assess": "incident-response.md#assess",
    "Mitigate": "incident-response.md#mitigate",
    "Resolve": "incident-response.md#resolve",
    "Post-Mortem": "incident-response.md#post-mortem",
    "Troubleshooting": "troubleshooting.md#troubleshooting",
    "Common Issues": "troubleshooting.md#common-issues",
    "Issue: ECS Tasks Keep Restarting": "troubleshooting.md#issue-ecs-tasks-keep-restarting",
    "Issue: Database Connection Timeout": "troubleshooting.md#issue-database-connection-timeout",
    "Issue: High NAT Gateway Costs": "troubleshooting.md#issue-high-nat-gateway-costs",
    "Issue: Redis Connection Failures": "troubleshooting.md#issue-redis-connection-failures",
    "Maintenance Windows": "maintenance.md#maintenance-windows",
    "Recommended Schedule": "maintenance.md#recommended-schedule",
    "Pre-Maintenance Checklist": "maintenance.md#pre-maintenance-checklist",
    "During Maintenance": "maintenance.md#during-maintenance",
    "Post-Maintenance": "maintenance.md#post-maintenance",
    "Emergency Contacts": "contacts.md#emergency-contacts",
    "On-Call Rotation": "contacts.md#on-call-rotation",
    "Communication Channels": "contacts.md#communication-channels",
    "External Contacts": "contacts.md#external-contacts",
    "Appendix": "appendix.md#appendix",
    "Useful Commands": "appendix.md#useful-commands",
    "SSH into ECS Task": "appendix.md#shell-in-an-ecs-task",
    "Database Connection": "appendix.md#database-connection",
    "Redis Connection": "appendix.md#redis-connection",
    "View Recent Deployments": "appendix.md#view-recent-deployments",
    "References": "appendix.md#references",
}
# In version 2 of the AWS CLI only; the one that the tests install is version 1.
VERSION_2 = {("logs", "tail"): {"--since", "--follow", "--format"}}


def anchor(heading: str) -> str:
    """As GitHub makes it of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@cache
def anchors(chapter: Path) -> set[str]:
    prose = re.sub(r"```.*?```", "", chapter.read_text(), flags=re.DOTALL)
    return {anchor(heading) for heading in re.findall(r"^#+ (.+)$", prose, re.MULTILINE)}


def resolves(link: str, origin: Path) -> bool:
    """Whether a relative link leads to a file, and to a heading of it where it names one."""
    path, _, section = link.partition("#")
    target = (origin.parent / path).resolve() if path else origin
    return target.exists() and (not section or section in anchors(target))


def blocks() -> list[Any]:
    """Every bash block of the runbook, named by chapter and line."""
    return [
        pytest.param(found[1], id=f"{chapter.stem}-{chapter.read_text()[: found.start()].count(chr(10)) + 1}")
        for chapter in CHAPTERS
        for found in re.finditer(r"```bash\n(.*?)```", chapter.read_text(), re.DOTALL)
    ]


@pytest.mark.parametrize(("heading", "section"), ORIGINAL.items())
def test_every_heading_of_the_original_has_its_section(heading: str, section: str) -> None:
    assert resolves(section, RUNBOOK / "README.md"), f"{heading!r} is not answered"


def test_every_chapter_is_in_the_index() -> None:
    index = (RUNBOOK / "README.md").read_text()
    assert {chapter.name for chapter in CHAPTERS} - {"README.md"} == set(
        re.findall(r"^\| \[.*?\]\((.+?\.md)\)", index, re.MULTILINE)
    )


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(chapter: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)]+)\)", chapter.read_text())
    assert [link for link in links if not resolves(link, chapter)] == []


def alarms() -> dict[str, str]:
    """Each alarm's name without its prefix, and the section that it points to. A service's alarms are made for each."""
    table = (ROOT / "infrastructure/terraform/modules/monitoring/alarm_table.tf").read_text()
    found: dict[str, str] = {}
    name = ""
    for key, section in re.findall(r'([\w${}-]+)"? =>? {|\brunbook += "([^"]+)"', table):
        name = key or name  # the nearest opened block before a runbook is the alarm's own
        if section:
            found |= {name.replace("${service}", service): section for service in ("backend", "frontend")}
    return found


def test_every_alarm_points_to_a_section_and_is_in_the_table_of_alarms() -> None:
    table = (RUNBOOK / "alerts.md").read_text().partition("## High priority alerts")[0]
    named = {
        name
        for row in re.findall(r"^\| ([a-z0-9-]+(?:, [a-z0-9-]+)*) \|", table, re.MULTILINE)
        for name in row.split(", ")
    }
    found = alarms()
    assert len(found) >= 20
    assert {name: section for name, section in found.items() if not resolves(section, RUNBOOK / "README.md")} == {}
    assert named == set(found)


def test_what_omc_points_to_is_there() -> None:
    mentions = {
        (path, link)
        for path in (ROOT / "packages/omc/src/omc").rglob("*.py")
        for link in re.findall(r"\b([a-z-]+\.md#[a-z0-9-]+)", path.read_text())
    }
    assert mentions
    assert [(path.name, link) for path, link in mentions if not resolves(link, RUNBOOK / "README.md")] == []


def mentioned_commands() -> set[str]:
    """What stands in backquotes or in a bash block and begins with omc."""
    text = "\n".join(chapter.read_text() for chapter in CHAPTERS)
    quoted = re.findall(r"`(omc [^`]+)`", text)
    return set(quoted) | {line for block in blocks() for line in re.findall(r"omc [a-z][\w -]*", block.values[0])}


@pytest.mark.parametrize("line", sorted(mentioned_commands()))
def test_every_omc_command_named_exists_with_its_options(line: str) -> None:
    from omc.cli.main import root

    command: click.Command = root
    words = line.split()[1:]
    while words and isinstance(command, click.Group):
        found = command.get_command(click.Context(command), words[0])
        assert found is not None, f"omc has no {line!r}"
        command = found
        words.pop(0)
    assert not isinstance(command, click.Group), f"{line!r} does nothing by itself"
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.name)
def test_every_procedure_says_what_performs_it(chapter: Path) -> None:
    """A section with commands has the line, or the section around it has."""
    covered: dict[int, bool] = {}
    level = 0
    for part in re.split(r"^(?=#{1,6} |```bash|> \*\*Performed by)", chapter.read_text(), flags=re.MULTILINE):
        if heading := re.match(r"(#{1,6}) (.+)", part):
            level = len(heading[1])
            covered = {depth: is_reported for depth, is_reported in covered.items() if depth < level}
        elif part.startswith("> **Performed by:**"):
            covered[level] = True
            assert re.match(r"> \*\*Performed by:\*\* (`omc |omc: not yet)", part), part.splitlines()[0]
        elif part.startswith("```bash") and chapter.name != "README.md" and "dashboards" not in part:
            assert any(covered.values()) or "describe-scaling-activities" in part, part


@pytest.mark.parametrize("block", blocks())
def test_nothing_has_to_be_filled_in_and_the_shell_understands_it(block: str) -> None:
    assert not re.search(r"<[a-z-]+>|XXX|PREVIOUS_REVISION", block)
    checked = subprocess.run(["bash", "-n"], input=block, text=True, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr


def commands(block: str) -> Iterator[tuple[str, str, set[str]]]:
    """(service, operation, options) of each aws command in a block."""
    plain = re.sub(r"\\\n", " ", re.sub(r"'[^']*'|\"(?:\\.|[^\"\\])*\"", "Q", block.replace("\\\n", " ")))
    for statement in re.split(r"\n|;|\||&&|\)|(?=\$\(aws )|(?=\baws [a-z])", plain):
        if found := re.match(r"aws ([a-z0-9-]+) ((?:wait )?[a-z0-9-]+)(.*)", statement.strip()):
            yield found[1], found[2], set(re.findall(r"(?<= )--[a-z0-9-]+", found[3]))


@cache
def command_line() -> Any:
    from awscli.clidriver import create_clidriver

    return create_clidriver()


@pytest.mark.parametrize("block", blocks())
def test_every_aws_command_is_one_that_the_aws_cli_has(block: str) -> None:
    driver = command_line()
    common = {f"--{name}" for name in driver._get_cli_data()["options"]}
    for service, operation, options in commands(block):
        if (service, operation) in VERSION_2:
            known = VERSION_2[service, operation]
        else:
            table = driver._get_command_table()[service]._get_command_table()
            first, _, waiter = operation.partition(" ")
            assert first in table, f"aws {service} has no {first}"
            command = table[first]
            if waiter:
                command = command.subcommand_table[waiter]
            known = {f"--{name}" for name in command.arg_table}
        assert options <= known | common, f"aws {service} {operation} has no {options - known - common}"


def _fields(node: dict[str, Any]) -> Iterator[str]:
    if node["type"] == "field":
        yield node["value"]
    for child in node["children"]:
        if isinstance(child, dict):  # a slice's children are numbers
            yield from _fields(child)


def _members(shape: Any, seen: frozenset[str] = frozenset()) -> set[str]:
    if shape.name in seen:
        return set()
    seen |= {shape.name}
    if shape.type_name == "structure":
        return set(shape.members).union(*(_members(member, seen) for member in shape.members.values()))
    if shape.type_name == "list":
        return _members(shape.member, seen)
    return _members(shape.value, seen) if shape.type_name == "map" else set()


@pytest.mark.parametrize("block", blocks())
def test_every_query_asks_for_fields_that_the_answer_has(block: str) -> None:
    import botocore.session
    from botocore import xform_name

    session = botocore.session.get_session()
    joined = block.replace("\\\n", " ")
    requested = r"aws ([a-z0-9-]+) ([a-z0-9-]+)((?:'[^']*'|\"(?:\\.|[^\"\\])*\"|(?!\baws [a-z])[^'\"\n])*?)"
    for service, operation, _, query in re.findall(
        requested + r"--query +('[^']*'|\"(?:\\.|[^\"\\])*\"|[\w.]+)", joined
    ):
        model = session.get_service_model(service)
        [name] = [name for name in model.operation_names if xform_name(name, "-") == operation]
        parsed = jmespath.compile(query.strip("'\"")).parsed
        unknown = set(_fields(parsed)) - _members(model.operation_model(name).output_shape)
        assert not unknown, f"aws {service} {operation} answers without {unknown}"
