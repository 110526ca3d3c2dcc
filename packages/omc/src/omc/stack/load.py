"""Finding omc.toml and reading it into ``omc.stack.model``. Nothing here asks AWS."""

from __future__ import annotations

import configparser
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from omc.errors import StackError, WrongUse
from omc.stack.model import (
    DAYS,
    LOCAL_POLICY,
    LOCAL_ROOT,
    PRODUCTION_POLICY,
    STAGING_POLICY,
    ApprovalPolicy,
    Channels,
    Environment,
    Freeze,
    MaintenanceWindow,
    OnCall,
    Responder,
    Service,
    Stack,
    StoreSettings,
    Thresholds,
)
from omc.stack.people import GitHubSettings, People, canonical_name
from omc.stack.section import Section, Source, did_you_mean, shown

FILE_NAME = "omc.toml"
DEFAULT_REGION = "ap-southeast-2"
REGION = r"[a-z]{2,6}(-[a-z]+)+-\d{1,2}"
"""Of every partition: also us-gov-west-1, cn-north-1, eusc-de-east-1."""
WATCH_SECONDS, LOCAL_WATCH_SECONDS = 420, 120
"""How long a release is watched where the stack file doesn't say: figures of the local cloud aren't late."""
SETTLE_SECONDS, LOCAL_SETTLE_SECONDS = 90, 10
"""How long new tasks must stay well where the stack file doesn't say."""
ZONES = {"AEST": timedelta(hours=10), "UTC": timedelta(0)}
"""Names whose offset never changes. A city's zone would make a weekly window one or three hours long twice a year."""

_GITHUB_LOGIN = r"[A-Za-z0-9][A-Za-z0-9_-]*(\[bot\])?"
_NAMES: Mapping[str, str] = {
    "aws": 'names as AWS has them: ["jo@example.com"] of Identity Center, ["jo"] of IAM, ["role/jo-admin"]',
    "github": 'logins of GitHub, ["jo-gh"]',
}
_NAME = r"[A-Za-z0-9][A-Za-z0-9._/-]*"
_THRESHOLD_LIMITS: Mapping[str, tuple[float, float]] = {
    "error_percent": (0, 100),
    "requests_floor": (0, 1_000_000),
    "error_minutes": (1, 1440),
    "error_minutes_of": (1, 1440),
    "slow_seconds": (0.001, 3600),
    "data_age_seconds": (1, 31_536_000),
    "metrics_age_seconds": (60, 86_400),
    "log_errors": (1, 1_000_000),
    "failed_tasks": (1, 10_000),
}


def find(start: Path | None = None) -> Path:
    """The stack file: ``OMC_STACK``, else omc.toml in this folder or the nearest one above it."""
    if named := os.environ.get("OMC_STACK"):
        return Path(named)
    folder = (start or Path.cwd()).resolve()
    for candidate in (folder, *folder.parents):
        if (candidate / FILE_NAME).is_file():
            return candidate / FILE_NAME
    raise StackError(
        f"There is no {FILE_NAME} in {folder} or above it. Change to the stack's folder, or name the file with --stack."
    )


def load(file: Path | None = None) -> Stack:
    """Read and check the stack file. ``StackError`` names file, line, key and what is allowed."""
    file = file or find()
    shown_file = _short(file)
    try:
        text = file.read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except OSError as error:
        raise StackError(
            f"The stack file {shown_file} can't be read: {(error.strerror or str(error)).lower()}."
        ) from error
    except UnicodeDecodeError as error:
        raise StackError(f"{shown_file} is not UTF-8 text (byte {error.start}), as TOML must be.") from error
    except tomllib.TOMLDecodeError as error:
        problem, _, place = str(error).rpartition(" (at ")
        line = re.match(r"line (\d+)", place)
        where = f"line {line[1]}" if line else "its end"
        raise StackError(f"{shown_file}, {where}: this is not TOML: {(problem or str(error)).lower()}.") from error
    return _stack(Section(Source(shown_file, text), (), data), file.resolve())


