"""What differs from the code, by who made it so, as a document. Each arrow goes from what was to what came after."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from omc.checks.maintenance import sentence
from omc.config import Environment
from omc.facts.terraform_json import Change
from omc.facts.trail import Author
from omc.output.document import Block, CodeBlock, Document, Items, Paragraph, Section
from omc.output.text import counted, verb
from omc.procedures.infrastructure_drift import Drift
from omc.procedures.infrastructure_summary import details, headline
from omc.times import format_time, iso

Entry = tuple[str, list[str]]
"""What is said of one thing, and the lines below it."""


def drift_document(
    environment: Environment, found: Drift, now: datetime, *, everything: bool, full: bool = False
) -> Document:
    """``everything``: also the values that AWS filled in; ``full``: each value whole."""
    name = environment.name
    groups: list[tuple[str, str, Sequence[Change]]] = [
        ("outside", "Changed outside of Terraform (was → is now); an apply changes it back", found.outside),
        ("not_applied", "Not applied yet (is now → will be): the code says so, nobody touched it", found.not_applied),
        ("intended", "Set by deployments and the autoscaler (was → is now); an apply leaves it", found.intended),
    ]
    if everything:
        groups.append(("computed", "Set by no code (was → is now); an apply leaves it", found.computed))
    others = list(_beside_the_plan(environment, found, now))
    data: dict[str, object] = {
        key: [
            {
                "address": one.address,
                "does": one.does.value,
                "values": list(details(one, full=True)),
                **_author(found.authors.get(one.address)),
            }
            for one in changes
        ]
        for key, _, changes in groups
    }
    for key, _, entries in others:
        data[key] = [{"says": words, "values": values} for words, values in entries]
    sections: list[tuple[str, list[Entry]]] = []
    for _, title, changes in groups:
        who = [_by(found.authors.get(change.address), environment) for change in changes]
        entries = [
            (f"{headline(change)}{by}", list(details(change, full=full)))
            for change, by in zip(changes, who, strict=True)
        ]
        sections.append((title, entries))
    sections += [(title, entries) for _, title, entries in others]
    blocks: list[Block] = [_section(title, entries) for title, entries in sections if entries]
    if found.unknown:
        blocks.append(Section("Unknown, since it could not be read:", (Items(found.unknown),)))
    if not everything and found.computed:
        blocks.append(
            Paragraph(
                f"{counted(len(found.computed), 'resource')} {verb(len(found.computed), 'has', 'have')} "
                "values that AWS filled in; --all lists them."
            )
        )
    if not found.is_none:
        message = f"Settle it: omc infra plan --env {name}, then omc infra apply --env {name}; or change the code."
        blocks.append(Paragraph(message))
    if found.beside:
        message = "An apply leaves what Terraform doesn't know: remove it by hand, or add it to the code."
        blocks.append(Paragraph(message))
    data = {"environment": name, "drift": not found.is_none, **data, "unknown": list(found.unknown)}
    return Document(_verdict(name, found), tuple(blocks), data=data)


def _section(title: str, entries: Sequence[tuple[str, Sequence[str]]]) -> Section:
    lines = [each for words, values in entries for each in (words, *(f"    {value}" for value in values))]
    return Section(f"{title}:", (CodeBlock(tuple(lines)),))


def _verdict(name: str, found: Drift) -> str:
    if not found.is_none:
        return f"{name} is not what the code says."
    if found.unknown:
        return f"Nothing of {name} was found to differ from the code, but not all of it could be read."
    if found.for_a_while:
        return f"{name} has not drifted from the code, apart from omc's temporary changes."
    return f"{name} has not drifted from the code."


def _beside_the_plan(
    environment: Environment, found: Drift, now: datetime
) -> Iterator[tuple[str, str, list[tuple[str, list[str]]]]]:
    """What was read beside the plan: key, title, and what is said with its values."""
    yield (
        "beside",
        "Unknown to Terraform (the code → is now); an apply leaves it",
        [
            (
                f"{one.subject} {one.what}{_by(one.author, environment)}",
                [f"{each.path}: {each.before} → {each.after}" for each in one.differences],
            )
            for one in found.beside
        ],
    )
    yield "deployed", "Different from what deployments and the autoscaler set", [(each, []) for each in found.deployed]
    for key, title, changes in (
        ("pending", "Scheduled by AWS for later, and not what the code says (is now → will be)", found.pending),
        ("coming", "Scheduled by AWS for later, as the code says (is now → will be)", found.coming),
    ):
        yield (
            key,
            title,
            [
                (
                    f"{one.resource}: {sentence(one, environment, now)}",
                    [f"{one.difference.path}: {one.difference.before} → {one.difference.after}"],
                )
                for one in changes
            ],
        )
    yield (
        "for_a_while",
        "Changed by omc temporarily (was → is now)",
        [(f"{change.address}: {words}", list(details(change))) for change, words in found.for_a_while],
    )
    yield "releases", "Released by omc", [(each, []) for each in found.releases]


def _by(author: Author | None, environment: Environment) -> str:
    if author is None:
        return ""
    return f" ({author.who}, {format_time(author.at, environment.time_zone)})" if author.at else f" ({author.who})"


def _author(author: Author | None) -> dict[str, str | None]:
    return {} if author is None else {"by": author.who, "since": iso(author.at)}
