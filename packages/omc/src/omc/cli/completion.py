"""What the shell completes: environments, services, runs and revisions, as omc.toml and omc's own record have them.

AWS isn't asked. Whatever goes wrong completes to nothing: a shell has no place for a sentence.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from omc.config import Environment, Stack
    from omc.store.opened import Store

Completer: TypeAlias = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]
PATIENCE = 2.0
"""Seconds that a person waits for a key; the record may be on another machine."""
NEWEST = 50


class _TooSlow(Exception):
    pass


def _completer(known: Callable[[click.Context], Iterable[tuple[str, str]]]) -> Completer:
    """Of a function that knows names and what each is. The last of several, after a comma or an equals sign."""

    def complete(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
        cut = max(incomplete.rfind(","), incomplete.rfind("=")) + 1
        before, last = incomplete[:cut], incomplete[cut:]
        try:
            with _within(PATIENCE):
                return [
                    CompletionItem(before + name, help=about) for name, about in known(context) if name.startswith(last)
                ]
        except Exception:  # noqa: BLE001 - a traceback would stand in the line that is being typed
            return []

    return complete


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    def end(*_: Any) -> None:
        raise _TooSlow

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _stack(context: click.Context) -> Stack:
    from omc.config import load

    return load(context.find_root().params.get("stack"))


def _environment(context: click.Context) -> Environment:
    from omc.config import environment_of

    return environment_of(_stack(context), context.params.get("env"))


@contextmanager
def _record(context: click.Context) -> Iterator[tuple[Store, Environment]]:
    from omc.store.database import look_into
    from omc.store.location import locate_store

    environment = _environment(context)
    place = locate_store(_stack(context), environment)
    if not place.exists:
        raise LookupError(str(place))
    with look_into(place) as store:
        yield store, environment


def _environments(context: click.Context) -> Iterator[tuple[str, str]]:
    for each in _stack(context).environments.values():
        yield each.name, "a local cloud" if each.is_local else each.region


def _services(context: click.Context) -> Iterator[tuple[str, str]]:
    for each in _environment(context).services:
        yield each.name, "" if each.ecs_service == each.name else each.ecs_service


def _runs(context: click.Context) -> list[tuple[str, str]]:
    from sqlalchemy import select

    from omc.store.models import Run

    with _record(context) as (store, environment), store.reading() as session:
        query = select(Run).where(Run.environment == environment.name).order_by(Run.created_at.desc()).limit(NEWEST)
        return [(run.id, run.title) for run in session.scalars(query)]


def _revisions(context: click.Context) -> list[tuple[str, str]]:
    from omc.store.releases import releases_of

    service = str(context.params.get("service") or "")
    with _record(context) as (store, environment):
        found = {
            released.task_definition.rpartition(":")[2]: f"{name}, verified {release.verified:%d %b %H:%M} UTC"
            for release in releases_of(store, environment.name, NEWEST)
            for name, released in release.services.items()
            if service in ("", "all", name)
        }
    return list(found.items())


environment_names = _completer(_environments)
service_names = _completer(_services)
run_ids = _completer(_runs)
revisions = _completer(_revisions)
