"""Which store a command about runs means: an environment's, or every one of the stack file's that there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from omc.config import Environment, Stack, environment_of
from omc.errors import OmcError, WrongUse
from omc.store.location import StoreLocation, locate_store, store_locations
from omc.store.opened import Store

if TYPE_CHECKING:
    from omc.store.models import Run

Found = TypeVar("Found")


def places_meant(stack: Stack, env: str | None) -> list[StoreLocation]:
    """The stores to look into. Those in which nothing was ever kept aren't started for it."""
    chosen = store_locations(stack) if env is None else [locate_store(stack, environment_of(stack, env))]
    return [place for place in chosen if place.exists]


@contextmanager
def store_of_run(stack: Stack, env: str | None, run_id: str) -> Iterator[tuple[Store, Run]]:
    """The open store that holds this run, and the run. ``WrongUse`` where none does."""
    with store_where(stack, env, lambda store: find_run(store, run_id)) as (store, run):
        yield store, run


@contextmanager
def store_where(stack: Stack, env: str | None, look: Callable[[Store], Found]) -> Iterator[tuple[Store, Found]]:
    """The first store in which ``look`` finds what it looks for; it raises ``WrongUse`` where it doesn't."""
    from omc.store.database import open_store

    missing: OmcError = WrongUse("There is no run yet. See: omc runs list")
    for place in places_meant(stack, env):
        with open_store(place) as store:
            try:
                found = look(store)
            except WrongUse as error:
                missing = error
                continue
            yield store, found
            return
    raise missing


def find_run(store: Store, run_id: str) -> Run:
    from omc.engine.journal import find

    with store.reading() as session:
        return find(session, run_id)


def environment_of_run(stack: Stack, run: Run) -> Environment:
    """The run's environment as the stack file has it now."""
    return environment_of(stack, run.environment)
