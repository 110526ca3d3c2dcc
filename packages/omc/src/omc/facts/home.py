"""Whose an environment is here and now, and whether omc's record of that name is the same one's."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import suppress

from omc.aws.gateway import Gateway, access_to
from omc.aws.local import local_endpoint
from omc.config import Environment
from omc.errors import OtherRecord, Unknown
from omc.model.homes import RecordOwner
from omc.store.opened import Store

ID_LENGTH = 12


def home_at(gateway: Gateway) -> RecordOwner:
    """Of a local cloud, what its ``cloud.json`` says: one that was reset is another one. Else one question to STS.
    Raises what made it unreadable."""
    environment = gateway.environment
    if environment.local_state is not None:
        found = local_endpoint(environment.local_state)
        cloud = hashlib.sha256(f"omc's record of {found.token}".encode()).hexdigest()[:ID_LENGTH] if found.token else ""
        return RecordOwner(found.account, found.region, cloud)
    return RecordOwner(environment.account or gateway.account(), environment.region)


def require_own_record(store: Store, gateway: Gateway) -> None:
    """``OtherRecord`` where the record of this environment's name is another account's, region's or cloud's: what was
    released there would be taken for what runs here. A record that nobody has begun is nobody else's."""
    from omc.store.homes import home_of

    environment = gateway.environment
    with store.reading() as session:
        known = home_of(session, environment.name)
    if known is None:
        return
    here = home_at(gateway)
    if here != known:
        raise OtherRecord(not_ours(store, environment, known, here))


def not_ours(store: Store, environment: Environment, known: RecordOwner, here: RecordOwner) -> str:
    """One sentence with the ways on."""
    name = environment.name
    return (
        f"The record of {name} in {store.place} is {known.words}'s, and {name} is {here.words} now: nothing of the "
        f"one is taken for the other's. Give this one another name in omc.toml, or another store ([store] in omc.toml, "
        f"OMC_STORE_URL); to keep the name and leave the old record behind: omc audit begin --env {name}"
    )


def settle_record(store: Store, gateway: Gateway, actor: str) -> None:
    """Write down whose record this is, where nothing says so yet. Where AWS can't be asked it stays open: the next
    change writes it."""
    from omc.store.homes import settle

    with suppress(Unknown):
        settle(store, gateway.environment.name, home_at(gateway), actor)


def require_own_records(store: Store, environments: Iterable[Environment]) -> None:
    """The same before a process works for these environments. One whose AWS doesn't answer yet is asked again with each
    plan."""
    for environment in environments:
        with suppress(Unknown):
            require_own_record(store, Gateway(environment, access_to(environment)))
