"""Secrets stay secret: what is named like one, or has the shape of one, is masked before it goes anywhere.

Everything that leaves omc passes here: plans and the record before they are written, reports, errors and progress
before they are printed. Masking is idempotent and takes time in proportion to the text's length: what a log line holds
is nobody's choice. Names and ARNs of secrets stay: they say where a secret is, not what it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from omc.secret_names import ENDINGS, is_secret_name
from omc.secret_prose import begins_sentence, is_of_a_parser, is_state
from omc.secret_shapes import HEADER, IN_PLACE, SHAPES, compiled, in_commands, in_words

REDACTED = "[redacted]"
_BEGUN = REDACTED[:-1]
SHORTEST = 6
"""Characters of a text that could hold a name and a value."""
CHANGED = "[redacted, another value]"
"""In the later of two values that are compared: it is a secret, and not the one from before."""

_QUOTED = r'"(?:[^"\\]++|\\.|"(?=\w))*+"?+|\'(?:[^\'\\]++|\\.|\'(?=[\w\']))*+\'?+'
"""A quote before a letter doesn't close: what is masked is rather too much than too little."""
_ESCAPED = r"(?P<open>\\{1,7}[\"'])[\s\S]*?(?:(?<!\\)(?P=open)|\Z)"
"""Quoted within what is quoted itself, as JSON in a JSON log line has it."""
_BARE = (
    r"\d++(?=[\s,;&}\])]|\Z)|(?:(?<==)[\[({]|[^\s\"'\\,;&\[({])"
    r"(?:[^\s\"'\\,;&]++|[,;&](?!\s|\Z|[\"'\\]|[\w.\-]{1,40}[=:])|[\"'](?=\w)|\\(?![\"'nrt\\]))*+"
)
"""Up to what can't belong to it: a space, a quote that closes, the next ``name=``."""
_LONG = (
    r"(?P<three>\"\"\"|''')[\s\S]*?(?:(?P=three)|\Z)"
    r"|<<[-~]?[\"']?(?P<word>\w{1,40})[\"']?[ \t]{0,20}\r?\n[\s\S]{0,4000}?\n[ \t]{0,80}(?P=word)\b"
    r"|\$(?P<tag>\w{0,40})\$[\s\S]{1,500}?\$(?P=tag)\$|<!\[CDATA\[[^\]]*+"
)
"""Triple quotes, a shell's and Terraform's ``<<END``, PostgreSQL's dollars, XML's CDATA."""
_LIST = r"(?:(?<==)|(?<== ))\[\s*+(?:(?:\"[^\"\n]*+\"|'[^'\n]*+')\s*+,?\s*+)++\]"
"""``passwords = ["one", "two"]``, as tfvars and TOML write it."""
_VALUE = re.compile(rf"{_ESCAPED}|{_LONG}|{_QUOTED}|{_LIST}|{_BARE}", re.DOTALL)
_BLOCK = re.compile(r"[|>](?:[+-]?\d?|\d[+-])[ \t]{0,20}(?:#[^\r\n\\]{0,200})?(?P<end>\r?\n|(?:\\{1,7}r)?\\{1,7}n)")
"""YAML's ``password: |``: its value are the lines below that stand further right."""
_COLOURS = r"(?:\x1b\[[\d;]{0,20}m){0,3}"
_GAP = r"[ \t]{0,80}+\s{0,4}"
"""Names and values stand in columns, too."""
_NAME = re.compile(
    r"(?P<name>(?i:\b(?:api|access|secret|private|auth|signing|encryption|master)[ ]key\b)"
    r"|(?<![\w.\-])(?:(?<=\x1b\[)[\d;]{1,20}m)?[\w.\-]++)"
    rf"(?P<sign>(?:\[\d{{1,6}}\]|\]|%5[dD])?(?:\\{{0,7}}[\"'])?{_COLOURS}{_GAP}{_COLOURS}"
    rf"(?:=>|:=|==?|%3[dD]|:(?!//)){_GAP}{_COLOURS})"
)
"""``password=``, ``"password": ``, ``?token=``, ``X-Api-Key: ``, ``user[password]=``, and a logger's coloured names;
what follows is masked if the name is a secret's."""
_BEFORE_NAME = re.compile(r"(?:[\d;]{1,20}m|5[bB])(?=[A-Za-z])")
"""What of a colour, or of a ``[`` that was escaped for a URL, looks like a part of the name behind it."""
_OPTION = re.compile(r"(?<![\w\-])--?(?P<name>[A-Za-z][\w\-]*+)(?P<sign>[\"']?,?[ \t]{1,4})(?=[^\s\-])")
"""``--db-password ``."""
_ELEMENT = re.compile(r"<(?:[\w.\-]{1,100}+:)?+(?P<name>[A-Za-z][\w.\-]{0,100}+)(?:\s[^<>]{0,300}(?<!/))?>")
"""``<Password>``, ``<wsse:Password Type="…">``."""
_KEYED_ELEMENT = re.compile(
    r"<[\w.:\-]{1,100}\s[^<>]{0,200}?\b(?:name|key)\s?=\s?[\"'](?P<name>[^\"'<>]{1,200})[\"'][^<>]{0,200}(?<!/)>"
    r"(?:\s{0,40}<(?:value|string)>)?+"
    r"|(?i:<(?:name|key)>)\s{0,40}(?P<other>[^<>\s]{1,200})\s{0,40}(?i:</(?:name|key)>\s{0,80}<(?:value|string|data)>)"
)
"""``<property name="password">``, ``<name>db.password</name><value>``, ``<key>Password</key><string>``."""
_CONTENT = re.compile(r"<!\[CDATA\[[^\]]*+|[^<]++")
_QUOTE = r"(?:\\{0,7}[\"'])?"
_SIGN = rf"{_QUOTE}\s{{0,4}}(?:=>|[:=])\s{{0,4}}"
_BETWEEN = r"(?:\s{0,4}[,;]\s{0,40}|\s{1,40})"
_NAME_FIELD = r"(?<![\w$@])\w{0,40}(?:[nN]ame|[kK]ey|NAME|KEY)"
_VALUE_FIELD = r"(?<![\w$@])(?!UsePrevious)\w{0,40}(?:[vV]alue|VALUE)"
_OTHER_FIELD = (
    rf"{_QUOTE}\w{{1,40}}{_SIGN}(?:\\{{0,7}}[\"'][^\"'\\]{{0,100}}\\{{0,7}}[\"']|[^\s,;\"'\\(){{}}<>]{{1,100}}"
    r"|[^\r\n\"'\\{}]{0,100}(?=\r?\n))"
)
_PAIR = (
    rf"{_NAME_FIELD}{_SIGN}"
    r"(?:\\{0,7}[\"'](?P<name>[^\"'\\]{1,200})\\{0,7}[\"']|(?P<other>[^\s\"'\\,;:=<>(){}]{1,200}))"
    rf"{_BETWEEN}(?:{_OTHER_FIELD}{_BETWEEN}){{0,2}}?{_QUOTE}{_VALUE_FIELD}{_SIGN}"
)
"""A name and its value as two fields: ``{"name": "DB_PASSWORD", "value": ``, ``ParameterKey=Password,ParameterValue=``,
``- name: DB_PASSWORD`` with ``value: `` on the next line, ``<add key="Password" value=``."""
_VALUE_FIRST = (
    rf"(?P<start>{_QUOTE}{_VALUE_FIELD}{_SIGN})"
    r"(?P<value>\\{0,7}\"[^\"\\]{0,4000}\\{0,7}\"|'[^'\\\r\n]{0,400}'|[^\s\"'\\,;<>(){}]{1,400})"
    rf"(?P<end>{_BETWEEN}{_QUOTE}{_NAME_FIELD}{_SIGN}{_QUOTE}(?P<name>[^\s\"'\\,;:=<>(){{}}]{{1,200}}))"
)
_FIELD_OF_NAME = re.compile(r"(?P<of>\w{0,40}?)(?:[nN]ame|[kK]ey|NAME|KEY)")
_FIELD_OF_VALUE = re.compile(r"(?P<of>\w{0,40}?)(?:[vV]alue|VALUE)")

