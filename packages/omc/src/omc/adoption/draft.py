"""The omc.toml that says what was found: what follows from defaults is left out, what differs by environment stands
with the environment, and every choice has its reason behind it. Pure, but that it reads its own text back.

What a key defaults to isn't known here: a file without the keys is read, and what it comes to is compared.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omc.adoption.judgement import SCALING_KEYS, Judged, Value
from omc.adoption.toml_text import Plain, assignment, comment, header, table
from omc.config import Environment, Service, Stack, parse
from omc.config.names import name_problem
from omc.errors import StackError

ALWAYS = ("region", "account", "profile", "local_state", "prefix", "database_cluster", "cache_serverless")
"""Keys of an environment that are written whatever the default is: a default of the shell's is none of the file's, and
other defaults follow from these."""
VARYING = ("port", "minimum", "maximum", "cpu_target", "memory_target", "connections")
"""Keys of a service that have no default; others' defaults follow from them."""
ENVIRONMENT_KEYS = (
    *("region", "account", "profile", "local_state", "prefix", "cluster", "load_balancer", "database"),
    *("database_cluster", "cache", "cache_serverless", "alarm_prefix", "terraform_state", "audit_bucket"),
    "record_log_group",
)
SERVICE_KEYS = (
    *("ecs_service", "cluster", "family", "container", "port", "target_group", "log_group", "minimum", "maximum"),
    *("cpu_target", "memory_target", "connections"),
)
JOB_KEYS = ("schedule", "cluster", "family", "container", "log_group")
PLACEHOLDERS = ("name", "environment", "prefix", "service", "account")
WHERE_FROM = "omc init"


@dataclass(slots=True)
class Draft:
    """A stack as it was judged, with all keys; ``text`` leaves out what follows."""

    name: str
    time_zone: Value
    environments: dict[str, dict[str, Value]] = field(default_factory=dict)
    services: dict[str, dict[str, dict[str, Value]]] = field(default_factory=dict)
    """By environment, by service."""
    jobs: dict[str, dict[str, dict[str, Value]]] = field(default_factory=dict)
    untold: list[str] = field(default_factory=list)

    def of(self, kind: str) -> dict[str, dict[str, dict[str, Value]]]:
        return self.services if kind == "services" else self.jobs


def draft(name: str, time_zone: Value, judged: Sequence[Judged], beside: Mapping[str, Mapping[str, Value]]) -> Draft:
    """Of one stack's environments; ``beside`` has further keys of each, such as its region. What omc.toml doesn't
    take, by its own rules, is left out, and ``untold`` names it."""
    made = Draft(name, time_zone)
    for each in judged:
        label = each.group.environment
        made.environments[label] = {**beside.get(label, {}), **each.environment}
        made.services[label] = each.services
        taken = {name for one in judged for name in one.services}
        made.jobs[label] = {f"{name}-job" if name in taken else name: keys for name, keys in each.jobs.items()}
        made.untold += [sentence for sentence in each.untold if sentence not in made.untold]
    _drop_refused(made)
    return made


def _drop_refused(made: Draft) -> None:
    if not _mistake(made.name, _whole(made)):
        return
    for label, keys in made.environments.items():
        for key in list(keys):
            if mistake := _mistake(made.name, {"environments": {label: {key: keys[key].value}}}):
                made.untold.append(f"{key} of {label}: {mistake}")
                del keys[key]
    for kind in ("services", "jobs"):
        for label, members in made.of(kind).items():
            for member, keys in members.items():
                for key in list(keys):
                    if key not in keys:  # gone with another limit
                        continue
                    one: dict[str, Any] = {"environments": {label: {}}, kind: {member: {key: keys[key].value}}}
                    if key in SCALING_KEYS:
                        one[kind][member] |= {k: keys[k].value for k in keys if k in SCALING_KEYS}
                    if mistake := _mistake(made.name, one):
                        made.untold.append(f"{key} of {member} in {label}: {mistake}")
                        for gone in SCALING_KEYS if key in SCALING_KEYS else (key,):
                            keys.pop(gone, None)


def _mistake(name: str, tables: Mapping[str, Any]) -> str:
    """Why omc.toml doesn't take these tables; empty where it does."""
    tables = {**tables}
    tables.setdefault("services", {"service": {}})
    try:
        parse(_plain(name, tables), Path("omc.toml"))
    except StackError as error:
        return re.sub(r"^omc\.toml, line \d+: ", "", error.message)
    return ""


def _whole(
    made: Draft, kinds: Sequence[str] = ("services", "jobs"), keys: Sequence[str] = SERVICE_KEYS
) -> dict[str, Any]:
    """All tables as plain data, each environment's services whole under the environment."""
    tables: dict[str, Any] = {
        "environments": {
            label: {key: value.value for key, value in values.items()} for label, values in made.environments.items()
        },
        "services": {member: {} for members in made.services.values() for member in members},
    }
    for label, members in made.services.items():
        tables["environments"][label]["services"] = {
            member: {key: value.value for key, value in members[member].items() if key in keys}
            if member in members
            else {"absent": True}
            for member in tables["services"]
        }
    if "jobs" in kinds and any(made.jobs.values()):
        tables["jobs"] = {
            member: {key: value.value for key, value in values.items()}
            for members in made.jobs.values()
            for member, values in members.items()
        }
    return tables