def _short(file: Path) -> Path:
    """As a person here would name the file."""
    try:
        return file.resolve().relative_to(Path.cwd())
    except ValueError:
        return file


def _stack(top: Section, file: Path) -> Stack:
    name = top.text("name", allowed="a name such as ohmycoins", pattern=r"[a-z][a-z0-9-]{0,20}")
    default = top.text("default_environment", None)
    time_zone = _time_zone(top)
    thresholds = _thresholds(top.section("thresholds", required=False))
    services = list(_require(top.section("services")).named())
    if not services:
        raise top.error("services", "is empty; at least one [services.<name>] is needed.")
    sections = dict(_require(top.section("environments")).named())
    environments = {
        environment: _environment(environment, section, services, thresholds, name, time_zone, file)
        for environment, section in sections.items()
    }
    environments = _with_approvals(environments, top.section("approvals", required=False))
    people, github = _people(top.section("people", required=False)), _github(top.section("github", required=False))
    environments = {key: replace(each, people=people, github=github) for key, each in environments.items()}
    if not environments:
        raise top.error("environments", "is empty; at least one [environments.<name>] is needed.")
    for _, section in services:
        section.finish()
    if default is not None and default not in environments:
        choices = list(environments)
        problem = f"is {shown(default)}; allowed is one of {', '.join(choices)}.{did_you_mean(default, choices)}"
        raise top.error("default_environment", problem)
    on_call = _on_call(_require(top.section("on_call")))
    channels = _channels(_require(top.section("channels")))
    store = _store(top.section("store", required=False))
    top.finish()
    return Stack(file, name, time_zone, default, environments, on_call, channels, store)


def _require(section: Section | None) -> Section:
    assert section is not None  # a required section that is missing has raised  # noqa: S101
    return section


def _environment(
    name: str,
    section: Section,
    services: list[tuple[str, Section]],
    thresholds: Thresholds,
    stack_name: str,
    time_zone: str,
    file: Path,
) -> Environment:
    prefix = section.text("prefix", f"{stack_name}-{name}", allowed="a prefix of names", pattern=_NAME)
    state = section.text("local_state", None, allowed="a folder, beside this file")
    if state is not None:
        state = file.parent / (os.environ.get("OMC_LOCAL_STATE") or state)
    profile = section.text("profile", None, allowed="the name of a profile")
    usual_region = DEFAULT_REGION if state is not None else (region_of(profile) or DEFAULT_REGION)
    window = section.section("maintenance_window", required=False)
    root = LOCAL_ROOT if state is not None else name
    environment = Environment(
        name=name,
        prefix=prefix,
        region=section.text("region", usual_region, allowed="an AWS region", pattern=REGION),
        account=section.text("account", None, allowed="twelve digits in quotes", pattern=r"\d{12}"),
        profile=profile,
        local_state=state,
        cluster=section.text("cluster", prefix, allowed="a name", pattern=_NAME),
        load_balancer=section.text("load_balancer", None, allowed="a name", pattern=_NAME),
        database=section.text("database", prefix, allowed="a name", pattern=_NAME),
        cache=section.text("cache", f"{prefix}-redis", allowed="a name", pattern=_NAME),
        alarm_prefix=section.text("alarm_prefix", f"{prefix}-", allowed="a prefix of names", pattern=_NAME),
        audit_bucket=section.text(
            "audit_bucket",
            f"{prefix}-audit-{{account}}",
            allowed="a bucket's name, or nothing",
            pattern=r"([a-z0-9.-]|\{account\})*",
        ),
        record_log_group=section.text(
            "record_log_group", f"/omc/{prefix}/record", allowed="a name, or nothing", pattern=r"[\w./#-]*"
        ),
        terraform_state=section.text(
            "terraform_state",
            f"s3://{stack_name}-{root}-tfstate-{{account}}/{root}/terraform.tfstate",
            allowed="s3://bucket/key, or nothing",
            pattern=r"(s3://([a-z0-9.-]|\{account\})+/\S+)?",
        ),
        url=_url(section),
        probe=section.yes_or_no("probe", True),
        time_zone=time_zone,
        services=tuple(_service(service, part, prefix, stack_name) for service, part in services),
        thresholds=thresholds,
        maintenance_window=_window(window) if window else None,
        release_watch_seconds=section.whole_number(
            "release_watch_seconds", LOCAL_WATCH_SECONDS if state else WATCH_SECONDS, least=0, most=86_400
        ),
        incident_watch_seconds=0,
        settle_seconds=section.whole_number(
            "settle_seconds", LOCAL_SETTLE_SECONDS if state else SETTLE_SECONDS, least=0, most=600
        ),
        freezes=tuple(_freeze(part) for part in section.sections("freeze", required=False)),
    )
    longer = section.whole_number(
        "incident_watch_seconds", 2 * environment.release_watch_seconds, least=0, most=2 * 86_400
    )
    section.finish()
    return replace(environment, incident_watch_seconds=longer)