_AWS_SECRET_KEY = re.compile(r"(?<![A-Za-z0-9/+=_.-])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=_.-])")
_AWS_NEAR = re.compile(r"(?i)\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|secret|aws_|\[redacted\]")
LONGEST_ARN = 200
LONGEST_PROSE = 60
"""Characters behind a name that are looked at for whether a sentence goes on."""
LONGEST_NOTHING = 400
"""Characters of a value that may be none; what is longer is masked whatever it begins with."""
_SPACES = re.compile(r"[ \t]{0,400}")
_STYLE = re.compile(r"\x1b\[[\d;]{0,20}m")
_EXCEPTION = re.compile(r"(?:[A-Za-z_]\w{0,60}\.){0,6}[A-Z][A-Za-z]{3,60}(?:Error|Exception)[.,:;]?")
"""In a line, what went wrong with a secret: ``DB_PASSWORD: AccessDeniedException``."""
_USERS = frozenset({"user", "username"})
"""Beside one of them, ``pass`` is a password."""
_OF_MANY = frozenset({"tokens", "cookies", "secrets", "credentials", "passwords", "keys"})
"""In a sentence they come before a colon; and a number behind them counts them."""
_HARMLESS = re.compile(
    r"\s*+(?:arn:aws[\w-]*+:\S*+|\$\{[^}]*+\}|\$[A-Z_][A-Z0-9_]*+|\{\{[^}]*+\}\}|null|None|true|false|True|False|nil|nothing"
    r"|\[?redacted[^\]]*+\]?|\$\([^)]*+\)?|[^\w\s]{1,2}|\(sensitive\)"
    r"|\(known after the apply\)|\(none\)|\**+|<[a-z]++>|-|→.*+)\s*+"
)
"""A reference, no value at all, or masked already."""


