"""What differs between two revisions of a task definition, as lines for a person; and one with another image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omc.redaction import compared_without_secrets

NAMED_LISTS = ("environment", "secrets", "containerDefinitions", "systemControls")
"""Lists whose items have a name, so that an item that moved is no difference."""
KEYS = ("name", "namespace", "containerName")


def with_image(body: Mapping[str, Any], container: str, image: str) -> dict[str, Any]:
    """The definition with another image in one container. ``KeyError`` where there is no such container."""
    containers = [dict(each) for each in body["containerDefinitions"]]
    for each in containers:
        if each["name"] == container:
            each["image"] = image
            return {**body, "containerDefinitions": containers}
    raise KeyError(container)


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """``backend.environment.LOG_LEVEL: "info" → "debug"``, in the order of the keys. That a secret changed is said."""
    before, after = compared_without_secrets(before, after)
    old, new = _flat(before), _flat(after)
    return [
        f"{key}: {_shown(old.get(key))} → {_shown(new.get(key))}"
        for key in sorted({*old, *new})
        if old.get(key) != new.get(key)
    ]


def _shown(value: Any) -> str:
    return "nothing" if value is None else str(value)


def _flat(value: Any, path: str = "") -> dict[str, str]:
    """Every leaf by its path. A list of named things is a table by name; empty is the same as missing."""
    if isinstance(value, Mapping):
        found: dict[str, str] = {}
        for key, inner in value.items():
            found |= _flat(inner, _joined(path, "" if key == "containerDefinitions" else str(key)))
        return found
    if isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
        found = {}
        for number, item in enumerate(value):
            name = next((str(item[key]) for key in KEYS if key in item), str(number))
            inner = {key: part for key, part in item.items() if key not in KEYS}
            only = next(iter(inner.values())) if len(inner) == 1 else inner
            found |= _flat(only, _joined(path, name)) or {_joined(path, name): "there"}
        return found
    if value in (None, "", [], {}):
        return {}
    text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return {path: text}


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path and name else path or name
