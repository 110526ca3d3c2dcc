"""Where ``omc init`` looks: an account and region of AWS, a local cloud, or another endpoint that plays AWS."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from omc.adoption.judgement import Value
from omc.adoption.toml_text import assignment, header
from omc.aws.gateway import Access, Gateway, access_to
from omc.aws.local import local_endpoint
from omc.config import Environment, parse, region_of
from omc.errors import Unreachable, WrongUse

LOCAL_STATE = ".localcloud"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Origin:
    """How an account is reached, and what of that an environment of omc.toml has to say."""

    gateway: Gateway
    is_local: bool
    beside: dict[str, Value] = field(default_factory=dict)
    untold: tuple[str, ...] = ()


def origin_of(
    folder: Path, *, profile: str | None, region: str | None, endpoint: str | None, local_state: str | None
) -> Origin:
    """What the options say, else the shell. ``folder`` is that of omc.toml. Raises ``WrongUse`` where no region is
    said, and ``Unreachable`` for a local cloud that isn't there."""
    requested = endpoint or os.environ.get("AWS_ENDPOINT_URL")
    state = local_state or (_local_state_at(folder, requested) if requested else None)
    if state:
        cloud = local_endpoint(folder / state)
        environment = _environment(folder, {"region": cloud.region, "local_state": state})
        beside = {"region": Value(cloud.region), "local_state": Value(state, "a local cloud")}
        return Origin(Gateway(environment, access_to(environment)), True, beside)
    region = region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or region_of(profile)
    if not region:
        raise WrongUse("Neither --region, AWS_REGION nor the profile says a region. Say one: omc init --region REGION")
    keys = {"region": region, **({"profile": profile} if profile else {})}
    environment = _environment(folder, keys)
    beside = {key: Value(value) for key, value in keys.items()}
    untold: tuple[str, ...] = ()
    if requested:
        untold = (
            f"The endpoint isn't omc.toml's to say: it counts while AWS_ENDPOINT_URL={requested} is set in the shell.",
        )
    return Origin(Gateway(environment, Access(endpoint)), False, beside, untold)


def _local_state_at(folder: Path, endpoint: str) -> str | None:
    """The folder of the local cloud that answers there."""
    if (urlsplit(endpoint).hostname or "") not in LOOPBACK and not endpoint.startswith("http://127."):
        return None
    for name in dict.fromkeys(filter(None, (os.environ.get("OMC_LOCAL_STATE"), LOCAL_STATE))):
        try:
            if local_endpoint(folder / name).endpoint == endpoint:
                return name
        except Unreachable:
            continue
    return None


def _environment(folder: Path, keys: dict[str, str]) -> Environment:
    """Only for being reached: its names are of no thing."""
    lines = [assignment("name", "init"), header(("environments", "init"))]
    lines += [assignment(key, value) for key, value in keys.items()]
    lines += [header(("services", "init")), ""]
    return parse("\n".join(lines), folder / "omc.toml").environments["init"]


def time_zone_here() -> Value:
    """This machine's, by its name; UTC where it has none."""
    name = os.environ.get("TZ", "").removeprefix(":")
    if not name:
        try:
            name = str(Path("/etc/localtime").resolve()).partition("zoneinfo/")[2]
        except OSError:
            name = ""
    try:
        if "/" in name and not name.startswith("Etc/"):
            ZoneInfo(name)
            return Value(name, "this machine's; times are shown in it and in UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    return Value("UTC", "where the people are: Europe/Zurich")
