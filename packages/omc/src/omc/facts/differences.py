"""What differs between two values, shown so that a person sees it: paths, and for each the text before and after.

Lists are compared item by item, JSON inside a text as what it says, texts of several lines by line. Nothing that
differs is left out, and the two texts of a difference are never alike. Every text passes the one place that leaves
secrets out. Whether a difference is fine is not judged here.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from omc import exact_json
from omc.redaction import CHANGED, REDACTED, without_secrets

NOTHING = "nothing"
"""The text of what isn't there."""
SENSITIVE = "(sensitive)"
"""The text of a value that Terraform marks as sensitive."""
UNKNOWN_TEXT = "(known after the apply)"
WHOLE = 100
"""Characters up to which something that is new or gone as a whole is one line; more has a line for each part."""
DEEPEST = 60
"""Levels of a JSON document; a deeper one is compared as a text."""
WORDS = frozenset({"command", "entryPoint", "entry_point", "args", "arguments"})
"""Lists of words that mean something only together and in their order: shown whole, each word in its quotes."""
MOST_PAIRS = 10_000
"""Pairs of items of two lists that are compared, to find which one became which."""
KEYS = ("name", "Name", "Sid", "sid", "Id", "id", "key", "Key", "containerName", "container_name", "namespace")
"""What an item of a list may be known by, where no two items of the list have the same."""

Path = tuple["str | int | Item", ...]


@dataclass(frozen=True, slots=True)
class Item:
    """An item of a list in a path: by its name, or by its place where it moved."""

    name: str


@dataclass(frozen=True, slots=True)
class Hidden:
    """A value that must not be shown. Two are equal when what they hide is."""

    raw: str
    """What it hides, as JSON; never printed."""
    shown: str

    def __repr__(self) -> str:
        return self.shown


class Unknown:
    """A value that only the apply finds out."""

    def __repr__(self) -> str:
        return UNKNOWN_TEXT


class Absent:
    """No value at all, which is not the same as null."""

    def __repr__(self) -> str:
        return NOTHING


UNKNOWN, ABSENT = Unknown(), Absent()


def differences(
    before: Any, after: Any, *, ordered: Callable[[Path], bool] = lambda _: True
) -> Iterator[tuple[Path, str, str]]:
    """Each place where the two differ, with its texts, secrets left out.

    ``ordered`` says whether the order of the named items of the list at a path means anything.
    """
    for path, old, new in _differences((), _hide(before), _hide(after), ordered):
        yield path, *texts(_closed(path, old), _closed(path, new))