def without_secrets(value: Any, key: str = "") -> Any:
    """The value with everything in it that is a secret by its name or shape masked, at any depth."""
    return _walk(value, key, (), lambda _path, _secret: REDACTED)


def compared_without_secrets(before: Any, after: Any) -> tuple[Any, Any]:
    """Both values masked, so that a comparison still sees that a secret changed (``CHANGED``), and not to what."""
    known: set[tuple[tuple[str, ...], Any]] = set()

    def remember(path: tuple[str, ...], secret: Any) -> str:
        known.add((path, _hashable(secret)))
        return REDACTED

    def tell(path: tuple[str, ...], secret: Any) -> str:
        was_there = any(one == path for one, _ in known)
        return CHANGED if was_there and (path, _hashable(secret)) not in known else REDACTED

    return _walk(before, "", (), remember), _walk(after, "", (), tell)


def mask(text: str) -> str:
    """A text, of one line or many, with everything in it that looks like a secret masked."""
    return _text(text, "", (), lambda _path, _secret: REDACTED)


def restored(masked: Any, original: Any) -> Any:
    """A masked value with what was masked put back from where it is from: the same value, of which other parts may have
    changed since. What isn't there any more stays masked."""
    if isinstance(masked, str):
        return original if REDACTED in masked and isinstance(original, str | int | float | bytes) else masked
    if isinstance(masked, Mapping) and isinstance(original, Mapping):
        return {key: restored(value, original.get(key)) for key, value in masked.items()}
    if isinstance(masked, list | tuple) and isinstance(original, list | tuple) and len(masked) == len(original):
        return [restored(one, other) for one, other in zip(masked, original, strict=True)]
    return masked


Replace = Callable[[tuple[str, ...], Any], str]


def _walk(value: Any, key: str, path: tuple[str, ...], replace: Replace) -> Any:
    if isinstance(value, Mapping):
        names = _names_in(value)
        below = (*path, *names.values())
        has_user = any(str(name).lower() in _USERS for name in value)
        return {
            _field(name): _walk(
                item,
                "password"
                if has_user and str(name).lower() in ENDINGS
                else _named_beside(str(name), names) or _inherited(key, str(name)),
                (*below, str(name)),
                replace,
            )
            for name, item in value.items()
        }
    if isinstance(value, str):
        return _text(value, key, path, replace)
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return _items(value, key, path, replace)
    if key and isinstance(value, int | float | bytes) and not isinstance(value, bool) and _is_number_of_secret(key):
        return replace(path, value)
    return value


def _field(name: Any) -> Any:
    """A field's name, which is somebody's text where the mapping is a table of theirs."""
    return _masked_name(name) if isinstance(name, str) else name


@lru_cache(maxsize=4096)
def _masked_name(name: str) -> str:
    return _masked(name, lambda _: REDACTED)


def _names_in(fields: Mapping[Any, Any]) -> dict[str, str]:
    """What names the value beside it, by the field's own prefix: ``Parameter`` of ``ParameterKey``."""
    if not any(isinstance(name, str) and _FIELD_OF_VALUE.fullmatch(name) for name in fields):
        return {"": name} if (name := _first_name(fields)) else {}
    found = ((_FIELD_OF_NAME.fullmatch(name), value) for name, value in fields.items() if isinstance(name, str))
    return {match["of"]: value for match, value in found if match and isinstance(value, str)}