def _url(section: Section) -> str | None:
    """Of users, so without a login; what follows ``?`` or ``#`` belongs to a page."""
    allowed = "a URL with a host and no login, https://app.example.com"
    url: str | None = section.text("url", None, allowed=allowed, pattern=r"https?://[^/\s]+[^\s?#]*")
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        is_sound = bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        is_sound = False
    if not is_sound:
        raise section.error("url", f"is no such address; allowed is {allowed}.")
    return url


def region_of(profile: str | None) -> str | None:
    """The region of a profile in the aws CLI's configuration: the one given, else the shell's ``AWS_PROFILE``. None
    where there is none, or none that can be read: whoever asks AWS then says what is wrong there."""
    name = profile or os.environ.get("AWS_PROFILE")
    if name is None:
        return None
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(Path(os.environ.get("AWS_CONFIG_FILE") or "~/.aws/config").expanduser().read_text())
        region = parser.get("default" if name == "default" else f"profile {name}", "region", fallback="")
    except (OSError, ValueError, configparser.Error):
        return None
    return region if re.fullmatch(REGION, region) else None


def _with_approvals(environments: dict[str, Environment], section: Section | None) -> dict[str, Environment]:
    """Each environment with its policy: the defaults of its kind, and what ``[approvals.<environment>]`` says."""
    record = dict(section.named()) if section else {}
    for name in record:
        if section and name not in environments:
            choices = list(environments)
            raise section.error(
                name, f"is no environment; there are {', '.join(choices)}.{did_you_mean(name, choices)}"
            )
    return {
        name: replace(environment, approvals=_approvals(record.get(name), _usual_policy(environment)))
        for name, environment in environments.items()
    }


def _usual_policy(environment: Environment) -> ApprovalPolicy:
    if environment.is_local:
        return LOCAL_POLICY
    return STAGING_POLICY if environment.name == "staging" else PRODUCTION_POLICY


def _approvals(section: Section | None, usual: ApprovalPolicy) -> ApprovalPolicy:
    if section is None:
        return usual
    policy = ApprovalPolicy(
        low=section.whole_number("low", usual.low, least=0, most=10),
        high=section.whole_number("high", usual.high, least=0, most=10),
        destructive=section.whole_number("destructive", usual.destructive, least=0, most=10),
        expires_minutes=section.whole_number("expires_minutes", usual.expires_minutes, least=1, most=10_080),
        break_glass=section.yes_or_no("break_glass", usual.break_glass),
        type_name=section.yes_or_no("type_name", usual.type_name),
        github_review=section.yes_or_no("github_review", usual.github_review),
    )
    section.finish()
    return policy


def _people(section: Section | None) -> People:
    """Each name belongs to one person: a name that two have is a mistake that would let one of them approve twice."""
    doors: dict[str, dict[str, str]] = {"aws": {}, "github": {}}
    for person, names in section.named() if section else ():
        if not names.data:
            raise names.source.error(names.path, 'is empty; it has aws = ["…"], github = ["…"] or both.')
        for door, known in doors.items():
            for name in names.words(door, allowed=_NAMES[door]):
                if door == "github" and not re.fullmatch(_GITHUB_LOGIN, name):
                    raise names.error(door, f"has {shown(name)}; allowed is {_NAMES[door]}.")
                before = known.setdefault(canonical_name(name), person)
                if before != person:
                    raise names.error(door, f"has {shown(name)}, which is {before}'s already.")
        names.finish()
    return People(doors["aws"], doors["github"])


