"""How ``omc infra`` shows a plan of Terraform and what has drifted: for a person, for a pull request, for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from omc.checks.maintenance import sentence
from omc.facts.infrastructure import SavedPlan
from omc.facts.terraform_json import Change
from omc.facts.trail import Author
from omc.infrastructure.planned_change import PlannedChange
from omc.model.plan import Plan
from omc.output import line, to_json
from omc.output.gate import has_colour, style
from omc.output.markdown import escape as markdown
from omc.output.markdown import fenced
from omc.procedures.infrastructure_drift import Drift
from omc.procedures.infrastructure_summary import detail_lines, details, document, headline, summary
from omc.stack import Environment
from omc.times import format_time, iso


def plan(judged: Plan, saved: SavedPlan, request: PlannedChange, file: Path, output: str, *, full: bool = False) -> str:
    """A plan file: what is lost by it first, then what follows from it, then every change."""
    response = summary(saved)
    if output == "json":
        return as_json(judged, saved, request, file)
    verb = "destroy" if judged.procedure == "infra-destroy" else "apply"
    end = [
        f"Fingerprint of the changes: {response.fingerprint}",
        f"Plan file, which holds secrets: {file}",
    ]
    if response.is_empty:
        end = [nothing(judged.environment, partial=response.is_partial)]
    elif not judged.refusals and verb == "apply":
        end.append(f"Apply exactly this: omc infra apply --env {judged.environment} --plan {file}")
    listed: list[str] = []
    for one in judged.details:
        listed += [one.headline, *(f"    {detail}" for detail in detail_lines(one, full=full))]
    if not full and any(value[4] for one in judged.details for value in one.values):
        end.insert(0, "Not all values of what is new, replaced or destroyed are listed: --full lists them.")
    lost = [note for note in judged.notes if note.startswith("DATA LOSS")]
    losses = [note for note in lost if not any(refusal.startswith(note) for refusal in judged.refusals)]
    notes = [note for note in judged.notes if note not in lost]
    if output == "markdown":
        parts = [f"## {markdown(judged.title)}", *(f"> **{markdown(each)}**" for each in losses)]
        parts += [f"> **Refused:** {markdown(each)}" for each in judged.refusals]
        parts += [*(f"- {markdown(each)}" for each in notes), "", *([*fenced(listed), ""] if listed else [])]
        parts += [f"- {markdown(each)}" for each in end if str(file) not in each]
        return "\n".join([parts[0], "", *parts[1:]])
    colour = has_colour()

    def red(text: str) -> str:
        return style(line(text), fg="red", bold=True) if colour else line(text)

    lines = [
        line(judged.title),
        "",
        *map(red, losses),
        *map(line, notes),
        "",
        *([*map(line, listed), ""] if listed else []),
    ]
    lines += [red(f"Refused: {each}") for each in judged.refusals]
    return "\n".join([*lines, *map(line, end)])


def nothing(environment: str, *, partial: bool) -> str:
    """What is said where a plan changes nothing."""
    if partial:
        return (
            f"Nothing is to be changed in this part of {environment}. The plan is ONLY A PART of the whole (-target, "
            f"or something is put off): of the rest it says nothing. See all: omc infra plan --env {environment}"
        )
    return f"Nothing is to be changed: {environment} is what the code says."


def as_json(judged: Plan, saved: SavedPlan, request: PlannedChange, file: Path) -> str:
    """The summary for programs; free of secrets. Keys are added, never renamed."""
    more = {
        "plan": str(file),
        "sha256": request.sha256,
        "risk": judged.risk.value,
        "refusals": list(judged.refusals),
    }
    return to_json(document(saved) | more)


def drift(environment: Environment, found: Drift, output: str, *, everything: bool, full: bool = False) -> str:
    """What differs from the code, by who made it so. Every arrow goes from what was to what came after it."""
    name = environment.name
    groups: list[tuple[str, str, Sequence[Change]]] = [
        ("outside", "Changed outside of Terraform (was → is now); an apply changes it back", found.outside),
        ("not_applied", "Not applied yet (is now → will be): the code says so, nobody touched it", found.not_applied),
        ("intended", "Set by deployments and the autoscaler (was → is now); an apply leaves it", found.intended),
    ]
    if everything:
        groups.append(("computed", "Set by no code (was → is now); an apply leaves it", found.computed))
    others = list(_beside_the_plan(environment, found))
    if output == "json":
        paper: dict[str, object] = {
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
        for key, _, sections in others:
            paper[key] = [{"says": headline, "values": values} for headline, values in sections]
        return to_json({"environment": name, "drift": not found.is_none, **paper, "unknown": list(found.unknown)})
    lines = [_verdict(name, found)]
    for _, title, changes in groups:
        if changes:
            lines += ["", f"{title}:"]
            for change in changes:
                by = _by(found.authors.get(change.address), environment)
                below = (f"      {detail}" for detail in details(change, full=full))
                lines += [line(f"  {headline(change)}{by}"), *map(line, below)]
    for _, title, sections in others:
        if sections:
            lines += ["", f"{title}:"]
            for words, values in sections:
                lines += [line(f"  {words}"), *(line(f"      {value}") for value in values)]
    if found.unknown:
        lines += ["", "Not known, since it could not be asked:", *(line(f"  {each}") for each in found.unknown)]
    if not everything and found.computed:
        lines += ["", f"{len(found.computed)} resources have values that AWS filled in; --all lists them."]
    if not found.is_none:
        lines += ["", f"Settle it: omc infra plan --env {name}, then omc infra apply --env {name}; or change the code."]
    if found.beside:
        lines.append("What Terraform doesn't know, an apply leaves: take it away by hand, or put it into the code.")
    return "\n".join(lines)


def _verdict(name: str, found: Drift) -> str:
    if not found.is_none:
        return f"{name} is not what the code says."
    if found.unknown:
        return f"Nothing of {name} was found to differ from the code, but not all of it could be asked."
    if found.for_a_while:
        return f"{name} has not drifted from the code, but for what omc changed for a while."
    return f"{name} has not drifted from the code."


def _beside_the_plan(environment: Environment, found: Drift) -> Iterator[tuple[str, str, list[tuple[str, list[str]]]]]:
    """What was read beside the plan: key, title, and what is said with its values."""
    now = datetime.now(UTC)
    yield (
        "beside",
        "Beside what Terraform knows (the code → is now); an apply leaves it",
        [
            (
                f"{one.subject} {one.what}{_by(one.author, environment)}",
                [f"{each.path}: {each.before} → {each.after}" for each in one.differences],
            )
            for one in found.beside
        ],
    )
    yield "deployed", "Not as deployments and the autoscaler leave it", [(each, []) for each in found.deployed]
    for key, title, changes in (
        ("pending", "Put off by AWS, and not what the code says (is now → will be)", found.pending),
        ("coming", "Put off by AWS, as the code says (is now → will be)", found.coming),
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
        "Changed by omc for a while (was → is now)",
        [(f"{change.address}: {words}", list(details(change))) for change, words in found.for_a_while],
    )
    yield "releases", "Released by omc", [(each, []) for each in found.releases]


def _by(author: Author | None, environment: Environment) -> str:
    if author is None:
        return ""
    return f" ({author.who}, {format_time(author.at, environment.time_zone)})" if author.at else f" ({author.who})"


def _author(author: Author | None) -> dict[str, str | None]:
    return {} if author is None else {"by": author.who, "since": iso(author.at)}