def _first_name(fields: Mapping[Any, Any]) -> str:
    return next((fields[word] for word in ("name", "Name", "key", "Key") if isinstance(fields.get(word), str)), "")


def _named_beside(field: str, names: Mapping[str, str]) -> str:
    """The name of the value in this field, which another field says; empty where none does."""
    match = _FIELD_OF_VALUE.fullmatch(field)
    if match is None or not names:
        return ""
    return (
        names.get(match["of"]) or names.get("") or next((name for name in names.values() if is_secret_name(name)), "")
    )


def _items(values: Sequence[Any], key: str, path: tuple[str, ...], replace: Replace) -> list[Any]:
    """A list; in one of a command's words, the word after ``--password`` is one, and that after curl's ``-u``."""
    found: list[Any] = []
    option = ""
    words = values if values and all(isinstance(value, str) for value in values) else ()
    for at, value in enumerate(values):
        begin = in_words(words, at) if words else None
        if begin is not None:
            none = value[begin:].startswith(_BEGUN) or _HARMLESS.fullmatch(value[begin:])
            found.append(value if none else value[:begin] + replace((*path, values[0]), value[begin:]))
        elif option and isinstance(value, str) and not value.startswith("-"):
            found.append(_text(value, option, (*path, option), replace))
        else:
            found.append(_walk(value, key, path, replace))
        is_option = isinstance(value, str) and value.startswith("-") and "=" not in value
        option = value.lstrip("-") if is_option else ""
    return found


def _text(value: str, key: str, path: tuple[str, ...], replace: Replace) -> str:
    if not value or value in (REDACTED, CHANGED):
        return value
    if key and is_secret_name(key) and not _HARMLESS.fullmatch(value) and not is_state(value):
        return replace(path, value)
    if value[0] in "{[" and value[-1] in "}]":
        try:
            document = json.loads(value)
            masked = _walk(document, key, path, replace)
            return value if masked == document else json.dumps(masked, ensure_ascii=False)
        except (ValueError, RecursionError):
            pass  # no JSON, or nested beyond reason: a text like any other
    return _masked(value, lambda secret: replace(path, secret))


def _masked(text: str, replace: Callable[[str], str]) -> str:
    if len(text) < SHORTEST:
        return text
    has_aws = _AWS_NEAR.search(text) is not None
    for pattern in SHAPES:
        text = pattern.sub(lambda match: replace(match[0]) + ("@" if match[0].endswith("@") else ""), text)
    if has_aws:
        text = _AWS_SECRET_KEY.sub(lambda match: replace(match[0]) if _is_mixed(match[0]) else match[0], text)
    lower = text.lower()
    for word, whole in IN_PLACE:
        if word in lower:
            text = compiled(whole).sub(lambda match: _whole(match, replace), text)
    text = in_commands(text, lambda match: _whole(match, replace))
    if "value" in lower:
        of_a_pair = {match.end() for match in compiled(_PAIR).finditer(text)}
        text = compiled(_VALUE_FIRST).sub(
            lambda match: match[0] if match.end("start") in of_a_pair else _whole(match, replace), text
        )
        text = _values_after(compiled(_PAIR), _VALUE, text, replace)
    for name, value in (
        (_NAME, _VALUE),
        (_OPTION, _VALUE),
        (_KEYED_ELEMENT, _CONTENT),
        (_ELEMENT, _CONTENT),
    ):
        text = _values_after(name, value, text, replace)
    return text


def _whole(match: re.Match[str], replace: Callable[[str], str]) -> str:
    found = match.groupdict()
    bare = match["value"].strip("\\\"'")
    if bare.startswith(_BEGUN) or _HARMLESS.fullmatch(bare) or is_state(bare):
        return match[0]
    if match.re is HEADER and begins_sentence(match["value"]):
        return match[0]
    if not is_secret_name(found.get("name") or "password"):
        return match[0]
    return match["start"] + _in_quotes(match["value"], replace) + (found.get("end") or "")


