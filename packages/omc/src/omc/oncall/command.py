"""``omc oncall``: who is on call, overrides, who would be paged, gaps, imports, calendars, contacts."""

from __future__ import annotations

from base64 import b64encode
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from omc.api_client import documents as through
from omc.api_client.http import Server, configured, segment
from omc.cli.lazy import PlainGroup
from omc.cli.options import environment_option
from omc.cli.show import environment_and_output, show
from omc.config import load
from omc.engine.actors import actor_or_user
from omc.errors import WrongUse
from omc.oncall import answers, documents, importing
from omc.oncall.configured import group_of
from omc.oncall.events import OverrideAdded, RotaRecord, Undone
from omc.oncall.imports.draft import changes
from omc.oncall.imports.read import SOURCES, SourceFile
from omc.oncall.lookups import Ground, alias_of, ground_of, identify, method_of, person_in, rota_in
from omc.oncall.model import Rota
from omc.output import echo, line
from omc.output.gate import reveal

if TYPE_CHECKING:
    from omc.oncall.changing import When
    from omc.oncall.subscriptions import Subscription

ROTA = click.argument("name", metavar="ROTA")
AT = click.option(
    "--at", metavar="TIME", default="now", show_default=True, help="A local time, or one with its offset."
)
FROM = click.option("--from", "begin", metavar="TIME", help="When it begins.")
TO = click.option("--to", "end", metavar="TIME", help="When it ends.")
REASON = click.option("--reason", default="", help="Why, for whoever reads the record.")
SEVERITIES = click.IntRange(1, 3)
API = "/v1/on-call"
CALENDARS = "/v1/calendars"
"""Where a server answers calendars by their secrets."""


@click.group(cls=PlainGroup)
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
    ground = ground_of(context.obj, env)
    moment = ground.moment(at)
    if (server := configured()) is not None:
        answer = through.read(server, f"{API}/now", {"at": moment.isoformat()})
    else:
        from omc.oncall import changing

        answer = answers.now_answer(changing.world_of(ground)[0], moment, ground.zone, ground.stack.contacts)
    show(answer, output)
    if not answers.is_covered(answer.data):
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
    ground = ground_of(context.obj, env)
    first = ground.moment(begin or "now")
    if (server := configured()) is not None:
        query = {"begin": first.isoformat(), "days": days}
        show(through.read(server, f"{API}/rotas/{segment(name)}/schedule", query), output)
        return
    from omc.oncall import changing

    world, events = changing.world_of(ground)
    record = events.get(name, RotaRecord(name))
    show(answers.schedule_answer(world, record, name, first, first + timedelta(days=days)), output)


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
    ground = ground_of(context.obj, env)
    first, last = ground.moment(begin), ground.moment(end)
    if (server := configured()) is not None:
        times = {"begin": first.isoformat(), "end": last.isoformat()}
        body = {**times, "people": list(group_of(people)), "instead_of": instead_of, "reason": reason}
        show(through.ask(server, f"{API}/rotas/{segment(name)}/overrides", body), output)
        return
    from omc.oncall import changing

    payload = OverrideAdded(
        first,
        last,
        tuple(person_in(ground.stack, each).id for each in group_of(people)),
        person_in(ground.stack, instead_of).id if instead_of else None,
        reason=reason,
    )
    actor = actor_or_user(ground.environment)
    show(changing.record_event(ground, name, actor, changing.override(payload)), output)


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
    when = changing.When(*_moments(ground, at, begin, end))
    if (server := configured()) is not None:
        body = {**_times(when), "by": by, "instead_of": whose, "reason": reason}
        show(through.ask(server, f"{API}/rotas/{segment(name)}/take", body), output)
        return
    actor = actor_or_user(ground.environment)
    taker = person_in(ground.stack, by).id if by else identify(ground.stack, actor, "--by")
    victim = person_in(ground.stack, whose).id if whose else None
    show(changing.record_event(ground, name, actor, changing.swap(ground, name, when, taker, victim, reason)), output)


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
    when = changing.When(*_moments(ground, at, begin, end))
    if (server := configured()) is not None:
        body = {**_times(when), "person": person, "instead_of": whose, "reason": reason}
        show(through.ask(server, f"{API}/rotas/{segment(name)}/cover", body), output)
        return
    actor = actor_or_user(ground.environment)
    covered = person_in(ground.stack, whose).id if whose else identify(ground.stack, actor, "--for")
    taker = person_in(ground.stack, person).id
    show(changing.record_event(ground, name, actor, changing.swap(ground, name, when, taker, covered, reason)), output)


