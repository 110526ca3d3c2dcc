"""``omc notify``: whether pages reach people, what waits to be sent, and what failed."""

from __future__ import annotations

import getpass
import secrets
import socket
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from omc.api_client import documents as through
from omc.api_client.http import Server, configured, segment
from omc.cli.lazy import PlainGroup
from omc.cli.options import environment_option
from omc.cli.show import environment_and_output, show
from omc.config import Stack, environment_of, load
from omc.distribution import install_line
from omc.engine.github import refuse_fleeting_record
from omc.engine.processes import this_process
from omc.errors import WrongUse
from omc.model.pages import Page
from omc.model.people import ContactMethod
from omc.notify.model import FallOver, log_from, next_attempt
from omc.notify.recipients import methods_of
from omc.notify.trials import trial_page
from omc.output import echo, line
from omc.output.document import Document
from omc.store.location import locate_store

if TYPE_CHECKING:
    from omc.store.opened import Store
    from omc.store.outbox import OutboxRow

LOOK_INTERVAL = 0.5
"""Seconds between two looks at a server's outbox."""
TRIAL_WITHIN = 90.0
"""Seconds that a test page is watched: every method of an urgent page has been tried by then."""


@click.group(cls=PlainGroup)
def notify() -> None:
    """Whether pages reach people: send a test page, see what waits in the outbox, send again what failed.

    How people are reached stands in omc.toml under [people] and [notify]; secrets are in the environment.

    \b
    omc notify test --to jo --env production
    omc notify outbox --failed --env production
    omc notify retry page:production:3:1:jo --env production
    """


@notify.command()
@click.option("--to", "target", required=True, metavar="WHO", help="A person, a channel (#incidents) or a contact.")
@click.option("--each", is_flag=True, help="Try every contact method of the person, not only until one works.")
@environment_and_output
def test(context: click.Context, target: str, env: str | None, output: str, each: bool) -> int:
    """Send a test page and show how long each hop took. Whether it arrived only the person can say.

    Exit code 0: sent; 1: no method took it, with --each: one of them didn't; 3: still on its way.

    \b
    omc notify test --to jo --env production
    omc notify test --to jo --each --env production
    omc notify test --to "#incidents" --env staging
    omc notify test --to sms:+61400000000 --env staging --output json
    """
    stack = load(context.obj)
    environment = environment_of(stack, env)
    if (server := configured()) is not None:
        trial = _try_through(server, environment.name, target, each=each)
        show(trial, output)
        return _code_of([page["state"] for page in trial.data["pages"]])
    from omc.notify.outbox_document import trial_document
    from omc.store.database import open_store

    place = locate_store(stack, environment)
    refuse_fleeting_record(place, environment)
    recipient, methods = methods_of(stack, target)
    trials = [(method,) for method in methods] if each else [methods]
    with open_store(place) as store:
        rows = [_try(stack, store, _page(environment.name, recipient, some)) for some in trials]
    show(trial_document(recipient, rows, stack.time_zone), output)
    return _code_of([row.state for row in rows])


def _code_of(states: Sequence[str]) -> int:
    """Of the states of the outbox's pages."""
    codes = {{"sent": 0, "failed": 1}.get(each, 3) for each in states}
    return 1 if 1 in codes else max(codes)


def _try_through(server: Server, environment: str, target: str, *, each: bool) -> Document:
    """Have a server send it, and look until it is known what came of it."""
    path = f"/v1/environments/{environment}/test-pages"
    found = through.ask(server, path, {"to": target, "each": each})
    deadline = time.monotonic() + TRIAL_WITHIN
    while any(page["state"] == "waiting" for page in found.data["pages"]) and time.monotonic() < deadline:
        time.sleep(LOOK_INTERVAL)
        found = through.read(server, path, {"page": [page["page"] for page in found.data["pages"]]})
    return found


