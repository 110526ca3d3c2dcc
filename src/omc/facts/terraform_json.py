"""Terraform's JSON of a plan as plain values: which resource changes how, with everything secret left out.

Whether a change is fine is not judged here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from omc.redaction import compared_without_secrets, without_secrets
from omc.secret_names import is_secret_name

SENSITIVE = "(sensitive)"
UNKNOWN = "(known after the apply)"
ABSENT = "-"


class Does(StrEnum):
    """What happens to a resource."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DESTROY = "destroy"
    FORGET = "forget"
    """It stays in AWS, and Terraform knows it no more."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One value of a resource that changes."""

    path: str
    """``parameter[0].value``, ``policy.Statement[0].Action``."""
    before: str
    after: str
    forces_replacement: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """A resource that changes."""

    address: str
    kind: str
    """Its type: ``aws_db_instance``."""
    does: Does
    reason: str
    """Terraform's own word for why: ``replace_because_tainted``; often empty."""
    differences: tuple[Difference, ...]
    before: Mapping[str, Any]
    """Its values now, secrets left out; empty for a new one."""
    after: Mapping[str, Any]
    """Its values then, as far as they are known, secrets left out; empty for one that goes."""


_DOES = {
    ("create",): Does.CREATE,
    ("update",): Does.UPDATE,
    ("delete",): Does.DESTROY,
    ("delete", "create"): Does.REPLACE,
    ("create", "delete"): Does.REPLACE,
    ("forget",): Does.FORGET,
    ("create", "forget"): Does.REPLACE,
}


def changes(listed: Any) -> tuple[Change, ...]:
    """The changes of ``resource_changes`` or ``resource_drift``: managed resources only, those that stay left out."""
    found = []
    for said in listed or ():
        does = _DOES.get(tuple(said["change"]["actions"]))
        if said.get("mode") == "managed" and does is not None:
            found.append(_change(said, does))
    return tuple(found)


def values_of(module: Mapping[str, Any], kinds: frozenset[str]) -> dict[str, Mapping[str, Any]]:
    """The resources of these types in a module's ``values`` and below it, by address, secrets left out."""
    found = {
        said["address"]: without_secrets(_masked(said.get("values") or {}, said.get("sensitive_values")))
        for said in module.get("resources", ())
        if said["mode"] == "managed" and said["type"] in kinds
    }
    for child in module.get("child_modules", ()):
        found |= values_of(child, kinds)
    return found


def _change(said: Mapping[str, Any], does: Does) -> Change:
    change = said["change"]
    before = _masked(change.get("before") or {}, change.get("before_sensitive"))
    after = _masked(change.get("after") or {}, change.get("after_sensitive"))
    before, after = compared_without_secrets(before, after)
    after = _with_unknown(after, change.get("after_unknown"))
    forcing = {_path(path) for path in change.get("replace_paths") or ()}
    differences: list[Difference] = []
    if does in {Does.UPDATE, Does.REPLACE}:
        for path, old, new in _differences("", before, after):
            forces = any(path == force or path.startswith((f"{force}.", f"{force}[")) for force in forcing)
            if forces or does is Does.UPDATE or (new != UNKNOWN and not (_is_empty(old) and _is_empty(new))):
                differences.append(Difference(path, _shown(old), _shown(new), forces))
        known = {difference.path for difference in differences}
        differences += [
            Difference(path, SENSITIVE, SENSITIVE, True)
            for path in sorted(forcing)
            if not any(one == path or one.startswith((f"{path}.", f"{path}[")) for one in known)
        ]
        differences += _sensitive_differences(change, known)
    return Change(
        address=said["address"],
        kind=said["type"],
        does=does,
        reason=said.get("action_reason") or "",
        differences=tuple(differences),
        before=before,
        after=after,
    )


def _is_empty(value: Any) -> bool:
    """Whether a value says no more than no value: a replacement names none of what nobody sets."""
    return value in (None, "", False, [], {})


def _sensitive_differences(change: Mapping[str, Any], known: set[str]) -> Iterator[Difference]:
    """Values that change and may not be shown: that they change is said."""
    before, after = change.get("before") or {}, change.get("after") or {}
    unknown = change.get("after_unknown")
    for name in sorted(set(before) | set(after)):
        marked = (change.get(side) for side in ("before_sensitive", "after_sensitive"))
        hidden = any(isinstance(tree, Mapping) and tree.get(name) for tree in marked) or _is_secret(
            name, before.get(name) or after.get(name)
        )
        turns_out_later = isinstance(unknown, Mapping) and unknown.get(name) is True
        if hidden and name not in known and not turns_out_later and before.get(name) != after.get(name):
            yield Difference(name, SENSITIVE, SENSITIVE)


def _is_secret(name: str, value: Any) -> bool:
    """By its name, even where the provider doesn't call it sensitive."""
    return isinstance(value, str | int | float) and not isinstance(value, bool) and is_secret_name(name)


def _masked(value: Any, sensitive: Any, name: str = "") -> Any:
    """The value with every leaf left out that Terraform marks, or that is named, as a secret."""
    if sensitive is True or (name and value != "" and _is_secret(name, value)):
        return SENSITIVE
    if isinstance(value, Mapping):
        below = sensitive if isinstance(sensitive, Mapping) else {}
        return {key: _masked(item, below.get(key), key) for key, item in value.items()}
    if isinstance(value, list):
        marks = sensitive if isinstance(sensitive, list) else []
        return [_masked(item, marks[at] if at < len(marks) else None) for at, item in enumerate(value)]
    return value


def _with_unknown(value: Any, unknown: Any) -> Any:
    """The value with what only the apply finds out marked as such."""
    if unknown is True:
        return UNKNOWN
    if isinstance(unknown, Mapping) and isinstance(value, Mapping | None):
        marked = dict(value or {})
        for key, below in unknown.items():
            if below:
                filled = _with_unknown(marked.get(key), below)
                if filled is not None:
                    marked[key] = filled
        return marked
    if isinstance(unknown, list) and isinstance(value, list):
        return [_with_unknown(item, unknown[at] if at < len(unknown) else None) for at, item in enumerate(value)]
    return value


def _differences(path: str, before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:
    """The leaves that differ. Lists of different lengths are taken as a whole."""
    if before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted(set(before) | set(after)):
            yield from _differences(f"{path}.{key}" if path else key, before.get(key), after.get(key))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for at, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from _differences(f"{path}[{at}]", old, new)
    elif (old := _document(before)) is not None and (new := _document(after)) is not None and type(old) is type(new):
        yield from _differences(path, old, new)
    else:
        yield path, before, after


def _document(value: Any) -> Any:
    """The document in a text that is JSON, such as a policy or a dashboard; None for any other value."""
    if not isinstance(value, str) or not value.startswith(("{", "[")):
        return None
    try:
        return json.loads(value)
    except ValueError:
        return None


def _path(said: Any) -> str:
    words = ""
    for part in said:
        words += f"[{part}]" if isinstance(part, int) else f".{part}" if words else str(part)
    return words


def _shown(value: Any) -> str:
    if value is None:
        return ABSENT
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
