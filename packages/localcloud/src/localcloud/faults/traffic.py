"""Somebody else's traffic: a client that asks far too much, and one that tries keys at the AWS endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlunsplit

from localcloud.backends import certificates
from localcloud.faults import common, values
from localcloud.faults.catalogue import Fault, Memory, Setting

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

LACKS = ("rights", "key", "both")


# -- noisy-neighbour ------------------------------------------------------------------------------------------------


def _start_noise(cloud: Cloud, settings: Mapping[str, str]) -> Memory:
    per_second = values.number(settings, "per_second", 1, 1_000)
    connections = int(values.number(settings, "connections", 1, 64))
    if not settings["path"].startswith("/"):
        raise common.refused(f"path begins with a slash, not {settings['path']!r}.")
    memory: Memory = {
        "url": _url(cloud, settings["load_balancer"]) + settings["path"],
        "per_second": per_second,
        "connections": connections,
    }
    _keep_noise(cloud, memory)
    return memory


def _url(cloud: Cloud, name: str) -> str:
    """Where a load balancer listens: HTTPS where it has that, else HTTP."""
    with cloud.lock:
        records = {each.name: each for each in cloud.moto("elbv2").load_balancers.values()}
        record: Any = common.the_one("load balancer", name, records)
        listeners = {each.protocol: int(each.port) for each in record.listeners.values()}
        address = record.dns_name
    for protocol in ("HTTPS", "HTTP"):
        if protocol in listeners:
            return urlunsplit(
                (protocol.lower(), f"{address}:{cloud.settings.real_port(listeners[protocol])}", "", "", "")
            )
    raise common.refused(f"The load balancer {record.name} has no listener for HTTP or HTTPS.")


def _keep_noise(cloud: Cloud, memory: Memory) -> None:
    words = [
        *("requests", "--url", memory["url"], "--address", _public(cloud, 77)),
        *("--authorities", certificates.authority(cloud.settings.state)),
        *("--per-second", memory["per_second"], "--connections", memory["connections"]),
    ]
    common.keep_worker(cloud, "noisy-neighbour", words, dict)


def _public(cloud: Cloud, host: int) -> str:
    return cloud.settings.real_address(common.PUBLIC.format(host=host))


# -- unauthorised-caller --------------------------------------------------------------------------------------------


def _start_caller(cloud: Cloud, settings: Mapping[str, str]) -> Memory:
    per_second = values.number(settings, "per_second", 0.05, 20)
    lacks = values.choice(settings, "lacks", LACKS)
    name = settings["user"]
    with cloud.lock:
        # Not by a call: whose key it is that somebody found has been there all along.
        iam = cloud.moto("iam", "aws")
        if any(user.name == name for user in iam.users.values()):
            raise common.refused(f"There is an IAM user {name} already; give another name with the setting user.")
        iam.create_user(cloud.settings.region, name, path="/", tags=[])
        iam.create_access_key(name)
    cloud.touch()
    memory: Memory = {"user": name, "per_second": per_second, "lacks": lacks}
    _keep_caller(cloud, memory)
    return memory


def _keep_caller(cloud: Cloud, memory: Memory) -> None:
    words = [
        *("calls", "--endpoint", cloud.settings.endpoint, "--region", cloud.settings.region),
        *("--address", _public(cloud, 66), "--per-second", memory["per_second"], "--lacks", memory["lacks"]),
    ]
    common.keep_worker(cloud, "unauthorised-caller", words, lambda: _key(cloud, memory["user"]))


def _key(cloud: Cloud, name: str) -> dict[str, str]:
    """The user's key; none where somebody took it away, which is how this fault is mended."""
    with cloud.lock:
        users = cloud.moto("iam", "aws").users.values()
        keys = [key for user in users if user.name == name for key in user.access_keys]
    return (
        {"AWS_ACCESS_KEY_ID": keys[0].access_key_id, "AWS_SECRET_ACCESS_KEY": keys[0].secret_access_key} if keys else {}
    )


def _stop_caller(cloud: Cloud, memory: Memory) -> None:
    common.end_worker(cloud, "unauthorised-caller")
    with cloud.lock:
        iam = cloud.moto("iam", "aws")
        for identifier, user in list(iam.users.items()):
            if user.name == memory["user"]:
                for key in list(user.access_keys):
                    iam.delete_access_key(key.access_key_id, user.name)
                del iam.users[identifier]
    cloud.touch()


FAULTS = (
    Fault(
        "noisy-neighbour",
        "One client outside of the VPC sends requests to the load balancer as fast as the settings allow.",
        "RequestCount, latency and CPU of the service behind rise, and it may scale; all of it is from one address.",
        _start_noise,
        lambda cloud, memory: common.end_worker(cloud, "noisy-neighbour"),  # noqa: ARG005
        {
            "load_balancer": Setting("", "name of the load balancer; the only one if left out"),
            "path": Setting("/api/v1/prices", "what it asks for"),
            "per_second": Setting("100", "requests a second at most, 1 to 1000"),
            "connections": Setting("8", "how many it keeps open, 1 to 64"),
        },
        _keep_noise,
    ),
    Fault(
        "unauthorised-caller",
        "Somebody calls the AWS API from outside with a key that has no rights, and with one that doesn't exist.",
        "AccessDenied and invalid-token rows in CloudTrail, with the user, the key and the address they came from.",
        _start_caller,
        _stop_caller,
        {
            "user": Setting("former-contractor", "the IAM user whose key it is; made by the fault, without any right"),
            "lacks": Setting("both", f"what the calls lack: one of {', '.join(LACKS)}"),
            "per_second": Setting("1", "calls a second, 0.05 to 20"),
        },
        _keep_caller,
    ),
)
