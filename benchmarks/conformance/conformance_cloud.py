"""A local cloud that is new for each test of `conformance.py`: ``python conformance_cloud.py FOLDER ANSWERS``.

It reads lines from its standard input. At each it ends the cloud of before with all that it started, brings up an empty
one at the same address, and prints the address. Clouds are forks of one process that has imported everything. Where a
test used only services that moto answers, ``POST /empty`` drops what moto holds instead, which is quicker. Both are the
bench's alone: the program itself has no way to be emptied by a call.

Two things differ from a cloud as people have it, both because those tests were written for another server: the account
and the key are moto's own, and the cloud's one region is, at each call, the one that the call is signed for.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from moto.core.base_backend import BackendDict

from localcloud import assemble
from localcloud.core import addresses, profiles
from localcloud.core.cloud import Settings
from localcloud.core.processes import Supervisor
from localcloud.front import dispatch, protocol, regions
from localcloud.front.moto_calls import _routes
from localcloud.front.protocol import HttpAnswer
from localcloud.front.trusted import SERVICES
from localcloud.services.outside_api import OutsideApi

ACCOUNT, REGION = "123456789012", "us-east-1"
KEY, SECRET = "FOOBARKEY", "FOOBARSECRET"
OWN_STATE = frozenset(
    {
        *("application-autoscaling", "ce", "cloudtrail", "cloudwatch", "ecs", "elasticache", "elbv2", "logs", "pi"),
        "rds",
    }
)
"""Services whose state isn't moto's alone: to forget it takes a new cloud."""
EMPTY = "/empty"
REFUSED = re.compile(rb"localcloud (doesn|has no )|not supported by localcloud")
CODE = re.compile(rb'"__type"\s*:\s*"(?:[^"]*#)?([\w.]+)"|<Code>([\w.]+)</Code>')


def serve(settings: Settings, answers: Path) -> None:
    """Be one cloud until somebody ends this process."""
    logging.basicConfig(filename=settings.state / "server.log", level=logging.WARNING, force=True)
    regions.refuse_other = lambda *_: None
    regions.refuse_reaching = lambda *_: None
    setattr(OutsideApi, "start", lambda *_: None)  # noqa: B010 — nothing here asks for prices
    dispatch.answer = _recording(dispatch.answer, answers)
    cloud = assemble.assemble(settings, KEY, SECRET)
    assemble.start(cloud)
    print(settings.endpoint, flush=True)
    signal.pause()


def _recording(answer: Callable[..., Any], answers: Path) -> Callable[..., Any]:
    """The same answers, and a line for each that is an error."""

    used: set[str] = set()

    def recorded(cloud: Any, request: Any) -> Any:
        if request.path == EMPTY:
            emptied = used.isdisjoint(OWN_STATE)
            if emptied:
                with cloud.lock:
                    BackendDict.reset()
                used.clear()
            return HttpAnswer(204 if emptied else 409, b"", {})
        scope = protocol.signature(request)
        if scope is not None and scope.region:
            object.__setattr__(cloud.settings, "region", scope.region)
        used.add(protocol.service_of(request, scope))
        result = answer(cloud, request)
        if result.status >= 400:
            found = CODE.search(result.body)
            line = {
                "status": result.status,
                "code": next((part.decode() for part in found.groups() if part), "") if found else "",
                "refused": REFUSED.search(result.body) is not None,
                "target": request.headers.get("X-Amz-Target", "") or f"{request.method} {request.path}"[:80],
            }
            with answers.open("a") as file:
                file.write(json.dumps(line) + "\n")
        return result

    return recorded


def main(folder: Path, answers: Path) -> None:
    profiles.load(profiles.profile(profiles.FULL))
    for trust in SERVICES.values():
        if trust.package:
            _routes(trust.package)
    state = folder / "state"
    state.mkdir(parents=True)
    home = addresses.create(state)
    child, number = 0, 0
    try:
        for _ in sys.stdin:
            if child:
                _end(child, state / str(number))
            number += 1
            own = state / str(number)
            own.mkdir()
            child = os.fork()
            if not child:
                sys.stdin.close()
                serve(replace(home.settings, state=own, account=ACCOUNT, region=REGION), answers)
                os._exit(0)
    finally:
        if child:
            _end(child, state / str(number))
        addresses.release(state)


def _end(child: int, state: Path) -> None:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    Supervisor(state).reap_orphans(grace=0.0)
    shutil.rmtree(state, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
