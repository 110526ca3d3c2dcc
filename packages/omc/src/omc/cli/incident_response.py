"""``omc incident``: dealing with one: taking it, paging others, ending it, telling customers, merging and splitting."""

from __future__ import annotations

from datetime import datetime, timedelta

import click

from omc.cli.incident_desk import opened_desk
from omc.cli.incident_options import LENGTH, LEVEL, LEVELS, NUMBER, person_named, tell
from omc.cli.options import INCIDENT_NUMBER
from omc.cli.show import environment_and_output
from omc.config.status_tables import StatusTable
from omc.errors import WrongUse
from omc.incidents.events import AlertLeft, Mitigated, Reopened, RoleAssigned, SnoozeEnded, UpdateSent
from omc.incidents.incident import COMPONENT_STATES, PHASES, ROLES, Incident
from omc.times import format_duration, format_time


@click.command()
@NUMBER
@environment_and_output
def ack(context: click.Context, number: int, env: str | None, output: str) -> None:
    """Take an incident: nobody else is paged, until it should have been mitigated or nothing follows.

    \b
    omc incident ack 3 --env production
    """
    with opened_desk(context.obj, env, number) as opened:
        taken = opened.desk.acknowledge(number)
    held = taken.acknowledgement
    until = f" That lapses after {format_duration(held.lasts)} without a sign of work." if held and held.lasts else ""
    tell(f"Incident {number} of {taken.environment} is yours.{until}", taken, output)


@click.command()
@NUMBER
@click.argument("role", type=click.Choice(ROLES))
@click.argument("person")
@environment_and_output
def assign(context: click.Context, number: int, role: str, person: str, env: str | None, output: str) -> None:
    """Give somebody a part in an incident: lead, communications (who tells customers) or scribe.

    \b
    omc incident assign 3 communications jo --env production
    """
    with opened_desk(context.obj, env, number) as opened:
        who = person_named(opened.stack, person) if opened.stack.persons else None
        part = RoleAssigned(role, who.id if who else person)
        assigned = opened.desk.act(number, part)
    name = who.name if who else person
    tell(f"{name} is {role} of incident {number} of {assigned.environment}.", assigned, output)


@click.command()
@NUMBER
@click.argument("how")
@environment_and_output
def mitigate(context: click.Context, number: int, how: str, env: str | None, output: str) -> None:
    """Say that users are served again, and by what; the cause may be there still. Nobody is paged any more.

    \b
    omc incident mitigate 3 "scaled the backend to 6" --env production
    """
    with opened_desk(context.obj, env, number) as opened:
        mitigated = opened.desk.act(number, Mitigated(how))
    took = format_duration(mitigated.events[-1].at - mitigated.opened_at)
    tell(f"Incident {number} of {mitigated.environment} is mitigated, after {took}.", mitigated, output)


@click.command()
@NUMBER
@click.argument("how")
@click.option("--override", metavar="REASON", help="Although alerts fire, or health isn't verified: why.")
@environment_and_output
def resolve(context: click.Context, number: int, how: str, override: str | None, env: str | None, output: str) -> None:
    """End an incident: users are served again, and by what. One that came from alerts ends only when these have been
    quiet for 15 minutes and the checks of health say that all is well; it does so by itself.

    \b
    omc incident resolve 3 "rolled back to release 41" --env production
    omc incident resolve 3 "a false alarm" --override "the alarm's threshold is wrong" --env production
    """
    with opened_desk(context.obj, env, number) as opened:
        ended = opened.desk.resolve(number, how, override)
    lasted = format_duration(ended.events[-1].at - ended.opened_at)
    tell(f"Incident {number} of {ended.environment} is resolved, after {lasted}.", ended, output)


@click.command()
@NUMBER
@click.argument("why")
@environment_and_output
def reopen(context: click.Context, number: int, why: str, env: str | None, output: str) -> None:
    """Open a resolved incident again: it is back, or it was not over. People are paged from the beginning.

    \b
    omc incident reopen 3 "logins fail again" --env production
    """
    with opened_desk(context.obj, env, number) as opened:
        again = opened.desk.act(number, Reopened(why))
    tell(f"Incident {number} of {again.environment} is open again: SEV-{again.severity}.", again, output)


