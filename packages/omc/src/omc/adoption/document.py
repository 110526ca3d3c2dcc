"""What ``omc stack show`` says of the file beside AWS, as blocks of a document."""

from __future__ import annotations

from typing import Any

from omc.adoption.differences import Compared, Difference
from omc.output.document import Block, Items, Literal, Paragraph, Row, Section, Severity, Status, Table
from omc.output.text import counted

COLUMNS = ("line", "key", "omc.toml says", "AWS has", "write")


def section(compared: Compared | str, environment: str) -> Section:
    """Of one environment; a string is why it wasn't compared."""
    title = f"{environment}, beside AWS"
    if isinstance(compared, str):
        return Section(title, (Paragraph((Status("not compared", Severity.UNKNOWN), f": {compared}")),))
    blocks: list[Block] = []
    if compared.differences:
        number = counted(len(compared.differences), "difference")
        blocks.append(Paragraph((Status(number, Severity.WARNING), ": the file is wrong, or AWS is.")))
        blocks.append(Table(COLUMNS, tuple(map(_row, compared.differences))))
    else:
        blocks.append(Paragraph((Status("the same", Severity.OK), ": names, limits and targets are those of AWS.")))
    if compared.unnamed:
        items = tuple((Literal(each.name), f" in {each.cluster}") for each in compared.unnamed)
        blocks.append(Section("services in its clusters that the file doesn't name", (Items(items),)))
    if compared.unknown:
        blocks.append(Section("not known", (Items(tuple(compared.unknown)),)))
    return Section(title, tuple(blocks))


def _row(one: Difference) -> Row:
    advice: str | Literal = one.note or "decide by hand"
    if one.write is not None:
        advice = Literal(one.advice)
    return Row((str(one.line), one.key, one.says, one.has, advice))


def data(compared: Compared | str) -> dict[str, Any]:
    """The same for programs."""
    if isinstance(compared, str):
        return {"compared": False, "reason": compared}
    return {
        "compared": True,
        "differences": [
            {
                "key": one.key,
                "line": one.line,
                "file": one.says,
                "aws": one.has,
                "write": list(one.write) if isinstance(one.write, list | tuple) else one.write,
                "advice": one.note,
            }
            for one in compared.differences
        ],
        "unnamed": [{"service": each.name, "cluster": each.cluster} for each in compared.unnamed],
        "unknown": compared.unknown,
    }
