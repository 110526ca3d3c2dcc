"""A responder's one look at an incident, as a process that a test may kill: ``python -m support.look_once URL``.

It says ``looked`` when the look is committed, and waits to be killed.
"""

from __future__ import annotations

import sys

from omc.responder.life import OnCallContext, look
from omc.store.database import open_store
from omc.store.location import StoreLocation
from support.incident_life import PEOPLE, POLICY

CONTEXT = OnCallContext(POLICY, lambda rung, _: PEOPLE[("ann", "bob", "cy", "dee")[rung.step]], lambda: ())


def main(url: str) -> None:
    with open_store(StoreLocation(url=url)) as store:
        look(store, ["staging"], lambda _: CONTEXT)
        print("looked", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1])
