"""What the checks ask, as documents: all of them (``docs/checks.md`` is made of it), and one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omc.checks.doctor import DOCTOR
from omc.checks.finding import Level
from omc.checks.morning import MORNING
from omc.checks.run import CheckList
from omc.checks.spec import CHECKS, Check, CheckSpec, spec_of
from omc.config import Environment
from omc.facts.collector import dependencies
from omc.facts.scope import Scope
from omc.output.document import (
    Document,
    Field,
    Fields,
    Link,
    Literal,
    Paragraph,
    Row,
    Section,
    Severity,
    Status,
    Table,
)

LISTS: Mapping[str, CheckList] = {"omc check morning": MORNING, "omc doctor": DOCTOR}
"""By the command that runs them."""
SEVERITIES: Mapping[Level, Severity] = {
    Level.OK: Severity.OK,
    Level.WARN: Severity.WARNING,
    Level.UNKNOWN: Severity.UNKNOWN,
    Level.FAIL: Severity.FAILURE,
}


def checks_document(folder: str = "", lists: Mapping[str, CheckList] = LISTS) -> Document:
    """Every check, by the command that runs it. ``folder`` is that of the page it is written to, for its links;
    ``lists`` has more than this room knows of."""
    sections = tuple(
        Section(f"{checks.title} ({command})", (_table(checks, folder),)) for command, checks in lists.items()
    )
    return Document("Checks", sections, data=[_data(spec_of(one), lists) for one in CHECKS.values()])


def check_document(id: str, lists: Mapping[str, CheckList] = LISTS) -> Document:  # noqa: A002 - the spec's own word
    """One check. ``KeyError`` where there is none of this id."""
    spec = spec_of(CHECKS[id])
    fields = (
        Field("id", Literal(spec.id)),
        Field("at worst", _status(spec)),
        Field("what answers it", Link(spec.runbook.title, spec.runbook.document)),
        Field("reads", _reads(CHECKS[id])),
        Field("run by", list(_run_by(id, lists))),
    )
    return Document(spec.title, (Paragraph(spec.question), Fields(fields)), data=_data(spec, lists))


def _table(checks: CheckList, folder: str) -> Table:
    specs = [spec_of(one) for one in checks.checks]
    return Table(
        ("check", "at worst", "what answers it", "asks"),
        tuple(
            Row(
                (
                    Literal(spec.id),
                    _status(spec),
                    Link(spec.runbook.title, spec.runbook.document.removeprefix(folder)),
                    spec.question,
                )
            )
            for spec in specs
        ),
        below=1,
    )


def _status(spec: CheckSpec) -> Status:
    return Status(spec.severity.value, SEVERITIES[spec.severity])


def _data(spec: CheckSpec, lists: Mapping[str, CheckList]) -> dict[str, Any]:
    return {
        "id": spec.id,
        "title": spec.title,
        "question": spec.question,
        "severity": spec.severity.value,
        "runbook": {"title": spec.runbook.title, "document": spec.runbook.document},
        "reads": _reads(CHECKS[spec.id]),
        "run_by": list(_run_by(spec.id, lists)),
    }


def _reads(check: Check) -> list[str]:
    """The facts' names, which their modules in ``omc.facts`` explain."""
    return [kind.__name__ for kind in dependencies(check).values() if kind not in (Environment, Scope)]


def _run_by(id: str, lists: Mapping[str, CheckList]) -> tuple[str, ...]:  # noqa: A002
    return tuple(command for command, checks in lists.items() if CHECKS[id] in checks.checks)