@notify.command()
@click.option("--failed", is_flag=True, help="Only those that no method took.")
@environment_and_output
def outbox(context: click.Context, env: str | None, output: str, failed: bool) -> None:
    """The pages that wait to be sent or to be named in a summary, and those that failed, the newest first.

    \b
    omc notify outbox --env production
    omc notify outbox --failed --env production --output json
    """
    stack = load(context.obj)
    environment = environment_of(stack, env)
    if (server := configured()) is not None:
        query = {"state": "failed" if failed else "unsent"}
        path = f"/v1/environments/{environment.name}/pages"
        show(through.read_all(server, path, query, "pages", "offset"), output)
        return
    from omc.notify.outbox_document import outbox_document
    from omc.store.database import open_store
    from omc.store.outbox import FAILED, GATHERED, WAITING, pages

    with open_store(locate_store(stack, environment)) as store:
        with store.reading() as session:
            rows = pages(session, [environment.name, ""], [FAILED] if failed else [WAITING, GATHERED, FAILED])
        show(outbox_document(rows, store.now(), stack.time_zone, only_failed=failed), output)


@notify.command()
@click.argument("key")
@environment_option
@click.pass_context
def retry(context: click.Context, key: str, env: str | None) -> None:
    """Have a page sent once more, from its first contact method on, by whichever process sends.

    \b
    omc notify retry page:production:3:1:jo --env production
    """
    stack = load(context.obj)
    environment = environment_of(stack, env)
    if (server := configured()) is not None:
        through.ask(server, f"/v1/environments/{environment.name}/pages/{segment(key)}/retry")
        echo(line(f"{key} is due now. omc serve sends it; see: omc notify outbox --env {environment.name}"))
        return
    from omc.notify.delivery import send_anew
    from omc.store.database import open_store
    from omc.store.outbox import OutboxRow

    place = locate_store(stack, environment)
    refuse_fleeting_record(place, environment)
    who = _who()
    with open_store(place) as store, store.transaction(who) as transaction:
        row = transaction.session.get(OutboxRow, key)
        if row is None or row.environment not in (environment.name, ""):
            raise WrongUse(
                f"There is no page {key} in {environment.name}. See: omc notify outbox --env {environment.name}"
            )
        send_anew(transaction, key, who)
    echo(line(f"{key} is due now. omc serve sends it; see: omc notify outbox --env {environment.name}"))


def _page(environment: str, recipient: str, methods: tuple[ContactMethod, ...]) -> Page:
    return trial_page(f"notice:{environment}:test:{secrets.token_hex(6)}", recipient, methods, environment, _who())


def _try(stack: Stack, store: Store, page: Page) -> OutboxRow:
    """Write it, send it in this process unless another was quicker, and wait until it is known what came of it."""
    from omc.store.outbox import WAITING, OutboxRow, enqueue

    try:
        from omc.notify.channels.registry import CHANNELS, ChannelContext
        from omc.notify.delivery import Sender
    except ModuleNotFoundError as error:
        raise WrongUse(
            f"Sending needs {error.name}, which isn't installed. Install it: {install_line('serve')}"
        ) from error
    sender = Sender(store, (page.environment,), CHANNELS, ChannelContext(stack, store.now, store=store), this_process())
    with store.transaction(_who()) as transaction:
        enqueue(transaction, page)
    deadline = time.monotonic() + TRIAL_WITHIN
    while True:
        is_busy = sender.run_once(page.key)
        with store.reading() as session:
            row = session.get(OutboxRow, page.key)
        assert row is not None  # noqa: S101 - it was written above, and nothing deletes pages
        if row.state != WAITING or time.monotonic() > deadline:
            return row
        following = next_attempt(page, log_from(row.log), store.now())
        if isinstance(following, FallOver) and following.is_new_round:
            return _given_up(store, page.key)
        if not is_busy:
            time.sleep(0.2)


def _given_up(store: Store, key: str) -> OutboxRow:
    """A test isn't tried for half an hour."""
    from omc.store.outbox import FAILED, WAITING, OutboxRow

    with store.transaction(_who()) as transaction:
        row = transaction.session.get(OutboxRow, key, with_for_update=True)
        assert row is not None  # noqa: S101 - as above
        if row.state == WAITING:
            row.state = FAILED
            transaction.record("page.failed", row)
    return row


def _who() -> str:
    return f"{getpass.getuser()}@{socket.gethostname()}"