def _github(section: Section | None) -> GitHubSettings:
    if section is None:
        return GitHubSettings()
    settings = GitHubSettings(
        api=section.text("api", None, allowed="a URL, https://github.example.com/api/v3", pattern=r"https?://\S+"),
        repository=section.text("repository", None, allowed="owner/name", pattern=r"[\w.-]+/[\w.-]+"),
    )
    section.finish()
    return settings


def _store(section: Section | None) -> StoreSettings:
    if section is None:
        return StoreSettings()
    allowed = "a PostgreSQL's URL without a password: postgresql://user@host:5432/database"
    url = section.text("url", None, allowed=allowed, pattern=r"postgres(ql)?://\S+")
    if url and re.match(r"[a-z]+://[^/@]*:[^/@]*@|[^?]*\?.*\bpassword=", url):
        raise section.error("url", "holds a password; leave it out here: PGPASSWORD, ~/.pgpass or OMC_STORE_URL.")
    settings = StoreSettings(url=url, folder=section.text("folder", None, allowed="a folder, beside this file"))
    section.finish()
    return settings


def _service(name: str, section: Section, prefix: str, stack_name: str) -> Service:
    minimum = section.whole_number("minimum", least=0, most=5000)
    maximum = section.whole_number("maximum", least=1, most=5000)
    if minimum > maximum:
        raise section.error("minimum", f"is {minimum}, more than maximum, which is {maximum}.")
    return Service(
        name=name,
        family=section.text("family", f"{stack_name}-{name}", allowed="a name", pattern=_NAME),
        container=section.text("container", name, allowed="a name", pattern=_NAME),
        log_group=section.text("log_group", f"/ecs/{prefix}/{name}", allowed="a name", pattern=r"[\w./#-]+"),
        target_group=section.text("target_group", f"{prefix}-{name}", allowed="a name", pattern=_NAME),
        port=section.whole_number("port", least=1, most=65535),
        minimum=minimum,
        maximum=maximum,
        cpu_target=section.whole_number("cpu_target", least=1, most=100),
        memory_target=section.whole_number("memory_target", None, least=1, most=100),
        status_path=section.text("status_path", None, allowed="a path such as /api/v1/status", pattern=r"/\S*"),
        migrate=section.words("migrate", allowed='a command in words, ["python", "-m", "backend.migrate"]'),
        migrate_family=section.text("migrate_family", None, allowed="a name", pattern=_NAME),
        public_path=section.text("public_path", None, allowed="a path such as /api/v1/coins", pattern=r"/\S*"),
    )


def _thresholds(section: Section | None) -> Thresholds:
    if section is None:
        return Thresholds()
    values: dict[str, Any] = {}
    for item in fields(Thresholds):
        least, most = _THRESHOLD_LIMITS[item.name]
        if isinstance(item.default, float):
            values[item.name] = section.number(item.name, item.default, least=least, most=most)
        else:
            values[item.name] = section.whole_number(item.name, item.default, least=int(least), most=int(most))
    section.finish()
    thresholds = Thresholds(**values)
    if thresholds.error_minutes > thresholds.error_minutes_of:
        raise section.error("error_minutes", f"is more than error_minutes_of, {thresholds.error_minutes_of}.")
    return thresholds


def _freeze(section: Section) -> Freeze:
    freeze = Freeze(section.timestamp("begin"), section.timestamp("end"), section.text("reason"))
    if freeze.end <= freeze.begin:
        raise section.error("end", "is not after begin.")
    section.finish()
    return freeze


