"""``omc init``: the stack file of a stack that runs, or of one that is to be."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from omc.adoption import draft as drafts
from omc.adoption.discovery import discover
from omc.adoption.empty import empty as empty_text
from omc.adoption.files import create
from omc.adoption.grouping import Group, group
from omc.adoption.judgement import Judged, Question, Value, judge, listed, unscaled
from omc.adoption.model import Found, Gap
from omc.adoption.origin import Origin, origin_of, time_zone_here
from omc.adoption.proposal import Proposal, difference, propose
from omc.config import load, parse
from omc.config.load import FILE_NAME
from omc.errors import Missing, Refused, WrongUse
from omc.output import echo, line, shell_line
from omc.output.text import counted

NOTHING_HERE = 1
REGION_OF_EMPTY = "eu-central-1"


@click.command()
@click.option("--empty", is_flag=True, help="A file for a stack that isn't there yet. Asks AWS nothing.")
@click.option("--name", help="The stack's name: one of those found, or what to call it.")
@click.option("--environment", help="One environment alone: one of those found, or what to call the only one.")
@click.option("--cluster", "clusters", multiple=True, help="Look in this cluster alone; may be repeated.")
@click.option("--profile", help="A profile of ~/.aws/config.  [default: the shell's]")
@click.option("--region", help="The region.  [default: AWS_REGION, else the profile's]")
@click.option("--endpoint", help="Another endpoint that plays AWS.  [default: AWS_ENDPOINT_URL]")
@click.option("--local-state", help="The folder of a local cloud, beside omc.toml.")
@click.option(
    "--write",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write to this file, which must not exist.  [default: omc.toml, where there is none]",
)
@click.option("--yes", is_flag=True, help="Ask nothing: take the likeliest, and say so.")
@click.pass_context
def init(
    context: click.Context,
    *,
    empty: bool,
    name: str | None,
    environment: str | None,
    clusters: tuple[str, ...],
    profile: str | None,
    region: str | None,
    endpoint: str | None,
    local_state: str | None,
    target: Path | None,
    yes: bool,
) -> int:
    """Write omc.toml from what runs in an account: services, load balancers, databases, caches, alarms.

    Reads only. Where there is an omc.toml already it is left as it is: what AWS has otherwise is printed as a
    difference that patch takes, and the command ends with 1.

    \b
    omc init                                 what the shell's credentials and region show
    omc init --profile acme --region eu-central-1 --cluster acme
    omc init --name acme --environment prod  one environment of one stack
    omc init --local-state .localcloud       a local cloud
    omc init | patch                         take the difference over
    omc init --write new.toml                into another file
    omc init --empty --name acme             a file to begin with
    """
    file = Path(context.obj or os.environ.get("OMC_STACK") or FILE_NAME)
    if empty:
        return _empty(target or file, name or "app", environment or "production", region)
    if target is not None and target.exists():
        raise Refused(f"{target} is there already. Nothing was written; name another file with --write.")
    stack = load(file) if file.exists() else None
    origin = origin_of(file.parent, profile=profile, region=region, endpoint=endpoint, local_state=local_state)
    origin.gateway.log_in()
    found = discover(origin.gateway, clusters)
    groups = group(found, name or (stack.name if stack else None), environment)
    if stack is not None:
        text = file.read_text(encoding="utf-8")
        proposal = propose(stack, text, file.resolve(), found, groups, is_local=origin.is_local)
        return _propose(proposal, text, file, target, found)
    if not groups:
        raise Missing(
            f"There is no ECS service in {found.region} of account {found.account}"
            f"{f', cluster {listed(clusters)}' if clusters else ''}. Another region: omc init --region REGION. "
            "A file for a new stack: omc init --empty"
        )
    asker = _Asker(asks=not yes and sys.stdin.isatty() and sys.stderr.isatty())
    made, others = _draft(found, groups, name, environment, origin, asker)
    target = target or file
    create(target, drafts.text(made, target.resolve()))
    _report(made, others, found, origin, target, asker)
    return 0


def _empty(file: Path, name: str, environment: str, region: str | None) -> int:
    text = empty_text(name, environment, region or os.environ.get("AWS_REGION") or REGION_OF_EMPTY, time_zone_here())
    parse(text, file.resolve())  # a name that omc.toml doesn't take is said before anything is written
    create(file, text)
    echo(line(f"Wrote {file}. Edit it, then: {shell_line(['omc', 'stack', 'show', '--offline'])}"))
    return 0


class _Asker:
    """Asks a person what the account doesn't decide; without one it takes the likeliest and keeps that it did."""

    def __init__(self, *, asks: bool) -> None:
        self.asks = asks
        self.taken: list[str] = []

    def answer(self, question: Question) -> str:
        if self.asks:
            echo(line(f"Which is {question.about}? {', '.join(question.choices)}"), err=True)
            return str(
                click.prompt(
                    line(question.about), type=click.Choice(question.choices), default=question.choices[0], err=True
                )
            )
        rest = question.choices[1:]
        also = f", not {listed(rest)}" if rest else ""
        self.taken.append(f"Took {question.choices[0]} for {question.about}{also}. Otherwise: {question.option}")
        return question.choices[0]


