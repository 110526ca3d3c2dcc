"""Terraform's JSON of a plan as plain values: which resource changes how, with everything secret left out.

The members are those of ``terraform show -json`` (format 1.x). What isn't known to us is kept by its name and never
left out. Whether a change is fine is not judged here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from omc.facts.differences import (
    NOTHING,
    SENSITIVE,
    UNKNOWN_TEXT,
    Hidden,
    differences,
    leaves,
    path_text,
    text_of,
)
from omc.facts.differences import UNKNOWN as LATER
from omc.redaction import without_secrets

UNKNOWN = UNKNOWN_TEXT
ABSENT = NOTHING


class ChangeAction(StrEnum):
    """What happens to a resource."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DESTROY = "destroy"
    FORGET = "forget"
    """It stays in AWS, and Terraform no longer knows it."""
    KEEP = "keep"
    """It stays as it is; Terraform gets to know it, or knows it under another address."""
    UNKNOWN = "unknown"
    """Terraform does something that omc doesn't know."""


_DEPOSED = " (deposed "


@dataclass(frozen=True, slots=True)
class Difference:
    """One value of a resource that changes. Its two texts always differ."""

    path: str
    """``parameter[0].value``, ``policy.Statement[0].Action[3]``."""
    before: str
    after: str
    forces_replacement: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """A resource that changes, or that Terraform's state records differently than before."""

    address: str
    """With ``(deposed KEY)`` behind it for what an earlier replacement left."""
    kind: str
    """Its type: ``aws_db_instance``."""
    does: ChangeAction
    reason: str
    """Terraform's own word for why: ``replace_because_tainted``; often empty."""
    differences: tuple[Difference, ...]
    """What changes; all of its values for one that is new or goes."""
    before: Mapping[str, Any]
    """Its values now, secrets left out; empty for a new one."""
    after: Mapping[str, Any]
    """Its values then, as far as they are known, secrets left out; empty for one that goes."""
    actions: tuple[str, ...] = ()
    """Terraform's own words: ``("create", "delete")`` makes the new one first."""
    moved_from: str = ""
    """The address that it had; empty: the same."""
    imported: str = ""
    """What it is imported by, mostly its id; empty: it isn't."""
    generated: bool = False
    """Its code was written by Terraform, for an import."""

    @property
    def instance(self) -> str:
        """The address without what tells a deposed object from the current one."""
        return self.address.partition(_DEPOSED)[0]

    @property
    def leaves_old_one(self) -> bool:
        """Whether what is replaced stays in AWS, known to nobody."""
        return self.does is ChangeAction.REPLACE and "forget" in self.actions


@dataclass(frozen=True, slots=True)
class Extent:
    """How much of the whole a plan is, by its own account; None where it doesn't say (before Terraform 1.8)."""

    applyable: bool | None = None
    complete: bool | None = None
    """False: made with ``-target``, or changes are put off."""
    errored: bool = False
    """It was cut short by an error."""
    deferred: tuple[str, ...] = ()
    """Changes that wait for another apply: ``aws_route.x (instance_count_unknown)``."""
    failed_checks: tuple[str, ...] = ()
    """Checks of the code that don't hold, with what they say."""
    invoked: tuple[str, ...] = ()
    """Actions that the apply invokes beside changing resources."""

    @property
    def is_partial(self) -> bool:
        return self.complete is False or self.errored or bool(self.deferred)


WHOLE = Extent()
"""A plan that says nothing of itself."""
_DOES = {
    ("no-op",): ChangeAction.KEEP,
    ("create",): ChangeAction.CREATE,
    ("update",): ChangeAction.UPDATE,
    ("delete",): ChangeAction.DESTROY,
    ("delete", "create"): ChangeAction.REPLACE,
    ("create", "delete"): ChangeAction.REPLACE,
    ("forget",): ChangeAction.FORGET,
    ("create", "forget"): ChangeAction.REPLACE,
}


def changes(listed: Any) -> tuple[Change, ...]:
    """The changes of ``resource_changes`` or ``resource_drift``: those that stay as and where they are left out."""
    found = []
    for payload in listed or ():
        actions = tuple(payload["change"].get("actions") or ())
        does = _DOES.get(actions, ChangeAction.UNKNOWN)
        moves = payload.get("previous_address") or payload["change"].get("importing") is not None
        if payload.get("mode") == "managed" and (does is not ChangeAction.KEEP or moves):
            found.append(_change(payload, does))
        elif payload.get("mode") not in ("managed", "data") and actions not in {("no-op",), ("read",), ("open",)}:
            found.append(_change(payload, ChangeAction.UNKNOWN))
    return tuple(found)