def _window(section: Section) -> MaintenanceWindow:
    zone_name = section.text("zone", "AEST", allowed='AEST, UTC or an offset such as "+10:00"')
    offset = re.fullmatch(r"([+-])(0\d|1[0-4]):([0-5]\d)", zone_name)
    if offset:
        span = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        zone = timezone(-span if offset[1] == "-" else span)
    elif zone_name in ZONES:
        zone = timezone(ZONES[zone_name])
    else:
        problem = f'is {shown(zone_name)}; allowed is AEST (UTC+10 all year), UTC or an offset such as "+10:00".'
        raise section.error("zone", problem)
    window = MaintenanceWindow(
        day=section.one_of("day", DAYS),
        start=section.time("start"),
        end=section.time("end"),
        zone=zone,
        zone_name=zone_name,
        required=section.yes_or_no("required", False),
    )
    if window.start == window.end:
        raise section.error("end", "is the same as start; a window needs a length.")
    section.finish()
    return window


def _on_call(section: Section) -> OnCall:
    chain = tuple(_responder(item) for item in section.sections("chain"))
    for number, (earlier, later) in enumerate(pairwise(chain), start=1):
        if later.after_minutes <= earlier.after_minutes:
            path = (*section.path, "chain", number, "after_minutes")
            raise section.source.error(path, f"is {later.after_minutes}, not later than {earlier.role}'s.")
    if chain[0].after_minutes != 0:
        raise section.source.error(
            (*section.path, "chain", 0, "after_minutes"), "must be 0: the first is paged at once."
        )
    everyone = section.whole_number("everyone_again_after_minutes", 60, least=1, most=1440)
    if everyone <= chain[-1].after_minutes:
        raise section.error("everyone_again_after_minutes", f"is {everyone}, not later than {chain[-1].role}'s.")
    hours = section.data.get("business_hours", ["09:00", "17:00"])
    if not isinstance(hours, list) or len(hours) != 2:
        raise section.error("business_hours", f'is {shown(hours)}; allowed is ["09:00", "17:00"].')
    begin, end = (
        Section(section.source, section.path, {"business_hours": hour}).time("business_hours") for hour in hours
    )
    if begin >= end:
        raise section.error("business_hours", "ends before it begins.")
    section.known.append("business_hours")
    on_call = OnCall(
        chain=chain,
        everyone_again_after_minutes=everyone,
        mitigation_minutes=section.whole_number("mitigation_minutes", 30, least=1, most=1440),
        business_hours=(begin, end),
    )
    section.finish()
    return on_call


def _time_zone(section: Section) -> str:
    allowed = "a time zone such as Australia/Sydney"
    name: str = section.text("time_zone", "Australia/Sydney", allowed=allowed)
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise section.error("time_zone", f"is {shown(name)}; allowed is {allowed}.") from None
    return name


def _responder(section: Section) -> Responder:
    responder = Responder(
        role=section.text("role"),
        name=section.text("name"),
        after_minutes=section.whole_number("after_minutes", least=0, most=1440),
        email=section.text("email", None, allowed="an e-mail address", pattern=r"[^@\s]+@[^@\s]+"),
        phone=section.text("phone", None, allowed="a number such as +61 400 000 000", pattern=r"\+[\d ]{6,20}"),
    )
    section.finish()
    return responder


def _channels(section: Section) -> Channels:
    pattern, allowed = r"#[^\s]+", 'a channel such as "#incidents"'
    channels = Channels(
        incidents=section.text("incidents", allowed=allowed, pattern=pattern),
        alerts=section.text("alerts", allowed=allowed, pattern=pattern),
        general=section.text("general", allowed=allowed, pattern=pattern),
    )
    section.finish()
    return channels


def environment_of(stack: Stack, name: str | None) -> Environment:
    """The environment of this name, or the stack file's default; ``WrongUse`` names those that there are."""
    choices = list(stack.environments)
    if name is None:
        name = stack.default_environment
    if name is None:
        raise WrongUse(
            f"Say which environment: --env {'|'.join(choices)}, or set default_environment in {stack.file.name}."
        )
    if name not in stack.environments:
        raise WrongUse(
            f'There is no environment "{name}" in {stack.file}; there are {", ".join(choices)}.'
            f"{did_you_mean(name, choices)}"
        )
    return stack.environments[name]
