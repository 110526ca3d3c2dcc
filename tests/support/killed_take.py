"""A responder that is killed at every statement that it sends to the database, one process for each.

python -m support.killed_take URL   prints one line of JSON for each moment: where it died, and what was so after
another responder had gone on. Each moment has an environment of its own, so that all may share a database.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from sqlalchemy import event

from omc.responder.records import look_at_due, take
from omc.responder.rules import Rules
from omc.store.database import open_store
from omc.store.incidents import incidents_of
from omc.store.location import StoreLocation
from omc.store.opened import Store
from support.alerts_world import notification

MAX_MOMENTS = 200


def die_at(store: Store, moment: int) -> None:
    """Kill this process before its statement of this number, or before a commit, or after it."""
    seen = [0]

    def count(*_: Any) -> None:
        seen[0] += 1
        if seen[0] == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(store.engine, "before_cursor_execute", count)
    event.listen(store.engine, "commit", count)
    event.listen(store.engine, "checkin", count)  # after a commit the connection goes back


def work(store: Store, environment: str) -> None:
    """What a responder does: an outage, what it explains, an alert of another group, and one whose end nobody tells."""
    told = [
        notification(name, at, environment=environment, labels=labels)
        for name, at, labels in (
            ("rds-no-data", 0, {}),
            ("alb-5xx-percent", 1, {}),
            ("redis-memory-high", 1, {}),
            ("backend task failed", 2, {"has_end": "no"}),
        )
    ]
    rules = Rules(environment, prefix=f"ohmycoins-{environment}-", channel="#alerts")
    take(store, rules, told[:2])
    take(store, rules, told[1:])
    look_at_due(store, rules)


def apart(act: Callable[[], None]) -> int:
    """Do it in a forked process; its exit status."""
    pid = os.fork()
    if pid == 0:
        try:
            act()
        finally:
            os._exit(0)
    return os.waitpid(pid, 0)[1]


def main() -> None:
    place = StoreLocation(url=sys.argv[1])
    for moment in range(1, MAX_MOMENTS):
        environment = f"moment-{moment}"

        def killed(moment: int = moment, environment: str = environment) -> None:
            with open_store(place) as store:
                die_at(store, moment)
                work(store, environment)

        status = apart(killed)
        with open_store(place) as store:
            work(store, environment)  # the messages are delivered again
            found = [
                (each.severity, sorted(alert.name for alert in each.alerts.values()), each.is_open)
                for each in incidents_of(store, environment)
            ]
        print(json.dumps({"moment": moment, "killed": os.WIFSIGNALED(status), "incidents": found}), flush=True)
        if not os.WIFSIGNALED(status):
            return
    raise SystemExit("it never came to its end")


if __name__ == "__main__":
    main()