def _plain(name: str, tables: Mapping[str, Any]) -> str:
    lines = [assignment("name", name), assignment("time_zone", "UTC")]

    def write(path: tuple[str, ...], values: Mapping[str, Any]) -> None:
        lines.append(header(path))
        lines.extend(assignment(key, value) for key, value in values.items() if not isinstance(value, dict))
        for key, value in values.items():
            if isinstance(value, dict):
                write((*path, key), value)

    for kind, members in tables.items():
        for member, values in members.items():
            write((kind, member), values)
    return "\n".join(lines) + "\n"


# ── What follows from defaults ───────────────────────────────────────────────────────────────────────────────────


def resolved(subject: Environment | Service | Any, key: str) -> Any:
    """What a key of omc.toml came to: as ``Value`` has it."""
    if isinstance(subject, Environment) and key == "load_balancer":
        return (subject.load_balancer or None) if subject.has_load_balancer else ""
    if key == "target_group" and isinstance(subject, Service):
        groups = tuple(subject.target_groups)
        return groups[0] if len(groups) == 1 else groups
    found = getattr(subject, key)
    if key in ("database", "cache"):
        return found or ""
    return str(found) if isinstance(found, Path) else found


def same(one: Any, other: Any) -> bool:
    return (tuple(one) if isinstance(one, list) else one) == (tuple(other) if isinstance(other, list) else other)


def text(made: Draft, file: Path) -> str:
    """The whole file. Raises ``StackError`` where it doesn't read back as what was found, which would be a bug."""
    usual = _defaults(made, file)
    several = len(made.environments) > 1
    lines = [
        comment("The stack that omc operates, as omc init found it. What isn't here follows from defaults:"),
        comment("docs/configuration.md has every key, omc stack show compares this file with AWS."),
        "",
        *table((), {"name": (made.name, ""), "time_zone": (made.time_zone.value, made.time_zone.note)}),
    ]
    bases: dict[str, dict[str, dict[str, Value]]] = {"services": {}, "jobs": {}}
    overrides: dict[str, dict[str, dict[str, Value]]] = {label: {} for label in made.environments}
    for kind, keys in (("services", SERVICE_KEYS), ("jobs", JOB_KEYS)):
        for member in _members(made, kind):
            base, more = _apart(made, kind, member, keys, usual, several=several)
            if kind == "jobs" and more:
                _leave_out(made, member, more)
                continue
            bases[kind][member] = base
            for label, values in more.items():
                overrides[label][member] = values
    for label, values in made.environments.items():
        kept = {
            key: (values[key].value, values[key].note)
            for key in ENVIRONMENT_KEYS
            if key in values and not _follows(made, usual, label, key, values[key].value)
        }
        lines += ["", *table(("environments", label), kept)]
        for member, own in overrides[label].items():
            lines += ["", *table(("environments", label, "services", member), _pairs(own))]
    for kind in ("services", "jobs"):
        for member, values in bases[kind].items():
            lines += ["", *table((kind, member), _pairs(values))]
    whole = "\n".join(lines) + "\n"
    verify(made, parse(whole, file))
    return whole


def _leave_out(made: Draft, job: str, more: Mapping[str, Mapping[str, Value]]) -> None:
    """A job is the same in each environment, but for placeholders."""
    keys = sorted({key for values in more.values() for key in values})
    made.untold.append(f"The job {job}: its {', '.join(keys)} differ by environment in a way that omc.toml can't say.")
    for members in made.jobs.values():
        members.pop(job, None)


def _pairs(values: Mapping[str, Value]) -> dict[str, tuple[Plain, str]]:
    return {key: (value.value, value.note) for key, value in values.items()}


def _members(made: Draft, kind: str) -> list[str]:
    return list(dict.fromkeys(member for members in made.of(kind).values() for member in members))


def _defaults(made: Draft, file: Path) -> Stack:
    """What the file comes to without any key but those that others follow from."""
    bare = Draft(made.name, made.time_zone)
    for label, values in made.environments.items():
        bare.environments[label] = {key: value for key, value in values.items() if key in ALWAYS}
        bare.services[label] = {
            member: {key: value for key, value in keys.items() if key in VARYING}
            for member, keys in made.services[label].items()
        }
    tables = _whole(bare)
    for label, members in bare.services.items():
        for member in members:
            if not _has_usual_group(made, label, member):
                tables["environments"][label]["services"][member]["target_group"] = []
    if jobs := _members(made, "jobs"):
        tables["jobs"] = {job: {} for job in jobs}
    return parse(_plain(made.name, tables), file)


