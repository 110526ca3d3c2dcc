"""What differs between two revisions of a task definition, as lines for a person; and one with another image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omc.facts.differences import Item, Path, differences, name_text, path_text

UNORDERED = ("environment", "secrets", "containerDefinitions", "systemControls", "volumes", "tags")
"""Lists whose items have a name, so that an item that moved is no difference."""


def with_image(body: Mapping[str, Any], container: str, image: str) -> dict[str, Any]:
    """The definition with another image in one container. ``KeyError`` where there is no such container."""
    containers = [dict(each) for each in body["containerDefinitions"]]
    for each in containers:
        if each["name"] == container:
            each["image"] = image
            return {**body, "containerDefinitions": containers}
    raise KeyError(container)


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """``backend.environment.LOG_LEVEL: info → debug``, in the order of the keys; secrets left out."""
    found = differences(_said(before), _said(after), ordered=lambda path: path[-1] not in UNORDERED)
    return sorted(f"{_words(path)}: {old} → {new}" for path, old, new in found)


def _said(value: Any) -> Any:
    """Without what says nothing: ECS gives back empty lists that nobody gave. An empty text says something."""
    if isinstance(value, Mapping):
        return {key: part for key, item in value.items() if (part := _said(item)) not in (None, [], {})}
    return [_said(item) for item in value] if isinstance(value, list) else value


def _words(path: Path) -> str:
    """``backend.environment.LOG_LEVEL``: a container goes without saying that it is one."""
    if path and path[0] == "containerDefinitions" and len(path) > 1:
        path = path[1:]
    words = ""
    for part in path:
        if isinstance(part, Item):
            words += f".{name_text(part.name)}" if words else name_text(part.name)
        else:
            one = path_text((part,))
            words += f".{one}" if words and not one.startswith("[") else one
    return words
