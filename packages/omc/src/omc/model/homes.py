"""Whose record an environment's is: the account, the region and, of a local cloud, which one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RecordOwner:
    """Where an environment of a name is."""

    account: str
    """Twelve digits."""
    region: str
    cloud: str = ""
    """Of a local cloud twelve hexadecimal digits, which are others after a reset; empty in AWS."""

    @property
    def words(self) -> str:
        place = f"account {self.account} in {self.region}"
        return f"the local cloud {self.cloud} ({place})" if self.cloud else place
