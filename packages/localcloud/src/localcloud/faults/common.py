"""What several faults need: workers that the supervisor runs, settings as numbers, calls to the cloud's own endpoint.

A worker is a small program (``workers``) that is the cause: it holds the lock, leaks the connections, sends the
requests. It is known by the name of its fault, so that nothing but a running process has to be remembered.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import localcloud
from localcloud.backends import tools
from localcloud.core.processes import Process, Supervisor
from localcloud.core.registry import AwsError
from localcloud.faults import workers

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

PUBLIC = "10.0.255.{host}"
"""Stands for the internet: no subnet of the stack reaches that far, so nothing else has such an address."""


def keep_worker(
    cloud: Cloud, fault: str, arguments: Sequence[object], environment: Callable[[], Mapping[str, str]]
) -> None:
    """Start the fault's worker unless it runs already. What is secret goes by the environment."""
    if _worker(cloud, fault) is not None:
        return
    folder = cloud.settings.state / "faults"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    # The same code as this process runs, wherever that was imported from.
    code = {"PYTHONPATH": str(Path(localcloud.__file__).parent.parent)}
    cloud.part(Supervisor).spawn(
        _name(fault),
        [sys.executable, "-P", "-m", workers.__name__, *(str(each) for each in arguments)],
        env={**tools.environment(folder), **code, **environment()},
        cwd=folder,
        output=folder / f"{fault}.log",
    )


def end_worker(cloud: Cloud, fault: str) -> None:
    """End the fault's worker; nothing if there is none."""
    process = _worker(cloud, fault)
    if process is not None:
        cloud.part(Supervisor).end(process, grace=3.0)


def _worker(cloud: Cloud, fault: str) -> Process | None:
    return next((each for each in cloud.part(Supervisor).running() if each.name == _name(fault)), None)


def _name(fault: str) -> str:
    return f"fault {fault}"


def refused(message: str) -> AwsError:
    return AwsError("ValidationError", message)


def the_one(kind: str, requested: str, known: Mapping[str, Any]) -> Any:
    """What is to be broken: by name, or the only one that there is."""
    if requested:
        if requested not in known:
            raise refused(f"There is no {kind} {requested!r}; there are {', '.join(sorted(known)) or 'none'}.")
        return known[requested]
    if len(known) != 1:
        names = f"{len(known)} ({', '.join(sorted(known))}): say which" if known else "none"
        raise refused(f"This fault needs a {kind}; there are {names}.")
    return next(iter(known.values()))


def client(cloud: Cloud, service: str) -> Any:
    """A client of the cloud's own endpoint with the cloud's own key: what it does is a call like any other."""
    import boto3
    from botocore.config import Config

    from localcloud.front.identity import Identity

    identity = cloud.part(Identity)
    return boto3.client(  # type: ignore[call-overload]
        service,
        endpoint_url=cloud.settings.endpoint,
        region_name=cloud.settings.region,
        aws_access_key_id=identity.access_key_id,
        aws_secret_access_key=identity.secret_access_key,
        # Several attempts: AWS may be made to fail at the same time.
        config=Config(retries={"mode": "standard", "total_max_attempts": 5}, read_timeout=20),
    )


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether it came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