def outputs(listed: Any) -> tuple[Difference, ...]:
    """The differences of ``output_changes``, by the output's name."""
    found: list[Difference] = []
    for name, payload in sorted((listed or {}).items()):
        if payload["actions"] == ["no-op"]:
            continue
        old = {} if payload["actions"] == ["create"] else {name: payload.get("before")}
        new = {} if payload["actions"] == ["delete"] else {name: payload.get("after")}
        marks = [{name: payload.get(side)} for side in ("before_sensitive", "after_sensitive")]
        before = _sensed(old, *marks)
        after = _later(_sensed(new, *marks), {name: payload.get("after_unknown")})
        changed = tuple(Difference(path_text(path), one, other) for path, one, other in differences(before, after))
        found += [*changed, *(_remarked(old, new, marks[0], marks[1], changed) if old and new else ())]
    return tuple(found)


def extent(document: Mapping[str, Any]) -> Extent:
    """What a plan says of itself."""
    return Extent(
        applyable=document.get("applyable"),
        complete=document.get("complete"),
        errored=bool(document.get("errored")),
        deferred=tuple(
            f"{payload.get('resource_change', {}).get('address', 'a resource')} ({payload.get('reason') or 'unknown'})"
            for payload in document.get("deferred_changes") or ()
        )
        + tuple(
            f"{response.get('action_invocation', {}).get('address', 'an action')} "
            f"({response.get('reason') or 'unknown'})"
            for response in document.get("deferred_action_invocations") or ()
        ),
        failed_checks=tuple(_failed_checks(document.get("checks"))),
        invoked=tuple(_invoked(record) for record in document.get("action_invocations") or ()),
    )


def values_of(module: Mapping[str, Any], kinds: frozenset[str]) -> dict[str, Mapping[str, Any]]:
    """The resources of these types in a module's ``values`` and below it, by address, secrets left out."""
    found = {
        payload["address"]: _masked(_sensed(payload.get("values") or {}, payload.get("sensitive_values")))
        for payload in module.get("resources", ())
        if payload["mode"] == "managed" and payload["type"] in kinds
    }
    for child in module.get("child_modules", ()):
        found |= values_of(child, kinds)
    return found


def _change(record: Mapping[str, Any], does: ChangeAction) -> Change:
    change = record["change"]
    marks = change.get("before_sensitive"), change.get("after_sensitive")
    before = _sensed(change.get("before") or {}, *marks)
    after = _later(_sensed(change.get("after") or {}, *reversed(marks)), change.get("after_unknown"))
    found = tuple(_found(does, before, after, change.get("replace_paths")))
    if does is ChangeAction.UPDATE:
        found += tuple(_remarked(change.get("before"), change.get("after"), *marks, found))
    importing = change.get("importing")
    deposed = record.get("deposed")
    return Change(
        address=record["address"] + (f"{_DEPOSED}{deposed})" if deposed else ""),
        kind=str(record.get("type", "")),
        does=does,
        reason=record.get("action_reason") or "",
        differences=found,
        before=_masked(before),
        after=_masked(after),
        actions=tuple(change.get("actions") or ()),
        moved_from=record.get("previous_address") or "",
        imported="" if importing is None else text_of(importing.get("id") or importing.get("identity") or "something"),
        generated=bool(change.get("generated_config")),
    )


def _found(does: ChangeAction, before: Any, after: Any, replace_paths: Any) -> Iterator[Difference]:
    if does in {ChangeAction.CREATE, ChangeAction.DESTROY}:
        for at, text in leaves(_stripped(after if does is ChangeAction.CREATE else before)):
            yield Difference(path_text(at), *((NOTHING, text) if does is ChangeAction.CREATE else (text, NOTHING)))
        return
    if does is ChangeAction.FORGET:
        return
    forcing = {path_text(tuple(path)) for path in replace_paths or ()}
    listed = [(path_text(path), old, new) for path, old, new in differences(before, after)]
    exact = {force: [path for path, _, _ in listed if _is_below(path, force)] for force in forcing}
    forced = {path for paths in exact.values() for path in paths}
    for force, paths in exact.items():
        if not paths:  # an item of a list that is known by its name here
            forced |= {path for path, _, _ in listed if _is_below(path, force.split(".")[0].split("[")[0])}
    for path, old, new in listed:
        yield Difference(path, old, new, path in forced)
    for force in sorted(forcing):
        if not any(_is_below(path, force.split(".")[0].split("[")[0]) for path in forced):
            yield Difference(force, "(its value)", "(another one, which the plan doesn't show)", True)


