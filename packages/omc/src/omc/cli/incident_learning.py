"""``omc incident``: what is learnt: post-mortems, their action items, statistics."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import click

from omc.api_client.http import refuse_server
from omc.cli.incident_options import LENGTH, NUMBER, opened_record, person_named, tell
from omc.cli.show import environment_and_output
from omc.cli.show import show as show_document
from omc.config import environment_of, load
from omc.errors import WrongUse
from omc.incidents.events import ActionItem, PostmortemChanged, PostmortemMoved
from omc.incidents.incident import POSTMORTEM_STATES, SECTIONS, Incident
from omc.output import echo, line
from omc.responder.impact import read_impact
from omc.responder.postmortem import IMPACT, postmortem_document
from omc.responder.statistics import statistics, statistics_document
from omc.store.location import locate_store

DUE_AT = time(9)
"""When on its day an action item is due, by the stack's clock."""


@click.command()
@NUMBER
@click.option(
    "--write",
    nargs=2,
    multiple=True,
    metavar="SECTION TEXT",
    help=f"Put a text in place of the draft's; sections: {', '.join(SECTIONS)}. A line that begins with - is an item.",
)
@click.option("--state", type=click.Choice(POSTMORTEM_STATES), help="Where it stands.")
@environment_and_output
def postmortem(
    context: click.Context,
    number: int,
    write: tuple[tuple[str, str], ...],
    state: str | None,
    env: str | None,
    output: str,
) -> None:
    """The post-mortem of an incident: drafted from its record, written by people section by section.

    \b
    omc incident postmortem 3 --env production --output markdown
    omc incident postmortem 3 --write causes "The pool was too small." --state review --env production
    """
    with opened_record(context.obj, env, number) as record:
        from omc.responder.life import act
        from omc.store.incidents import incident_of

        name = record.environment.name
        found = incident_of(record.store, name, number)
        if found.resolved_at is not None and IMPACT not in found.captured:
            measured = read_impact(record.environment, found, found.resolved_at)
            if measured.unknown is not None:
                echo(line(f"{measured.unknown} So what failed was not measured."), err=True)
            found = act(record.store, name, number, record.doer, measured)
        changes = [PostmortemChanged(section, text) for section, text in write]
        if changes:
            found = act(record.store, name, number, record.doer, *changes)
        if state is not None:
            found = act(record.store, name, number, record.doer, PostmortemMoved(state))
        document = postmortem_document(found, record.stack.time_zone, record.store.now())
    show_document(document, output)


@click.command()
@NUMBER
@click.argument("text", required=False)
@click.option("--owner", metavar="PERSON", help="Who does it: a name of [people].")
@click.option("--due", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="By when: 2026-12-20.")
@click.option("--link", help="Where else it is kept: an issue's address.")
@click.option("--done", metavar="ID", help="This one is done.")
@environment_and_output
def action(
    context: click.Context,
    number: int,
    text: str | None,
    owner: str | None,
    due: datetime | None,
    link: str | None,
    done: str | None,
    env: str | None,
    output: str,
) -> None:
    """What will be done so that it doesn't come again: one owner and a date each. The owner is reminded.

    \b
    omc incident action 3 "Raise the pool's limit" --owner jo --due 2026-12-20 --env production
    omc incident action 3 --done 1 --env production
    """
    if (done is None) == (text is None) or (text is not None and (owner is None or due is None)):
        raise WrongUse(
            "Say what is to be done with --owner PERSON and --due DATE, or which one is done with --done ID."
        )
    with opened_record(context.obj, env, number) as record:
        from omc.responder import reminders
        from omc.store.incidents import incident_of

        name = record.environment.name
        if done is not None:
            changed = reminders.end_action_item(record.store, name, number, record.doer, done)
            sentence = f"Action item {done} of incident {number} is done."
        else:
            who = person_named(record.stack, owner or "").id if record.stack.persons else owner or ""
            id_ = str(len(incident_of(record.store, name, number).action_items) + 1)
            item = ActionItem(id_, text or "", who, _due(due or datetime.now(UTC), record.stack.time_zone), link)
            changed = reminders.add_action_item(record.store, name, number, record.doer, item)
            sentence = f"Action item {id_} of incident {number} is {who}'s."
    tell(sentence, changed, output)


def _due(day: datetime, zone: str) -> datetime:
    return datetime.combine(date(day.year, day.month, day.day), DUE_AT, ZoneInfo(zone)).astimezone(UTC)


@click.command()
@click.option(
    "--since", type=LENGTH, default="90d", show_default=True, metavar="PERIOD", help="Opened within 30d, 90d."
)
@environment_and_output
def stats(context: click.Context, since: timedelta, env: str | None, output: str) -> None:
    """How long incidents took to be acknowledged, mitigated and resolved; who was paged how often, at night, for what.

    \b
    omc incident stats --env production --since 30d
    """
    from omc.store.database import open_store
    from omc.store.incidents import incidents_of

    refuse_server(context.command_path)
    stack = load(context.obj)
    environment = environment_of(stack, env)
    place = locate_store(stack, environment)
    found: tuple[Incident, ...] = ()
    now = datetime.now(UTC)
    if place.exists:
        with open_store(place) as store:
            now = store.now()
            found = incidents_of(store, environment.name)
    numbers = statistics(found, now - since, now, environment.time_zone)
    show_document(statistics_document(numbers, environment.name, environment.time_zone), output)
