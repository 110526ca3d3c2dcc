"""What omc's own record knows of verified backups."""

from __future__ import annotations

from dataclasses import dataclass

from omc.config import Environment
from omc.facts.collector import NO_READING, Reading, reads
from omc.model.backups import Verification
from omc.store.location import StoreLocation
from omc.store.opened import Store


@dataclass(frozen=True, slots=True)
class Verifications:
    """Of the environment's database, the newest first."""

    all: tuple[Verification, ...] = ()
    reading: Reading = NO_READING

    @property
    def sound(self) -> Verification | None:
        """The last that was compared with its source and found sound."""
        return next((one for one in self.all if one.found.sound and one.found.compared), None)


@dataclass(frozen=True, slots=True)
class RecordedVerifications:
    """The same, for whoever has no open record: a check."""

    of: Verifications
    has_record: bool = True
    reading: Reading = NO_READING


@reads
def read_verifications(store: Store, environment: Environment) -> Verifications:
    """From omc's own record: nothing is asked of AWS."""
    from omc.store.backups import verifications_in

    return Verifications(verifications_in(store, environment.name))


def verifications_at(place: StoreLocation, environment: Environment) -> Verifications:
    """Of a record that may not have begun. Raises ``StoreUnreachable`` or ``StoreError``."""
    if not place.exists:
        return Verifications()
    from omc.store.backups import verifications_in
    from omc.store.database import look_into

    with look_into(place) as store:
        return Verifications(verifications_in(store, environment.name))


@reads
def read_recorded_verifications(place: StoreLocation, environment: Environment) -> RecordedVerifications:
    """Only where omc.toml asks for verifications. Raises ``StoreUnreachable`` or ``StoreError``."""
    if not place.exists or environment.backups.verify_every_days is None:
        return RecordedVerifications(Verifications(), has_record=False)
    return RecordedVerifications(verifications_at(place, environment))
