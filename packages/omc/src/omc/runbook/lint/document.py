"""What ``omc runbook check`` says: for people, for SARIF readers, for GitHub."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from omc.output.document import Document, Literal, Row, Severity, Status, Table, Verdict
from omc.output.json import to_json
from omc.output.text import counted
from omc.runbook.lint.catalogue import RULES
from omc.runbook.lint.check import fails
from omc.runbook.lint.model import Find, Level

_SEVERITIES = {Level.ERROR: Severity.FAILURE, Level.WARNING: Severity.WARNING, Level.NOTE: Severity.NONE}


def finds_document(found: Sequence[Find], files: int, known: int = 0) -> Document:
    """The finds as a table, and how many of each level there are."""
    rows = tuple(
        Row(
            (
                Literal(f"{one.file}:{one.line}:{one.column}"),
                Status(one.rule.level.value, _SEVERITIES[one.rule.level]),
                one.rule.name,
                one.message,
                (Literal(one.instead), " does it") if one.instead else "",
            )
        )
        for one in found
    )
    counts = Counter(one.rule.level for one in found)
    parts = [counted(counts[level], level.value) for level in Level if counts[level]]
    sentence = f"{', '.join(parts) or 'nothing found'} in {counted(files, 'file')}"
    if known:
        sentence += f"; {counted(known, 'find')} of the baseline left out"
    verdict = Verdict(Status("fail", Severity.FAILURE) if fails(found) else Status("ok", Severity.OK), f"{sentence}.")
    data = {
        "ok": not fails(found),
        "files": files,
        "in_baseline": known,
        "finds": [
            {
                "file": one.file,
                "line": one.line,
                "column": one.column,
                "rule": one.rule.name,
                "level": one.rule.level.value,
                "message": one.message,
                "text": one.text,
                "why": one.rule.why,
                "instead": one.instead or None,
                "fingerprint": one.fingerprint,
            }
            for one in found
        ],
    }
    blocks = (Table(("where", "level", "rule", "what", "instead"), rows, below=2),) if rows else ()
    return Document("", blocks, verdict=verdict, data=data)


def rules_document() -> Document:
    """Every rule with what it finds and why that matters."""
    rows = tuple(Row((Literal(rule.name), rule.level.value, f"{rule.title}.", rule.why)) for rule in RULES.values())
    data = {"rules": [{"rule": r.name, "level": r.level.value, "title": r.title, "why": r.why} for r in RULES.values()]}
    return Document("", (Table(("rule", "level", "finds", "why it matters"), rows, below=1),), data=data)


def sarif(found: Sequence[Find], version: str) -> str:
    """SARIF 2.1.0, as code scanning reads it."""
    rules = [
        {
            "id": rule.name,
            "shortDescription": {"text": rule.title},
            "fullDescription": {"text": rule.why},
            "defaultConfiguration": {"level": rule.level.value},
        }
        for rule in RULES.values()
    ]
    names = list(RULES)
    results = [
        {
            "ruleId": one.rule.name,
            "ruleIndex": names.index(one.rule.name),
            "level": one.rule.level.value,
            "message": {"text": one.message + (f" omc does it: {one.instead}" if one.instead else "")},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": one.file},
                        "region": {"startLine": one.line, "startColumn": one.column},
                    }
                }
            ],
            "partialFingerprints": {"omcRunbook/v1": one.fingerprint},
        }
        for one in found
    ]
    driver = {"name": "omc runbook check", "version": version, "rules": rules}
    value = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}],
    }
    return to_json(value) + "\n"


def github_lines(found: Sequence[Find]) -> list[str]:
    """Lines that GitHub Actions shows beside the file's own."""

    def escaped(text: str, *, is_property: bool = False) -> str:
        text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
        return text.replace(":", "%3A").replace(",", "%2C") if is_property else text

    words = {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "notice"}
    return [
        f"::{words[one.rule.level]} file={escaped(one.file, is_property=True)},line={one.line},col={one.column},"
        f"title={escaped(one.rule.name, is_property=True)}::{escaped(one.message)}"
        for one in found
    ]
