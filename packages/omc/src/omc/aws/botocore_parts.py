"""Parts of botocore's in a quicker form. Each says the same as botocore's own, which a test holds it against."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any

from botocore import useragent
from botocore.handlers import BUILTIN_HANDLERS, REGISTER_FIRST, REGISTER_LAST
from botocore.hooks import EVENT_ALIASES, BaseEventHooks, EventAliaser, HierarchicalEmitter
from botocore.utils import parse_timestamp

_ORDER = {old: number for number, old in enumerate(EVENT_ALIASES)}
_BOTOCORES: Any = EventAliaser(HierarchicalEmitter())
_DOTTED = tuple(old for old in EVENT_ALIASES if "." in old)


if not hasattr(useragent.sanitize_user_agent_string_component, "cache_info"):
    # For every call botocore writes the same fourteen names into its user agent, letter by letter, twice.
    useragent.sanitize_user_agent_string_component = lru_cache(512)(useragent.sanitize_user_agent_string_component)


class Events(EventAliaser):
    """Events by their present names. botocore goes through all two hundred old names for each, in each client anew."""

    def _alias_event_name(self, event_name: str) -> str:
        return alias_of(event_name)


@cache
def alias_of(event_name: str) -> str:
    """The present name of an event: by the first of botocore's old names, in its order, that is in it."""
    old_names = {part for part in event_name.split(".") if part in _ORDER}
    old_names.update(old for old in _DOTTED if old in event_name)
    if not old_names:
        return event_name
    return str(_BOTOCORES._alias_event_name(event_name))


def events() -> BaseEventHooks:
    """With botocore's own handlers, but for those that write its documentation: each client copies all of them."""
    made = Events(HierarchicalEmitter())
    register = {None: made.register, REGISTER_FIRST: made.register_first, REGISTER_LAST: made.register_last}
    for name, handler, *when in BUILTIN_HANDLERS:
        if not name.startswith("docs."):
            register[when[0] if when else None](name, handler)
    return made


def moment(value: Any) -> datetime:
    """A timestamp of an answer, which is mostly seconds since 1970; in UTC, not in the machine's own zone."""
    if isinstance(value, int | float):
        with suppress(OverflowError, OSError, ValueError):  # botocore goes on with what is far away
            return datetime.fromtimestamp(value, UTC)
    parsed: datetime = parse_timestamp(value)
    return parsed