def _moments(ground: Ground, *texts: str | None) -> tuple[datetime | None, ...]:
    return tuple(None if each is None else ground.moment(each) for each in texts)


def _times(when: When) -> dict[str, str | None]:
    named = {"at": when.at, "begin": when.begin, "end": when.end}
    return {name: None if each is None else each.isoformat() for name, each in named.items()}


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
    ground = ground_of(context.obj, env)
    if (server := configured()) is not None:
        body = {"number": number, "reason": reason}
        show(through.ask(server, f"{API}/rotas/{segment(name)}/undo", body), output)
        return
    from omc.oncall import changing

    if not ground.location.exists:
        raise WrongUse(f"Nothing was ever recorded of {name}.")
    actor = actor_or_user(ground.environment)
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
    ground = ground_of(context.obj, env)
    moment = ground.moment(at)
    if (server := configured()) is not None:
        answer = through.read(server, f"{API}/explanation", {"at": moment.isoformat(), "severity": severity})
    else:
        from omc.oncall import changing

        answer = answers.explain_answer(changing.world_of(ground)[0], ground.stack, severity, moment)
    show(answer, output)
    if answer.data["first_page"] is None:
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
    ground = ground_of(context.obj, env)
    if (server := configured()) is not None:
        answer = through.read(server, f"{API}/gaps", {"weeks": weeks})
    else:
        from omc.oncall import changing

        end = ground.now + timedelta(weeks=weeks)
        answer = answers.gaps_answer(changing.world_of(ground)[0], ground.stack, ground.now, end)
    show(answer, output)
    if any(each["loses_pages"] for each in answer.data["problems"]):
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
    ground = ground_of(context.obj, env)
    read = [SourceFile(file.name, file.read_bytes()) for file in files]
    if (server := configured()) is not None:
        body = {
            "source": source,
            "files": [{"name": each.name, "content": b64encode(each.content).decode()} for each in read],
            "rota": wanted,
            "people": dict(each.rpartition("=")[::2] for each in aliases),
            "weeks": weeks,
            "record": yes,
        }
        answer = through.ask(server, f"{API}/imports", body)
    else:
        from omc.oncall import changing

        found = importing.read_import(
            ground.stack, source, read, dict(alias_of(ground.stack, each) for each in aliases), ground.now, wanted
        )
        world, _ = changing.world_of(ground)
        outcome = importing.NOT_RECORDED
        if yes:
            actor = actor_or_user(ground.environment)
            with changing.writing(ground) as store:
                outcome = importing.record_import(
                    found, ground.stack, lambda draft: changing.record_draft(store, draft, found.source, actor)
                )
        answer = importing.import_document(found, ground.stack, world, ground.now, weeks, outcome)
    show(answer, output)
    if any(each["unread"] for each in answer.data["rotas"]):
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
    ground = ground_of(context.obj, env)
    if (server := configured()) is not None:
        where = f"rotas/{segment(name)}" if name is not None else f"people/{segment(person or '')}"
        content = server.calendar(f"{API}/{where}/calendar", {"days": days})
    else:
        from omc.oncall import changing

        world, _ = changing.world_of(ground)
        if name is not None:
            rota_in(world, name)
        else:
            person_in(ground.stack, person or "")
        end = ground.now + timedelta(days=days)
        content = answers.calendar(world, ground.now, end, rota=name, person=person) or b""
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
    if code is not None and withdraw is not None:
        raise WrongUse("Say either --code or --withdraw.")
    ground = ground_of(context.obj, env)
    if (server := configured()) is not None:
        verb, more = "code", {"environment": ground.environment.name}
        if code is not None:
            verb, more = "confirm", {"code": code}
        elif withdraw is not None:
            verb, more = "withdraw", {"reason": withdraw}
        path = f"{API}/people/{segment(person)}/contacts/{verb}"
        echo(line(_sentence(server, server.post(path, {"contact": method, **more}))))
        return
    from omc.oncall import changing

    known = person_in(ground.stack, person)
    contact = method_of(known, method)
    actor = actor_or_user(ground.environment)
    with changing.writing(ground) as store:
        if withdraw is not None:
            echo(line(changing.withdraw(store, known, contact, withdraw, actor)))
        elif code is not None:
            echo(line(changing.enter_code(store, known, contact, code, actor)))
        else:
            name = ground.environment.name
            echo(line(changing.send_code(store, ground.stack, known, contact, name, actor)))


