"""``omc oncall``: who is on call, overrides, who would be paged, gaps, imports, calendars, contacts."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import click

from omc.api_client.http import configured
from omc.cli.options import environment_option
from omc.cli.show import environment_and_output, show
from omc.config import load
from omc.errors import WrongUse
from omc.model.people import Channel
from omc.oncall import documents
from omc.oncall.configured import group_of, toml_of
from omc.oncall.escalation import empty_rungs, escalation
from omc.oncall.events import OverrideAdded, RotaRecord, Undone
from omc.oncall.feeds import person_feed, rota_feed
from omc.oncall.imports.draft import Finder, changes, people_of
from omc.oncall.imports.read import SOURCES, SourceFile, read_files
from omc.oncall.lookups import (
    actor_in,
    alias_of,
    clocks_of,
    ensure_name,
    ground_of,
    identify,
    method_of,
    person_in,
    rota_in,
)
from omc.oncall.model import Gap, Rota
from omc.oncall.problems import LOSES_PAGES, Kind, Problem, problems_of
from omc.oncall.schedule import on_call, shifts
from omc.output import echo, line

ROTA = click.argument("name", metavar="ROTA")
AT = click.option(
    "--at", metavar="TIME", default="now", show_default=True, help="A local time, or one with its offset."
)
FROM = click.option("--from", "begin", metavar="TIME", help="When it begins.")
TO = click.option("--to", "end", metavar="TIME", help="When it ends.")
REASON = click.option("--reason", default="", help="Why, for whoever reads the record.")
SEVERITIES = click.IntRange(1, 3)


@click.group()
def oncall() -> None:
    """Who is on call: rotas, overrides, who would be paged and when, gaps, imports and calendars.

    \b
    omc oncall now --env production
    omc oncall explain --at "2026-12-25 03:00" --severity 1 --env production
    omc oncall cover primary bob --at "sat 10:00" --env production
    """


@oncall.command()
@AT
@environment_and_output
def now(context: click.Context, at: str, env: str | None, output: str) -> None:
    """Who is on call in each rota, until when, and how they are reached. Exit code 1 where nobody is.

    \b
    omc oncall now --env production
    omc oncall now --at "2026-12-25 03:00" --env production
    """
    from omc.oncall import changing

    ground = ground_of(context.obj, env)
    world, _ = changing.world_of(ground)
    moment = ground.moment(at)
    tiles = {name: on_call(rota, moment) for name, rota in world.rotas.items()}
    show(documents.now_document(tiles, world, moment, ground.zone), output)
    if not tiles or any(isinstance(tile, Gap) for tile in tiles.values()):
        context.exit(1)


@oncall.command()
@ROTA
@FROM
@click.option("--days", type=click.IntRange(1, 800), default=28, show_default=True, help="How many of them.")
@environment_and_output
def schedule(context: click.Context, name: str, begin: str | None, days: int, env: str | None, output: str) -> None:
    """The shifts of a rota, its gaps, and what was recorded of it with its numbers.

    \b
    omc oncall schedule primary --env production
    omc oncall schedule primary --from 2026-12-20 --days 14 --env production
    """
    from omc.oncall import changing

    ground = ground_of(context.obj, env)
    world, events = changing.world_of(ground)
    rota = rota_in(world, name)
    first = ground.moment(begin or "now")
    last = first + timedelta(days=days)
    tiles = shifts(rota, first, last)
    record = events.get(name, RotaRecord(name))
    show(documents.schedule_document(rota, tiles, record, world.persons, first, last), output)


@oncall.command()
@ROTA
@click.argument("people", metavar="PERSON[+PERSON]")
@click.option("--from", "begin", metavar="TIME", required=True, help="When it begins.")
@click.option("--to", "end", metavar="TIME", required=True, help="When it ends.")
@click.option("--instead-of", metavar="PERSON", help="Only this one's place, while she is on call.")
@REASON
@environment_and_output
def override(
    context: click.Context,
    name: str,
    people: str,
    begin: str,
    end: str,
    instead_of: str | None,
    reason: str,
    env: str | None,
    output: str,
) -> None:
    """Put somebody else on call for a while. The later override wins; each can be undone.

    \b
    omc oncall override primary kim --from "2026-12-24 09:00" --to "2026-12-27 09:00" --env production
    """
    from omc.oncall import changing

    ground = ground_of(context.obj, env)
    payload = OverrideAdded(
        ground.moment(begin),
        ground.moment(end),
        tuple(person_in(ground.stack, each).id for each in group_of(people)),
        person_in(ground.stack, instead_of).id if instead_of else None,
        reason=reason,
    )
    show(changing.override(ground, name, actor_in(ground.environment), payload), output)


@oncall.command()
@ROTA
@click.option("--at", metavar="TIME", help="The shift at this time: what is left of it, if it has begun.")
@FROM
@TO
@click.option("--for", "whose", metavar="PERSON", help="Whose shift, where several are on call.")
@click.option("--by", metavar="PERSON", help="Who takes it.  [default: you, as [people] knows you]")
@REASON
@environment_and_output
def take(
    context: click.Context,
    name: str,
    at: str | None,
    begin: str | None,
    end: str | None,
    whose: str | None,
    by: str | None,
    reason: str,
    env: str | None,
    output: str,
) -> None:
    """Take somebody's shift: the one at a time, or whatever lies between two times.

    \b
    omc oncall take primary --at "sat 10:00" --env production
    omc oncall take primary --from 18:00 --to 22:00 --env production
    """
    from omc.oncall import changing

    ground = ground_of(context.obj, env)
    actor = actor_in(ground.environment)
    taker = person_in(ground.stack, by).id if by else identify(ground.stack, actor, "--by")
    victim = person_in(ground.stack, whose).id if whose else None
    show(changing.swap(ground, name, actor, (at, begin, end), taker, victim, reason), output)


@oncall.command()
@ROTA
@click.argument("person", metavar="PERSON")
@click.option("--at", metavar="TIME", help="The shift at this time: what is left of it, if it has begun.")
@FROM
@TO
@click.option("--for", "whose", metavar="PERSON", help="Whose shift.  [default: yours, as [people] knows you]")
@REASON
@environment_and_output
def cover(
    context: click.Context,
    name: str,
    person: str,
    at: str | None,
    begin: str | None,
    end: str | None,
    whose: str | None,
    reason: str,
    env: str | None,
    output: str,
) -> None:
    """Have somebody cover your shift: the one at a time, or what of it lies between two times.

    \b
    omc oncall cover primary bob --at "sat 10:00" --env production
    """
    from omc.oncall import changing

    ground = ground_of(context.obj, env)
    actor = actor_in(ground.environment)
    covered = person_in(ground.stack, whose).id if whose else identify(ground.stack, actor, "--for")
    taker = person_in(ground.stack, person).id
    show(changing.swap(ground, name, actor, (at, begin, end), taker, covered, reason), output)


@oncall.command()
@ROTA
@click.argument("number", type=click.IntRange(1, 10**9))
@REASON
@environment_and_output
def undo(context: click.Context, name: str, number: int, reason: str, env: str | None, output: str) -> None:
    """Undo an override or an import, by the number that omc oncall schedule shows.

    \b
    omc oncall undo primary 3 --env production
    """
    from omc.oncall import changing

    ground = ground_of(context.obj, env)
    if configured() is None and not ground.location.exists:
        raise WrongUse(f"Nothing was ever recorded of {name}.")
    actor = actor_in(ground.environment)
    show(changing.record_event(ground, name, actor, lambda _rota: Undone(number, reason)), output)


@oncall.command()
@AT
@click.option("--severity", type=SEVERITIES, default=2, show_default=True)
@environment_and_output
def explain(context: click.Context, at: str, severity: int, env: str | None, output: str) -> None:
    """Who would be paged when, step by step, by an alarm at a time. Exit code 1 where nobody would.

    \b
    omc oncall explain --env production
    omc oncall explain --at "2026-12-25 03:00" --severity 3 --env production
    """
    from omc.oncall import changing

    ground = ground_of(context.obj, env)
    world, _ = changing.world_of(ground)
    moment = ground.moment(at)
    clocks, notes = clocks_of(ground.stack, moment)
    found = escalation(clocks, world, severity, moment)
    show(documents.explain_document(found, clocks, world, ground.zone, notes), output)
    if found.first_page is None:
        context.exit(1)


@oncall.command()
@click.option("--weeks", type=click.IntRange(1, 104), default=6, show_default=True, help="How far ahead.")
@environment_and_output
def gaps(context: click.Context, weeks: int, env: str | None, output: str) -> None:
    """Every gap, whoever can't be reached, and what clock changes do, in the coming weeks. Exit code 1 where a page
    would reach nobody.

    \b
    omc oncall gaps --env production
    omc oncall gaps --weeks 26 --env production --output json
    """
    from omc.oncall import changing

    ground = ground_of(context.obj, env)
    world, _ = changing.world_of(ground)
    end = ground.now + timedelta(weeks=weeks)
    found = [
        each
        for rota in world.rotas.values()
        for each in problems_of(rota, world.persons, world.verified, ground.now, end)
    ]
    clocks, _ = clocks_of(ground.stack, ground.now)
    for rung, reason in empty_rungs(clocks, world, ground.now):
        found.append(Problem(Kind.EMPTY_STEP, "", f"{rung.role} would be skipped now: {reason}"))
    show(documents.problems_document(found, ground.now, end, ground.zone), output)
    if any(each.kind in LOSES_PAGES for each in found):
        context.exit(1)


@oncall.command(name="import")
@click.argument("source", type=click.Choice(SOURCES))
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--rota", "wanted", metavar="ROTA", help="The name that it gets here.  [default: made of its own]")
@click.option("--person", "aliases", metavar="THEIRS=OURS", multiple=True, help="Who somebody of it is in [people].")
@click.option("--weeks", type=click.IntRange(1, 52), default=4, show_default=True, help="So far differences are shown.")
@click.option("--yes", is_flag=True, help="Record it; else only the difference is shown.")
@environment_and_output
def import_(
    context: click.Context,
    source: str,
    files: tuple[Path, ...],
    wanted: str | None,
    aliases: tuple[str, ...],
    weeks: int,
    yes: bool,
    env: str | None,
    output: str,
) -> None:
    """Read rotas of a calendar or of an export, show what would change and what couldn't be read, and record them.

    A rota that stands in omc.toml isn't replaced: the import is printed as its tables. Exit code 1 where something of
    it couldn't be read.

    \b
    omc oncall import calendar rota.ics --rota primary --env production
    omc oncall import pagerduty schedules.json --person "Joanna Smith=jo" --yes --env production
    """
    from omc.oncall import changing

    ground = ground_of(context.obj, env)
    finder = Finder(ground.stack.persons, dict(alias_of(ground.stack, each) for each in aliases))
    read = [SourceFile(file.name, file.read_bytes()) for file in files]
    if wanted is not None:
        ensure_name(wanted)
    drafts = read_files(source, read, ground.zone, finder, ground.now, wanted)
    world, _ = changing.world_of(ground)
    end = ground.now + timedelta(weeks=weeks)
    shown = [
        (
            each,
            changes(world.rotas.get(each.rota.name), each.rota, ground.now, end),
            people_of(each, finder),
            toml_of(each.rota),
        )
        for each in drafts
    ]
    named = f"{source} {', '.join(file.name for file in files)}"
    outcome = changing.import_drafts(ground, drafts, named) if yes else "Nothing was recorded. To record it: --yes"
    show(documents.import_document(shown, ground.stack.persons, weeks, outcome), output)
    if any(each.unread for each in drafts):
        context.exit(1)


@oncall.command()
@click.argument("name", metavar="[ROTA]", required=False)
@click.option("--person", metavar="PERSON", help="This one's shifts in all rotas, instead of a rota.")
@click.option("--days", type=click.IntRange(1, 800), default=180, show_default=True, help="How many of them.")
@click.option("--file", "target", type=click.Path(dir_okay=False, path_type=Path), help="Write it there.")
@environment_option
@click.pass_context
def export(
    context: click.Context, name: str | None, person: str | None, days: int, target: Path | None, env: str | None
) -> None:
    """Print a rota, or one person's shifts, as iCalendar.

    \b
    omc oncall export primary --file primary.ics --env production
    omc oncall export --person jo --env production
    """
    if (name is None) == (person is None):
        raise WrongUse("Say either which rota, or whose shifts with --person.")
    from omc.oncall import changing

    ground = ground_of(context.obj, env)
    world, _ = changing.world_of(ground)
    end = ground.now + timedelta(days=days)
    if name is not None:
        content = rota_feed(rota_in(world, name), world.persons, ground.now, end, ground.now)
    else:
        known = person_in(ground.stack, person or "").id
        content = person_feed(known, world.persons, world.rotas, ground.now, end, ground.now)
    if target is None:
        echo(content.decode().replace("\r\n", "\n").rstrip("\n"))
    else:
        target.write_bytes(content)
        echo(line(f"Written: {target}"))


@oncall.command()
@click.argument("person", metavar="PERSON")
@click.argument("method", metavar="METHOD")
@click.option("--code", help="The code that arrived there.")
@click.option("--withdraw", metavar="REASON", help="It doesn't reach her any more: count it as unconfirmed.")
@environment_option
@click.pass_context
def verify(
    context: click.Context, person: str, method: str, code: str | None, withdraw: str | None, env: str | None
) -> None:
    """Confirm that a contact reaches its owner: a code is sent there, and she enters it.

    \b
    omc oncall verify jo sms:+61400000000 --env production
    omc oncall verify jo sms:+61400000000 --code K7QF-92MX --env production
    """
    from omc.oncall import changing

    ground = ground_of(context.obj, env)
    known = person_in(ground.stack, person)
    contact = method_of(known, method)
    if code is not None and withdraw is not None:
        raise WrongUse("Say either --code or --withdraw.")
    if contact.channel is Channel.SLACK and contact.address.startswith("#"):
        raise WrongUse(f"{contact} is a channel, which everybody in it reads: it confirms nothing about {known.name}.")
    actor = actor_in(ground.environment)
    echo(line(changing.verify(ground, known, contact, code, withdraw, actor)))


@oncall.command()
@click.argument("person", metavar="PERSON")
@environment_option
@click.pass_context
def test(context: click.Context, person: str, env: str | None) -> None:
    """Send somebody a test page, as urgent as a real one.

    \b
    omc oncall test jo --env production
    """
    from omc.oncall import changing

    ground = ground_of(context.obj, env)
    known = person_in(ground.stack, person)
    echo(line(changing.send_test(ground, known, actor_in(ground.environment))))


@oncall.command()
@click.argument("other", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--weeks", type=click.IntRange(1, 52), default=8, show_default=True, help="So far ahead.")
@environment_and_output
def diff(context: click.Context, other: Path, weeks: int, env: str | None, output: str) -> None:
    """What would change if another stack file took this one's place: who is on call when, overrides included.

    \b
    omc oncall diff changed.toml --env production
    omc oncall diff changed.toml --weeks 26 --env production --output json
    """
    from omc.oncall import changing

    ground = ground_of(context.obj, env)
    begin, end = ground.now, ground.now + timedelta(weeks=weeks)
    before, after = changing.world_of(ground)[0].rotas, changing.world_of(ground, load(other))[0].rotas
    found = {
        name: changes(before.get(name), after.get(name) or Rota(name, ground.zone), begin, end)
        for name in dict.fromkeys([*before, *after])
    }
    show(documents.diff_document(found, begin, end, ground.zone, ground.stack.persons), output)
