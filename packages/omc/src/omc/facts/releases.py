"""The release ledger: what was verified to run well in this environment, and when. Its table is in ``omc.store``."""

from __future__ import annotations

from dataclasses import dataclass

from omc.config import Environment
from omc.facts.collector import NO_READING, Reading, reads
from omc.model.releases import Release
from omc.store.opened import Store


@dataclass(frozen=True, slots=True)
class Ledger:
    """This environment's releases, newest first."""

    releases: tuple[Release, ...]
    reading: Reading = NO_READING

    @property
    def current(self) -> Release | None:
        """The one that was verified last, if nothing has ended it."""
        return self.releases[0] if self.releases and self.releases[0].ended is None else None

    @property
    def schema(self) -> int | None:
        return next((release.schema for release in self.releases if release.schema is not None), None)

    @property
    def schema_floor(self) -> int | None:
        """The highest floor that any migration has set."""
        return max((release.schema_floor or 0 for release in self.releases), default=0) or None


@reads
def read_ledger(store: Store, environment: Environment) -> Ledger:
    """From omc's own database: nothing is asked of AWS."""
    from omc.store.releases import releases_of

    return Ledger(releases_of(store, environment.name))