def _draft(
    found: Found,
    groups: Sequence[Group],
    name: str | None,
    environment: str | None,
    origin: Origin,
    asker: _Asker,
) -> tuple[drafts.Draft, list[Group]]:
    """What is written, and the environments that are left out of it."""
    stacks = list(dict.fromkeys(each.stack for each in groups))
    if name and name in stacks:
        chosen = name
    elif len(stacks) > 1:
        chosen = asker.answer(Question("the stack", tuple(stacks), "--name NAME"))
    else:
        chosen = stacks[0]
    own = [each for each in groups if each.stack == chosen]
    if environment:
        own = [each for each in own if each.environment == environment]
        if not own:
            there = listed(sorted({each.environment for each in groups if each.stack == chosen}))
            raise WrongUse(f"There is no environment {environment} of {chosen} here; there is {there}.")
    judged: list[Judged] = []
    for each in own:
        others = [other for other in groups if other is not each]
        first = judge(found, each, others)
        answers = {question.about: asker.answer(question) for question in first.questions}
        judged.append(judge(found, each, others, answers) if answers else first)
        judged[-1].untold += unscaled(found, each)
    beside = {**origin.beside} if origin.is_local else {**origin.beside, "account": Value(found.account)}
    made = drafts.draft(chosen, time_zone_here(), judged, {each.environment: beside for each in own})
    return made, [each for each in groups if each not in own]


def _report(
    made: drafts.Draft, others: Sequence[Group], found: Found, origin: Origin, file: Path, asker: _Asker
) -> None:
    echo(
        line(
            f"Wrote {file}: {made.name} in {found.region} of account {found.account}, read with "
            f"{counted(found.calls, 'call')}."
        )
    )
    for label, services in made.services.items():
        echo(line(f"  {label}: {listed(services)}"))
    unknowns = [*asker.taken, *made.untold, *origin.untold, *map(_gap, found.gaps)]
    if unknowns:
        echo("\nWhat it could not tell:")
        for sentence in dict.fromkeys(unknowns):
            echo(line(f"- {sentence}"))
    for each in others:
        command = shell_line(["omc", "init", "--name", each.stack, "--write", f"{each.stack}.toml"])
        services_there = counted(len(each.services), "service")
        echo(line(f"Also here: {each.stack}, {each.environment}, {services_there}. Into a file of its own: {command}"))
    stack = [] if file == Path(FILE_NAME) else ["--stack", str(file)]
    echo(f"\nNext: {line(shell_line(['omc', *stack, 'check', 'morning', '--env', next(iter(made.environments))]))}")


def _gap(gap: Gap) -> str:
    if gap.action:
        return f"{gap.what[0].upper()}{gap.what[1:]}: the credentials lack {gap.action}."
    return f"{gap.what[0].upper()}{gap.what[1:]}: {gap.why}"


def _propose(proposal: Proposal, before: str, file: Path, target: Path | None, found: Found) -> int:
    for name in proposal.elsewhere:
        echo(line(f"omc: {name} isn't in {found.region} of account {found.account}, so it wasn't compared."), err=True)
    for sentence in [*map(_gap, found.gaps), *proposal.by_hand]:
        echo(line(f"omc: {sentence}"), err=True)
    lines = difference(before, proposal.text, str(file))
    if target is not None:
        create(target, proposal.text)
        echo(line(f"Wrote {target}."), err=True)
    if not lines and not proposal.by_hand:
        echo(line(f"{file} says what AWS has."), err=True)
        return 3 if found.gaps or not proposal.compared else 0
    for each in lines:
        echo(each)
    return 1