def _has_usual_group(made: Draft, label: str, member: str) -> bool:
    """Whether the default name of its target group is one that ELB takes; a file with another doesn't load."""
    prefix = made.environments[label].get("prefix")
    usual = f"{prefix.value if prefix else f'{made.name}-{label}'}-{member}"
    return not name_problem("target_group", usual, {})


def _follows(made: Draft, usual: Stack, label: str, key: str, value: Plain) -> bool:
    if key == "prefix":
        return value == f"{made.name}-{label}"
    if key == "load_balancer" and value:
        prefix = usual.environments[label].prefix
        return str(value) == prefix or str(value).startswith(f"{prefix}-")
    return key not in ALWAYS and same(resolved(usual.environments[label], key), value)


def _apart(
    made: Draft, kind: str, member: str, keys: Sequence[str], usual: Stack, *, several: bool
) -> tuple[dict[str, Value], dict[str, dict[str, Value]]]:
    """What is written of a service once, and what by environment."""
    labels = [label for label in made.environments if member in made.of(kind)[label]]
    base: dict[str, Value] = {}
    more: dict[str, dict[str, Value]] = {label: {} for label in labels}
    for key in keys:
        values = {label: made.of(kind)[label][member].get(key) for label in labels}
        written = {label: value for label, value in values.items() if value is not None}
        if not written:
            continue
        if all(_is_usual(made, usual, kind, label, member, key, value) for label, value in written.items()):
            continue
        if len(written) < len(labels):
            for label, value in written.items():
                more[label][key] = value
            continue
        template = _template(made, usual, member, written) if several else None
        if template is not None:
            base[key] = template
            continue
        common = Counter(repr(value.value) for value in written.values()).most_common(1)[0][0]
        base[key] = next(value for value in written.values() if repr(value.value) == common)
        for label, value in written.items():
            if repr(value.value) != common:
                more[label][key] = value
    if kind == "services":
        for label in made.environments:
            if label not in labels:
                more[label] = {"absent": Value(True)}
    return base, {label: values for label, values in more.items() if values}


def _is_usual(made: Draft, usual: Stack, kind: str, label: str, member: str, key: str, value: Value) -> bool:
    environment = usual.environments[label]
    if key in VARYING or (key == "target_group" and not _has_usual_group(made, label, member)):
        return False
    if key == "cluster":
        own = made.environments[label].get("cluster")
        return same(own.value if own else environment.cluster, value.value)
    subject = next(each for each in getattr(environment, kind) if each.name == member)
    return same(resolved(subject, key), value.value)


def _template(made: Draft, usual: Stack, member: str, written: Mapping[str, Value]) -> Value | None:
    """One name, or one list of names, with placeholders that comes to each environment's; None where there is none."""
    first = next(iter(written))
    if len({repr(value.value) for value in written.values()}) == 1 or not all(
        isinstance(value.value, str | list) for value in written.values()
    ):
        return None
    fillings = {label: _filling(made, usual, label, member) for label in written}

    def templated(value: Any, placeholders: Sequence[str]) -> Any:
        if isinstance(value, list):
            return [templated(each, placeholders) for each in value]
        for placeholder in placeholders:
            value = value.replace(fillings[first][placeholder], f"{{{placeholder}}}")
        return value

    for placeholders in (("prefix",), ("environment",), ("prefix", "environment")):
        template = templated(written[first].value, placeholders)
        if all(_filled(template, fillings[label]) == value.value for label, value in written.items()):
            return Value(template, written[first].note)
    return None


def _filling(made: Draft, usual: Stack, label: str, member: str) -> dict[str, str]:
    return {"name": made.name, "environment": label, "prefix": usual.environments[label].prefix, "service": member}


def _filled(template: Any, values: Mapping[str, str]) -> Any:
    if isinstance(template, list):
        return [_filled(each, values) for each in template]
    return re.sub(r"\{([a-z]+)\}", lambda found: values.get(found[1], found[0]), template)


# ── Reading it back ──────────────────────────────────────────────────────────────────────────────────────────────


def verify(made: Draft, stack: Stack) -> None:
    """That a file comes to what was found."""
    for label, values in made.environments.items():
        environment = stack.environments[label]
        for key, value in values.items():
            found = resolved(environment, key)
            if key in ("profile", "local_state") or (key == "load_balancer" and found is None):
                continue
            if not same(found, value.value):
                raise StackError(f"{WHERE_FROM}: {key} of {label} reads back as {found!r} and not {value.value!r}.")
        for kind in ("services", "jobs"):
            subjects = {each.name: each for each in getattr(environment, kind)}
            if kind == "services" and set(subjects) != set(made.services[label]):
                raise StackError(f"{WHERE_FROM}: the services of {label} read back as {sorted(subjects)}.")
            for member, keys in made.of(kind)[label].items():
                for key, value in keys.items():
                    if not same(resolved(subjects[member], key), value.value):
                        raise StackError(
                            f"{WHERE_FROM}: {key} of {member} in {label} reads back as "
                            f"{resolved(subjects[member], key)!r} and not {value.value!r}."
                        )
