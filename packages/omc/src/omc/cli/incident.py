"""``omc incident``: the record of incidents: opening one, adding to it, ending it, reading it."""

from __future__ import annotations

import getpass
import re
import socket
from pathlib import Path

import click

from omc.aws.gateway import Gateway, access_to
from omc.cli.options import INCIDENT_NUMBER, environment_option
from omc.cli.show import OUTPUT
from omc.cli.show import show as show_document
from omc.config import Environment, environment_of, load
from omc.engine.actors import Actor, actor_of
from omc.engine.github import refuse_fleeting_record
from omc.errors import Unknown
from omc.incidents.document import incident_document, incidents_document
from omc.incidents.model import SEVERITIES, Incident, Noted, Resolved, SeverityChanged
from omc.output import echo, line
from omc.store.location import locate_store
from omc.times import format_duration

NUMBER = click.argument("number", type=INCIDENT_NUMBER, metavar="NUMBER")


class Severity(click.IntRange):
    """``2`` or, as people say it, ``SEV-2``."""

    name = "severity"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = re.sub(r"(?i)\A\s*sev[-_ ]?(?=\d)", "", value) if isinstance(value, str) else value
        try:
            return int(super().convert(text, param, ctx))  # type: ignore[arg-type]  # click says int of what it parses
        except click.BadParameter:
            self.fail(f"{value!r} is no severity: allowed are {', '.join(map(str, SEVERITIES))}.", param, ctx)


LEVEL = Severity(min(SEVERITIES), max(SEVERITIES))
LEVELS = "; ".join(f"{number}: {each.meaning}" for number, each in SEVERITIES.items())


@click.group()
def incident() -> None:
    """The record of incidents: what users suffer, how bad it is, what was done, how it ended. Nothing is ever edited.

    While a SEV-1 or SEV-2 is open, omc deploy deploys nothing but its fix; in a SEV-1, omc approve --break-glass lets a
    change go ahead without its approvals.

    \b
    omc incident open --env production --severity 1 "Users can't log in"
    omc incident list --env production
    omc incident resolve 3 "rolled back to release 41" --env production
    """


@incident.command(name="open")
@click.argument("summary")
@click.option("--severity", type=LEVEL, required=True, help=LEVELS)
@environment_option
@click.pass_context
def open_one(context: click.Context, summary: str, severity: int, env: str | None) -> None:
    """Open an incident: what users suffer, in a sentence. It gets the environment's next number.

    \b
    omc incident open --env production --severity 1 "Users can't log in"
    omc incident open --env staging --severity 3 "Prices are a minute late"
    """
    from omc.store.database import open_store
    from omc.store.incidents import open_incident

    stack = load(context.obj)
    environment = environment_of(stack, env)
    place = locate_store(stack, environment)
    refuse_fleeting_record(place, environment)
    actor = _actor(environment)
    with open_store(place) as store:
        opened = open_incident(store, environment.name, severity, summary, actor.name, actor.link)
    echo(line(f"Incident {opened.number} of {environment.name} is open: SEV-{severity}, {opened.summary}"))


@incident.command(name="list")
@environment_option
@click.option("--all", "everything", is_flag=True, help="Also those that are resolved.")
@OUTPUT
@click.pass_context
def list_incidents(context: click.Context, env: str | None, everything: bool, output: str) -> None:
    """The incidents that are open, newest first.

    \b
    omc incident list --env production
    omc incident list --env production --all --output markdown
    """
    from omc.store.database import open_store
    from omc.store.incidents import incidents_of

    stack = load(context.obj)
    environment = environment_of(stack, env)
    place = locate_store(stack, environment)
    found: tuple[Incident, ...] = ()
    if place.exists:
        with open_store(place) as store:
            found = incidents_of(store, environment.name)
    shown = [each for each in found if everything or each.is_open]
    show_document(incidents_document(shown, environment.name, environment.time_zone, everything=everything), output)


@incident.command()
@NUMBER
@environment_option
@OUTPUT
@click.pass_context
def show(context: click.Context, number: int, env: str | None, output: str) -> None:
    """One incident: how it is now, and each of its events.

    \b
    omc incident show 3 --env production
    omc incident show 3 --env production --output markdown
    """
    from omc.store.database import open_store
    from omc.store.incidents import incident_of, missing

    stack = load(context.obj)
    environment = environment_of(stack, env)
    place = locate_store(stack, environment)
    if not place.exists:
        raise missing(environment.name, number)
    with open_store(place) as store:
        found = incident_of(store, environment.name, number)
    show_document(incident_document(found, environment.time_zone), output)


@incident.command()
@NUMBER
@click.argument("level", type=LEVEL, metavar="SEVERITY")
@environment_option
@click.pass_context
def severity(context: click.Context, number: int, level: int, env: str | None) -> None:
    """Change the severity of an open incident that is worse, or less bad, than was thought.

    \b
    omc incident severity 3 2 --env production
    """
    changed = _add(context.obj, env, number, SeverityChanged(level))
    echo(f"Incident {number} of {changed.environment} is a SEV-{level} now.")


@incident.command()
@NUMBER
@click.argument("text")
@environment_option
@click.pass_context
def note(context: click.Context, number: int, text: str, env: str | None) -> None:
    """Write down what you see or do, when you do it. Also what is learnt after the end.

    \b
    omc incident note 3 "scaled the backend to 6" --env production
    """
    noted = _add(context.obj, env, number, Noted(text))
    echo(f"Noted in incident {number} of {noted.environment}.")


@incident.command()
@NUMBER
@click.argument("how")
@environment_option
@click.pass_context
def resolve(context: click.Context, number: int, how: str, env: str | None) -> None:
    """End an incident: users are served again; say what did it. An incident that comes back is a new one.

    \b
    omc incident resolve 3 "rolled back to release 41" --env production
    """
    ended = _add(context.obj, env, number, Resolved(how))
    lasted = format_duration(ended.events[-1].at - ended.opened_at)
    echo(f"Incident {number} of {ended.environment} is resolved, after {lasted}.")


def _actor(environment: Environment) -> Actor:
    """Who records it. What happens to users is written down also when AWS can't be asked who this is: then by the name
    of this machine's user."""
    gateway = Gateway(environment, access_to(environment))
    try:
        return actor_of(gateway)
    except Unknown as error:
        who = f"{getpass.getuser()}@{socket.gethostname()}"
        echo(line(f"{error.message} So the record names you {who}."), err=True)
        return Actor(who)


def _add(file: Path | None, env: str | None, number: int, what: SeverityChanged | Noted | Resolved) -> Incident:
    """One more event of an incident, by whoever types this."""
    from omc.store.database import open_store
    from omc.store.incidents import add, missing

    stack = load(file)
    environment = environment_of(stack, env)
    place = locate_store(stack, environment)
    if not place.exists:
        raise missing(environment.name, number)
    refuse_fleeting_record(place, environment)
    actor = _actor(environment)
    with open_store(place) as store:
        return add(store, environment.name, number, what, actor.name, actor.link)