def _remarked(old: Any, new: Any, was: Any, becomes: Any, found: tuple[Difference, ...]) -> Iterator[Difference]:
    """Values that stay the same, and are sensitive from now on or no longer: Terraform changes a resource for no more
    than that, and what was hidden will stand in each plan and output from then on."""
    sides = (_marked((), old, was), _marked((), new, becomes))
    for path in sorted(sides[0] ^ sides[1], key=path_text):
        text = path_text(path)
        if not any(_is_below(one.path, text) or _is_below(text, one.path) for one in found):
            before, after = ("sensitive", "NO LONGER sensitive") if path in sides[0] else ("not sensitive", "sensitive")
            yield Difference(text or "(all of it)", f"{before} (its value stays)", after)


def _marked(path: tuple[str | int, ...], value: Any, mark: Any) -> set[tuple[str | int, ...]]:
    """The paths of the values that are there and marked."""
    if mark is True:
        return {path} if value not in (None, "", [], {}) else set()
    if isinstance(mark, Mapping) and isinstance(value, Mapping):
        return {at for key, below in mark.items() for at in _marked((*path, key), value.get(key), below)}
    if isinstance(mark, list) and isinstance(value, list):
        pairs = zip(value, mark, strict=False)
        return {at for place, pair in enumerate(pairs) for at in _marked((*path, place), *pair)}
    return set()


def _is_below(path: str, above: str) -> bool:
    return path == above or path.startswith((f"{above}.", f"{above}["))


def _stripped(value: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is not set: a new resource says nothing by it."""
    return {key: item for key, item in value.items() if item not in (None, [], {}, "")}


def _sensed(value: Any, *marks: Any, top: bool = True) -> Any:
    """The value with every part hidden that one of the trees of marks names as sensitive."""
    if any(mark is True for mark in marks) and isinstance(value, Mapping) and top:
        return {"(all of it)": _sensed(value, True, top=False)}
    if any(mark is True for mark in marks):
        return Hidden(text_of(value, bare=False), SENSITIVE) if value not in (None, "", [], {}) else value
    if isinstance(value, Mapping):
        below = [mark if isinstance(mark, Mapping) else {} for mark in marks]
        return {key: _sensed(item, *(mark.get(key) for mark in below), top=False) for key, item in value.items()}
    if isinstance(value, list):
        lists = [mark if isinstance(mark, list) else [] for mark in marks]
        return [
            _sensed(item, *(mark[at] if at < len(mark) else None for mark in lists), top=False)
            for at, item in enumerate(value)
        ]
    return value


def _later(value: Any, unknown: Any) -> Any:
    """The value with what only the apply finds out marked as such."""
    if unknown is True:
        return LATER
    if isinstance(unknown, Mapping) and isinstance(value, Mapping | None):
        marked = dict(value or {})
        for key, below in unknown.items():
            if _is_later(below):
                marked[key] = _later(marked.get(key), below)
        return marked
    if isinstance(unknown, list) and isinstance(value, list | None):
        items = value or [None] * len(unknown)
        return [_later(item, unknown[at] if at < len(unknown) else None) for at, item in enumerate(items)]
    return value


def _is_later(unknown: Any) -> bool:
    if isinstance(unknown, Mapping | list):
        return any(map(_is_later, unknown.values() if isinstance(unknown, Mapping) else unknown))
    return unknown is True


def _masked(value: Any) -> Any:
    """The values as they may be kept: each secret as a word in its place."""
    return _worded(without_secrets(value))


def _worded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _worded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_worded(item) for item in value]
    return repr(value) if isinstance(value, Hidden) or value is LATER else value


def _failed_checks(listed: Any) -> Iterator[str]:
    for payload in listed or ():
        if payload.get("status") in {"fail", "error"}:
            name = payload.get("address", {}).get("to_display", "a check")
            problems = [
                text_of(str(problem.get("message", "")))
                for instance in payload.get("instances") or ()
                for problem in instance.get("problems") or ()
            ]
            verb = "fails" if payload["status"] == "fail" else "can't be evaluated"
            yield f"{name} {verb}" + (f": {'; '.join(problems)}" if problems else "")


def _invoked(record: Mapping[str, Any]) -> str:
    trigger = record.get("lifecycle_action_trigger") or {}
    by = trigger.get("triggering_resource_address")
    when = str(trigger.get("action_trigger_event", "")).removeprefix("Resource")
    return f"{record.get('address', 'an action')}" + (f" ({when or 'when'} {by})" if by else "")