@click.command()
@NUMBER
@click.argument("why")
@click.option("--for", "length", type=LENGTH, metavar="PERIOD", help="For 45m, 2h, 1d; 14 days at most.")
@click.option("--until", "moment", metavar="TIME", help="Until 2026-12-01T09:00+11:00.")
@click.option("--until-business-hours", is_flag=True, help="Until the next business hours begin.")
@click.option("--if-still-firing", is_flag=True, help="At its end people are paged only where an alert still fires.")
@environment_and_output
def snooze(
    context: click.Context,
    number: int,
    why: str,
    length: timedelta | None,
    moment: str | None,
    until_business_hours: bool,
    if_still_firing: bool,
    env: str | None,
    output: str,
) -> None:
    """Page nobody for an incident until a time, and say why. What gets worse, or ends, ends the snooze too.

    \b
    omc incident snooze 3 "the batch runs until four" --for 2h --env production
    omc incident snooze 3 "it can wait" --until-business-hours --if-still-firing --env staging
    """
    if sum((length is not None, moment is not None, until_business_hours)) != 1:
        raise WrongUse("Say until when: one of --for PERIOD, --until TIME and --until-business-hours.")
    with opened_desk(context.obj, env, number) as opened:
        until = _moment(moment) if moment is not None else None
        snoozed = opened.desk.snooze(number, why, length, until, if_still_firing=if_still_firing)
    end = f" until {format_time(snoozed.snooze.until, opened.stack.time_zone)}" if snoozed.snooze else ""
    tell(f"Nobody is paged for incident {number} of {snoozed.environment}{end}.", snoozed, output)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise WrongUse(f"{text!r} is no time with its zone; write 2026-12-01T09:00+11:00.")
    return moment


@click.command()
@NUMBER
@environment_and_output
def unsnooze(context: click.Context, number: int, env: str | None, output: str) -> None:
    """End a snooze before its time: people are paged from the beginning.

    \b
    omc incident unsnooze 3 --env production
    """
    with opened_desk(context.obj, env, number) as opened:
        ended = opened.desk.act(number, SnoozeEnded("by hand"))
    tell(f"Incident {number} of {ended.environment} is no longer snoozed.", ended, output)


@click.command()
@NUMBER
@click.argument("people", nargs=-1, required=True, metavar="PERSON…")
@click.option("--why", default="", help="What you want of them.")
@environment_and_output
def page(context: click.Context, number: int, people: tuple[str, ...], why: str, env: str | None, output: str) -> None:
    """Page people now, whoever is on call: by their names in [people].

    \b
    omc incident page 3 jo bob --why "you know the cache" --env production
    """
    with opened_desk(context.obj, env, number) as opened:
        found = [person_named(opened.stack, name) for name in dict.fromkeys(people)]
        paged = opened.desk.page(number, found, why)
    names = ", ".join(each.name for each in found)
    tell(f"Paged for incident {number} of {paged.environment}: {names}.", paged, output)


@click.command()
@NUMBER
@environment_and_output
def escalate(context: click.Context, number: int, env: str | None, output: str) -> None:
    """Page the next in the chain now, before its time.

    \b
    omc incident escalate 3 --env production
    """
    with opened_desk(context.obj, env, number) as opened:
        escalated = opened.desk.escalate(number)
    tell(f"The next in the chain is paged for incident {number} of {escalated.environment}.", escalated, output)


@click.command()
@NUMBER
@click.argument("text", required=False)
@click.option("--phase", type=click.Choice(PHASES), help="How far it is; without, as in the update before.")
@click.option("--title", default="", help="What customers know it as. Never the incident's own summary.")
@click.option(
    "--component",
    "components",
    multiple=True,
    metavar="SERVICE=STATE",
    help=f"How one is, for customers: {', '.join(COMPONENT_STATES)}. Without, by the incident's alerts and severity.",
)
@click.option("--elsewhere", is_flag=True, help="They were told in another way: record it, and put it in no feed.")
@environment_and_output
def update(
    context: click.Context,
    number: int,
    text: str | None,
    phase: str | None,
    title: str,
    components: tuple[str, ...],
    elsewhere: bool,
    env: str | None,
    output: str,
) -> None:
    """Tell customers: in the status feed, and whoever subscribed. In a SEV-1 that is due each half hour.

    Without a text the phase's template of [status] is sent. omc status show says what customers see.

    \b
    omc incident update 3 --phase investigating --component backend=major_outage --env production
    omc incident update 3 "We know why logins fail. We write again at 14:00 UTC." --phase identified --env production
    omc incident update 3 "Told by telephone." --elsewhere --env production
    """
    if elsewhere and (phase or title or components or not text):
        raise WrongUse("With --elsewhere say what they were told, and no --phase, --title or --component.")
    if not elsewhere and not text and phase is None:
        raise WrongUse("Say what customers are told, or which --phase, whose template is sent then.")
    states = dict(_state_of(each) for each in components)
    with opened_desk(context.obj, env, number) as opened:
        if elsewhere:
            updated = opened.desk.act(number, UpdateSent(text or ""))
        else:
            updated = opened.desk.tell(number, text or "", phase or "", title, states)
        status = opened.stack.status
    tell(_told(updated, status), updated, output)