def leaves(values: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """All that the values say, a line's worth at a time, secrets left out."""
    for key, value in sorted(_hide(values).items()):
        for path, leaf in _parts((key,), value):
            yield path, text_of(_closed(path, leaf))


def texts(old: Any, new: Any) -> tuple[str, str]:
    """The two values as texts that differ."""
    both = isinstance(old, str | Absent | Unknown) and isinstance(new, str | Absent | Unknown)
    before, after = text_of(old, bare=both), text_of(new, bare=both)
    if before == after:
        if after == REDACTED:
            return before, CHANGED
        if after == SENSITIVE:
            return before, f"changed {SENSITIVE}"
        secret = _holds_hidden(old) or _holds_hidden(new)
        after = f"{after}, {'changed (secret)' if secret else 'which looks the same but is a different value'}"
    return before, after


def is_secret_text(text: str) -> bool:
    """Whether a text of ``texts`` stands for a secret, or holds one that is left out."""
    return any(word in text for word in (REDACTED, CHANGED, SENSITIVE, "changed (secret)"))


def text_of(value: Any, *, bare: bool = True) -> str:
    """A value on one line. A text stands in quotes where it could be taken for something else; a character that the eye
    can't tell from another is written as its number."""
    if isinstance(value, Hidden | Unknown | Absent):
        return repr(value)
    if isinstance(value, str):
        if bare and _BARE.fullmatch(value) and value not in _MEANINGS and "  " not in value:
            return value
        return _distinguished(json.dumps(value, ensure_ascii=False))
    return _distinguished(json.dumps(_plain(value), sort_keys=True, ensure_ascii=False))


def path_text(path: Path) -> str:
    """``policy.Statement[0].Action``; ``container_definitions[backend].environment[LOG_LEVEL]``."""
    words = ""
    for part in path:
        if isinstance(part, int):
            words += f"[{part}]"
        elif isinstance(part, Item):
            words += f"[{name_text(part.name)}]"
        elif re.fullmatch(r"[\w-]+", part, re.ASCII):
            words += f".{part}" if words else part
        else:
            words += f"[{text_of(part, bare=False)}]"
    return words


def name_text(name: str) -> str:
    """A name within a path."""
    return name if re.fullmatch(r"[\w/@*.-]+", name, re.ASCII) or _MOVED.fullmatch(name) else text_of(name, bare=False)


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON: 1 is neither true nor "1" nor 1.0."""
    return _canonical(one) == _canonical(other)


def document(value: Any) -> Any:
    """The document in a text that is JSON, such as a policy or a dashboard; None for any other value.

    A document with the same name twice in one object isn't one: which of the two counts is not for us to say.
    """
    if not isinstance(value, str) or not value.lstrip().startswith(("{", "[")):
        return None
    try:
        payload = exact_json.loads(value, _once)
    except (ValueError, RecursionError, ArithmeticError):
        return None
    return payload if _depth(payload) <= DEEPEST else None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name that stands twice")
    return found


def _depth(value: Any) -> int:
    level, depth = [value], 0
    while level:
        depth += 1
        level = [item for one in level if isinstance(one, dict | list) for item in _inside(one)]
    return depth


def _inside(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, Mapping) else value


# -- secrets ---------------------------------------------------------------------------------------------------------


def _hide(value: Any, key: str = "") -> Any:
    """The value with all that the redaction leaves out hidden; what is in a document, once it is opened."""
    return _beside(value, without_secrets(value, key))


def _beside(value: Any, masked: Any) -> Any:
    if isinstance(value, str):
        if document(value) is not None and masked != REDACTED:
            return value
        if masked != value:
            return Hidden(_canonical(value), REDACTED if masked == REDACTED else text_of(str(masked)))
        return value
    if isinstance(value, Mapping) and isinstance(masked, Mapping):
        return {
            str(name): _beside(item, masked.get(name, REDACTED))
            if name in masked
            else Hidden(_canonical(item), REDACTED)
            for name, item in value.items()
        }
    if isinstance(value, list) and isinstance(masked, list) and len(value) == len(masked):
        return [_beside(item, other) for item, other in zip(value, masked, strict=True)]
    if isinstance(value, Hidden | Unknown | Absent) or _canonical(value) == _canonical(masked):
        return value
    return Hidden(_canonical(value), REDACTED)


def _holds_hidden(value: Any) -> bool:
    if isinstance(value, Mapping | list):
        return any(_holds_hidden(item) for item in _inside(value))
    return isinstance(value, Hidden)


# -- walking ---------------------------------------------------------------------------------------------------------


def _differences(path: Path, old: Any, new: Any, ordered: Callable[[Path], bool]) -> Iterator[tuple[Path, Any, Any]]:
    if same(old, new):
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new}):
            yield from _differences((*path, key), old.get(key, ABSENT), new.get(key, ABSENT), ordered)
    elif isinstance(old, list) and isinstance(new, list):
        yield from _of_lists(path, old, new, ordered)
    elif (one := document(old)) is not None and (other := document(new)) is not None and type(one) is type(other):
        if same(one, other):
            yield path, _Words("(this JSON)"), _Words("(the same JSON, written differently)")
        else:
            key = _key_of(path)
            yield from _differences(path, _hide(one, key), _hide(other, key), ordered)
    elif isinstance(old, str) and isinstance(new, str) and "\n" in old and "\n" in new:
        yield from _of_sequences((*path, "lines"), old.split("\n"), new.split("\n"), ordered)
    elif isinstance(old, Absent):
        yield from ((at, ABSENT, leaf) for at, leaf in _parts(path, new))
    elif isinstance(new, Absent):
        yield from ((at, leaf, ABSENT) for at, leaf in _parts(path, old))
    else:
        yield path, old, new


def _closed(path: Path, value: Any) -> Any:
    """A value that is shown as a whole, without what is secret in the documents that it holds."""
    if isinstance(value, Mapping):
        return {key: _closed((*path, key), item) for key, item in value.items()}
    if isinstance(value, list):
        return [_closed(path, item) for item in value]
    payload = document(value)
    if payload is None:
        return value
    opened = _closed(path, _hide(payload, _key_of(path)))
    return Hidden(_canonical(value), text_of(opened)) if _holds_hidden(opened) else value


def _parts(path: Path, value: Any) -> Iterator[tuple[Path, Any]]:
    """A value that is new or gone: whole where it is short, else part by part."""
    payload = document(value)
    if payload is not None:
        value = _hide(payload, _key_of(path))
    by = _known_by(value, value) if isinstance(value, list) and not _is_words(path) else ""
    if by:
        for item in value:
            inner = {key: part for key, part in item.items() if key != by}
            only = next(iter(inner.values())) if len(inner) == 1 else inner
            yield from _parts((*path, Item(item[by])), only)
    elif not isinstance(value, Mapping | list) or not value or len(text_of(value)) <= WHOLE or _is_words(path):
        yield path, value
    elif isinstance(value, Mapping):
        for key in sorted(value):
            yield from _parts((*path, key), value[key])
    else:
        for at, item in enumerate(value):
            yield from _parts((*path, at), item)


def _of_lists(
    path: Path, old: list[Any], new: list[Any], ordered: Callable[[Path], bool]
) -> Iterator[tuple[Path, Any, Any]]:
    if _is_words(path):
        yield path, old, new
        return
    by = _known_by(old, new)
    if not by:
        yield from _of_sequences(path, old, new, ordered)
        return
    olds, news = ({item[by]: item for item in items} for items in (old, new))
    for name in sorted({*olds, *news}):
        one, other = olds.get(name, ABSENT), news.get(name, ABSENT)
        sides = [{key: part for key, part in item.items() if key != by} for item in (one, other) if item is not ABSENT]
        only = {next(iter(side)) if len(side) == 1 else "" for side in sides}
        if len(only) == 1 and "" not in only:  # {"name": …, "value": …} is a table by name
            [key] = only
            one, other = (item if item is ABSENT else item[key] for item in (one, other))
        yield from _differences((*path, Item(name)), one, other, ordered)
    both = set(olds) & set(news)
    orders = [[name for name in names if name in both] for names in (olds, news)]
    if orders[0] != orders[1] and ordered(path):
        yield (*path, "order"), orders[0], orders[1]


def _of_sequences(
    path: Path, old: Sequence[Any], new: Sequence[Any], ordered: Callable[[Path], bool]
) -> Iterator[tuple[Path, Any, Any]]:
    """What was taken out and put in; what was put in for something like it is compared with that."""
    olds, news = [_canonical(item) for item in old], [_canonical(item) for item in new]
    gone: list[int] = []
    come: list[int] = []
    pairs: list[tuple[int, int]] = []
    for what, start, end, begin, stop in SequenceMatcher(None, olds, news, autojunk=False).get_opcodes():
        if what == "equal":
            continue
        if end - start == stop - begin and not any(
            isinstance(item, Mapping) for item in (*old[start:end], *new[begin:stop])
        ):
            pairs += zip(range(start, end), range(begin, stop), strict=True)
        else:
            gone += range(start, end)
            come += range(begin, stop)
    alike = _alike(old, new, gone, come)
    found = [*pairs, *alike]
    for one, other in sorted(found):
        place = one if one == other else Item(f"{one}→{other}")
        if olds[one] == news[other]:
            yield (*path, one, "place"), one, other
        else:
            yield from _differences((*path, place), old[one], new[other], ordered)
    left, right = {one for one, _ in found}, {other for _, other in found}
    for at in gone:
        if at not in left:
            yield from ((where, leaf, ABSENT) for where, leaf in _parts((*path, at), old[at]))
    for at in come:
        if at not in right:
            yield from ((where, ABSENT, leaf) for where, leaf in _parts((*path, at), new[at]))


def _alike(old: Sequence[Any], new: Sequence[Any], gone: list[int], come: list[int]) -> list[tuple[int, int]]:
    """Pairs of mappings of which one is likely the other, changed: the most alike first. In long lists each is held
    only against those at about its own place: ``MOST_PAIRS`` in all."""
    lefts = [at for at in gone if isinstance(old[at], Mapping)]
    rights = [at for at in come if isinstance(new[at], Mapping)]
    reach = max(1, MOST_PAIRS // max(1, len(lefts)) // 2)
    scores = []
    for number, left in enumerate(lefts):
        middle = number * len(rights) // len(lefts)
        scores += [
            (-_likeness(old[left], new[right]), abs(left - right), left, right)
            for right in rights[max(0, middle - reach) : middle + reach + 1]
        ]
    found: dict[int, int] = {}
    taken: set[int] = set()
    for score, _, left, right in sorted(scores):
        if (score < 0 or len(gone) == len(come)) and left not in found and right not in taken:
            found[left] = right
            taken.add(right)
    return list(found.items())


def _likeness(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """How many of their values are the same, where a list counts by its part that is the same."""
    score = 0.0
    for key in set(one) & set(other):
        if same(one[key], other[key]):
            score += 1
        elif isinstance(one[key], list) and isinstance(other[key], list):
            items = [{_canonical(item) for item in side} for side in (one[key], other[key])]
            score += len(items[0] & items[1]) / max(1, len(items[0] | items[1]))
    return score


def _known_by(old: list[Any], new: list[Any]) -> str:
    """What the items of both lists are known by; empty where nothing tells them apart."""
    items = [*old, *new]
    if not items or not all(isinstance(item, Mapping) for item in items):
        return ""
    for key in KEYS:
        if all(isinstance(item.get(key), str) and len(item) > 1 for item in items) and all(
            len({item[key] for item in side}) == len(side) for side in (old, new)
        ):
            return key
    return ""


def _is_words(path: Path) -> bool:
    return bool(path) and path[-1] in WORDS


def _key_of(path: Path) -> str:
    last = next((part for part in reversed(path) if not isinstance(part, int)), "")
    return last.name if isinstance(last, Item) else str(last)


# -- texts -----------------------------------------------------------------------------------------------------------


class _Words(Unknown):
    """A remark in place of a value."""

    def __init__(self, words: str) -> None:
        self.words = words

    def __repr__(self) -> str:
        return self.words


def _plain(value: Any) -> Any:
    """For JSON: what can't be shown as a word in its place."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return repr(value) if isinstance(value, Hidden | Unknown | Absent) else value


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=True, default=_mark)


def _mark(value: Any) -> Any:
    return {type(value).__name__: value.raw if isinstance(value, Hidden) else repr(value)}


def _distinguished(text: str) -> str:
    return "".join(char if _is_plain(char) else f"\\u{ord(char):04x}" for char in text)


def _is_plain(char: str) -> bool:
    """ASCII, and the accented letters of western Europe; of all others some look like another."""
    return " " <= char <= "~" or ("\u00c0" <= char <= "\u00ff" and unicodedata.category(char).startswith("L"))


_BARE = re.compile(r"(?![ \"(\[{])(?:[ -~À-ÖØ-öø-ÿ])*[!-~À-ÖØ-öø-ÿ]")
_MEANINGS = frozenset({NOTHING, "null", "true", "false"})
_MOVED = re.compile(r"\d+→\d+")