def _values_after(names: re.Pattern[str], values: re.Pattern[str], text: str, replace: Callable[[str], str]) -> str:
    """The text with the value behind each name of a secret masked. A value of another name is looked through as well,
    since names stand in it (``url=https://host/?token=…``); so names and values are two patterns, and each character is
    looked at by each of them about once."""
    parts: list[str] = []
    done = 0
    for match in names.finditer(text):
        if match.start() < done or not _is_secret_part(_name_of(match)) or _is_in_arn(text, match.start()):
            continue
        end = _end_of_block(text, match)
        if end is None:
            value = values.match(text, match.end())
            if value is None or _says_nothing(match, value[0]):
                continue
            end = value.end()
        parts += [text[done : match.end()], _in_quotes(text[match.end() : end], replace)]
        done = end
    return "".join([*parts, text[done:]]) if parts else text


def _name_of(match: re.Match[str]) -> str:
    return str(match["name"] or match.groupdict().get("other") or "")


def _end_of_block(text: str, name: re.Match[str]) -> int | None:
    """Where YAML's block of lines behind a name ends; None where none begins. Also within a string of JSON."""
    block = _BLOCK.match(text, name.end())
    if block is None:
        return None
    line_end = block["end"]
    begin = text.rfind(line_end, 0, name.start())
    indent = _indent(text, begin + len(line_end) if begin >= 0 else 0)
    at, end = block.end(), block.end() - len(line_end)
    while at < len(text):
        stop = text.find(line_end, at)
        stop = len(text) if stop < 0 else stop
        line = text[at:stop]
        if line.strip() and _indent(text, at) <= indent:
            break
        if line_end[0] == "\\" and '"' in line:
            return at + line.index('"') if line.strip() else end
        if line.strip():
            end = stop
        at = stop + len(line_end)
    return end


def _indent(text: str, at: int) -> int:
    found = _SPACES.match(text, at)
    return len(found[0]) if found else 0


def _is_secret_part(name: str) -> bool:
    """By its last part: of ``backend.secrets.DB_PASSWORD``, which is where a value is from, too."""
    found = _BEFORE_NAME.match(name)
    *above, last = name[found.end() if found else 0 :].rsplit(".", 2)
    return not (above and above[-1] == "secrets") and is_secret_name(last)


def _says_nothing(match: re.Match[str], value: str) -> bool:
    if len(value) > LONGEST_NOTHING:  # as long as it is looked through again for each name in it
        return False
    bare = _STYLE.sub("", value).strip("\\\"'")
    if not bare or bare.startswith(_BEGUN) or _HARMLESS.fullmatch(bare):
        return True
    name, sign = _name_of(match).lower(), match.groupdict().get("sign")
    if bare.isdigit():
        return name.endswith(tuple(_OF_MANY))
    if sign is not None and sign.endswith(": ") and value == bare and _EXCEPTION.fullmatch(bare):
        return True
    if is_state(bare) or (name == "token" and is_of_a_parser(match.string[: match.start()], bare)):
        return True
    if sign == ": " and value == bare:
        return name in _OF_MANY or begins_sentence(match.string[match.end() : match.end() + LONGEST_PROSE])
    return False


def _is_in_arn(text: str, at: int) -> bool:
    """``arn:aws:secretsmanager:…:secret:name`` names a secret."""
    begin = text.rfind("arn:", max(0, at - LONGEST_ARN), at)
    return begin >= 0 and not any(character.isspace() or character in "\"',=" for character in text[begin:at])


def _in_quotes(value: str, replace: Callable[[str], str]) -> str:
    """The masked value in the quotes that it had, so that what is around it can still be read."""
    found = re.match(r"\\{0,7}[\"']", value)
    if found is None:
        return replace(value)
    quote = found[0]
    inner = value[len(quote) :]
    closed = inner.endswith(quote)
    return quote + replace(inner.removesuffix(quote) if closed else inner) + (quote if closed else "")


def _inherited(key: str, name: str) -> str:
    """What stands anywhere below ``password`` is one too, unless its own name says that it isn't."""
    if is_secret_name(name) or not is_secret_name(key):
        return name
    return key if is_secret_name(f"{key}_{name}") else name


def _is_number_of_secret(key: str) -> bool:
    """A number may be a password or a one-time code; ``tokens: 512`` counts something."""
    return is_secret_name(key) and not key.lower().endswith(tuple(_OF_MANY))


def _is_mixed(text: str) -> bool:
    """As 40 random characters are: a digest in hexadecimal isn't, a path in lower case isn't."""
    return any(map(str.isupper, text)) and any(map(str.islower, text)) and any(map(str.isdigit, text))


def _hashable(secret: Any) -> Any:
    return secret if isinstance(secret, str | int | float | bytes) else str(secret)