def _state_of(text: str) -> tuple[str, str]:
    name, sign, state = text.partition("=")
    if not sign:
        raise WrongUse(f"{text!r} is no component with its state: backend=major_outage.")
    return name, state


def _told(incident: Incident, status: StatusTable) -> str:
    """What was sent, in its words, and where it is to be read."""
    sent = next(each.payload for each in reversed(incident.events) if isinstance(each.payload, UpdateSent))
    head = f"Recorded in incident {incident.number} of {incident.environment}: customers were told"
    if not sent.phase:
        return f"{head}."
    states = "; ".join(f"{each.component} {each.state.replace('_', ' ')}" for each in sent.components)
    words = f'{head} ({sent.phase}{f"; {states}" if states else ""}): "{sent.text}"'
    if incident.environment not in status.environments:
        return f"{words} Nobody reads it yet: omc.toml has no feed of {incident.environment}, [status] environments."
    return f"{words} See: omc status show --env {incident.environment}"


@click.command()
@NUMBER
@click.option("--into", type=INCIDENT_NUMBER, required=True, metavar="NUMBER", help="In which it goes on.")
@environment_and_output
def merge(context: click.Context, number: int, into: int, env: str | None, output: str) -> None:
    """Have an incident go on in another one, with the alerts that fire. omc incident unmerge takes that back.

    \b
    omc incident merge 4 --into 3 --env production
    """
    with opened_desk(context.obj, env, number) as opened:
        target = opened.desk.merge(number, into)
    tell(f"Incident {number} of {target.environment} goes on in incident {into}.", target, output)


@click.command()
@NUMBER
@environment_and_output
def unmerge(context: click.Context, number: int, env: str | None, output: str) -> None:
    """Undo a merging: the incident goes on by itself, with the alerts that came from it and still fire.

    \b
    omc incident unmerge 4 --env production
    """
    with opened_desk(context.obj, env, number) as opened:
        source = opened.desk.unmerge(number)
    tell(f"Incident {number} of {source.environment} goes on by itself again.", source, output)


@click.command()
@NUMBER
@click.argument("summary")
@click.option("--alert", "keys", multiple=True, required=True, metavar="KEY", help="One that goes with it; repeatable.")
@click.option("--severity", type=LEVEL, help=f"{LEVELS}. Default: as it is.")
@environment_and_output
def split(
    context: click.Context,
    number: int,
    summary: str,
    keys: tuple[str, ...],
    severity: int | None,
    env: str | None,
    output: str,
) -> None:
    """Have some of an incident's alerts be an incident of their own. omc incident merge takes that back.

    \b
    omc incident split 3 "The database is away" --alert 5f2a --env production
    """
    with opened_desk(context.obj, env, number) as opened:
        made = opened.desk.split(number, keys, summary, severity)
    tell(f"Incident {made.number} of {made.environment} is open: SEV-{made.severity}, {made.summary}", made, output)


@click.command()
@NUMBER
@click.argument("key")
@environment_and_output
def detach(context: click.Context, number: int, key: str, env: str | None, output: str) -> None:
    """Say that an alert doesn't belong to an incident.

    \b
    omc incident detach 3 5f2a --env production
    """
    with opened_desk(context.obj, env, number) as opened:
        rest = opened.desk.act(number, AlertLeft(key))
    tell(f"The alert {key} no longer belongs to incident {number} of {rest.environment}.", rest, output)