@oncall.command()
@click.argument("person", metavar="PERSON")
@environment_option
@click.pass_context
def test(context: click.Context, person: str, env: str | None) -> None:
    """Send somebody a test page, as urgent as a real one.

    \b
    omc oncall test jo --env production
    """
    ground = ground_of(context.obj, env)
    if (server := configured()) is not None:
        body = {"environment": ground.environment.name}
        echo(line(_sentence(server, server.post(f"{API}/people/{segment(person)}/test", body))))
        return
    from omc.oncall import changing

    known = person_in(ground.stack, person)
    actor = actor_or_user(ground.environment)
    with changing.writing(ground) as store:
        echo(line(changing.send_test(store, ground.stack, known, ground.environment.name, actor.name)))


def _sentence(server: Server, answer: object) -> str:
    found = answer.get("sentence") if isinstance(answer, dict) else None
    if not isinstance(found, str):
        raise server.strange()
    return found


@oncall.command()
@click.argument("name", metavar="[ROTA]", required=False)
@click.option("--person", metavar="PERSON", help="This one's shifts in all rotas, instead of a rota.")
@click.option("--maintenance", is_flag=True, help="The environment's windows, freezes and announced work instead.")
@environment_option
@click.pass_context
def subscribe(context: click.Context, name: str | None, person: str | None, maintenance: bool, env: str | None) -> None:
    """Make an address at which a calendar program reads a rota, one person's shifts or an environment's maintenance,
    and keeps them up to date.

    Whoever knows the address reads that calendar and nothing else. It is shown this once. omc's server answers it.

    \b
    omc oncall subscribe --person jo --env production
    omc oncall subscribe primary --env production
    omc oncall subscribe --maintenance --env production
    """
    if [name is not None, person is not None, maintenance].count(True) != 1:
        raise WrongUse("Say which rota, whose shifts with --person, or --maintenance: one of them.")
    ground = ground_of(context.obj, env)
    of = ground.environment.name if maintenance else None
    if (server := configured()) is not None:
        found = server.post(f"{API}/calendars", {"rota": name, "person": person, "maintenance": of})
        path = found.get("path") if isinstance(found, dict) else None
        if not isinstance(path, str):
            raise server.strange()
        base = server.address
    else:
        from omc.oncall import changing, subscribing

        if ground.stack.server.address is None:
            raise WrongUse(
                f"No server would answer the address: set [server] address in {ground.stack.file.name} to that of "
                "omc serve."
            )
        base = ground.stack.server.address.rstrip("/")
        world, _ = changing.world_of(ground)
        rota = rota_in(world, name).name if name is not None else None
        known = person_in(ground.stack, person).id if person is not None else None
        actor = actor_or_user(ground.environment)
        with changing.writing(ground) as store:
            _, secret = subscribing.create(store, actor.name, rota=rota, person=known, maintenance=of)
        path = f"{CALENDARS}/{secret}.ics"
    secret = path.rpartition("/")[2].removesuffix(".ics")
    echo(line("Subscribe to this address in a calendar program; it is shown this once:"), err=True)
    reveal(f"{base}{path}", secret)


@oncall.command()
@environment_and_output
def subscriptions(context: click.Context, env: str | None, output: str) -> None:
    """The addresses at which calendars are read, the oldest first. Their secrets are kept nowhere.

    \b
    omc oncall subscriptions --env production
    """
    ground = ground_of(context.obj, env)
    if (server := configured()) is not None:
        show(through.read_all(server, f"{API}/calendars", {}, "items", "offset"), output)
        return
    from omc.oncall import changing, subscribing

    found: list[Subscription] = []
    if ground.location.exists:
        with changing.writing(ground) as store, store.reading() as session:
            found = subscribing.subscriptions(session)
    show(documents.subscriptions_document(found, ground.zone), output)


@oncall.command()
@click.argument("address", metavar="ID")
@click.option("--reason", default="", help="Why, for the record.")
@environment_option
@click.pass_context
def unsubscribe(context: click.Context, address: str, reason: str, env: str | None) -> None:
    """Have a calendar's address lead nowhere from now on, by the id that omc oncall subscriptions shows.

    \b
    omc oncall unsubscribe 3f9c2a1b0d4e5f67 --reason "jo has left" --env production
    """
    ground = ground_of(context.obj, env)
    if (server := configured()) is not None:
        server.post(f"{API}/calendars/{segment(address)}/revoke", {"reason": reason})
    else:
        from omc.oncall import changing, subscribing

        actor = actor_or_user(ground.environment)
        with changing.writing(ground) as store:
            subscribing.revoke(store, address, actor.name, reason)
    echo(line(f"The calendar address {address} leads nowhere any more."))


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
