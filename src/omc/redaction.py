"""Secrets stay secret: what is named like one, or has the shape of one, is masked before it goes anywhere.

Everything that leaves omc passes here: plans and the record before they are written, reports, errors and progress
before they are printed. Masking is idempotent and takes time in proportion to the text's length: what a log line holds
is nobody's choice. Names and ARNs of secrets stay: they say where a secret is, not what it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from omc.secret_names import is_secret_name

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
_VALUE = re.compile(rf"{_ESCAPED}|{_QUOTED}|{_BARE}", re.DOTALL)
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
_CONTENT = re.compile(r"[^<]++")
_NAMED = re.compile(
    r"\\{0,7}[\"'](?:name|Name|key|Key)\\{0,7}[\"']\s{0,4}:\s{0,4}\\{0,7}[\"'](?P<name>[^\"'\\]{1,200})\\{0,7}[\"']"
    r"\s{0,4},\s{0,4}\\{0,7}[\"'](?:value|Value)\\{0,7}[\"']\s{0,4}:\s{0,4}"
)
"""``{"name": "DB_PASSWORD", "value": `` within a text, as ECS has its variables, and as Python prints them."""
_SHORTHAND = re.compile(r"(?i)\b(?:name|key)=(?P<name>[\w.\-]{1,200}+),\s?value=")
"""``name=DB_PASSWORD,value=``, as one writes them for the aws CLI."""
_VALUE_FIRST = re.compile(
    r"(?P<start>\\{0,7}\"(?:value|Value)\\{0,7}\"\s{0,4}:\s{0,4})(?P<value>\\{0,7}\"[^\"\\]{0,4000}\\{0,7}\")"
    r"(?P<end>\s{0,4},\s{0,4}\\{0,7}\"(?:name|Name|key|Key)\\{0,7}\"\s{0,4}:\s{0,4}\\{0,7}\"(?P<name>[^\"\\]{1,200}))"
)
_HEADER = re.compile(
    r"(?P<start>\b(?:proxy-)?(?:authori[sz]ation|(?:set-)?cookie)\\{0,7}[\"']?\s{0,4}[:=]\s{0,4}\\{0,7}[\"']?)"
    r"(?P<value>[^\s\"'\\{\[][^\r\n\"'\\]*+)",
    re.IGNORECASE,
)
"""A header's whole value, which may be several words."""
_CONNECTION = re.compile(r"(?i)(?P<start>;[ ]{0,4}(?:password|pwd)[ ]{0,4}=[ ]{0,4})(?P<value>[^;\"'\s][^;\"'\r\n]*+)")
"""A password with spaces in an ADO or JDBC connection string."""

_SHAPES: tuple[re.Pattern[str], ...] = tuple(
    re.compile(pattern)
    for pattern in (
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
        r"[\s\S]*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)",
        r"\b(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}\b",
        r"\bgh[pousr]_[A-Za-z0-9]{20,}+|\bgithub_pat_\w{20,}+|\bglpat-[\w-]{16,}+",
        r"\bxox[a-z]-[A-Za-z0-9-]{8,}+|\bxapp-\d-[A-Za-z0-9-]{8,}+",
        r"(?<=hooks\.slack\.com/)(?:services|workflows|triggers)/[^\s\"'<>\\)]++",
        r"(?<=/api/webhooks/)\d[^\s\"'<>\\)]++",
        r"(?<=\.webhook\.office\.com/)[^\s\"'<>\\)]++",
        r"(?<=events\.pagerduty\.com/)(?:integration|x-ere|generic)/[^\s\"'<>\\)]++",
        r"\b[spr]k_(?:live|test)_\w{8,}+|\bwhsec_[\w+/=]{16,}+",
        r"\bsk-(?:proj|ant|svcacct|or)-[\w-]{16,}+|\bsk-[A-Za-z0-9]{32,}+",
        r"\bAIza[\w-]{35}|\bya29\.[\w-]{16,}+",
        r"\bSG\.[\w-]{16,}+\.[\w-]{16,}+",
        r"\bnpm_[A-Za-z0-9]{36}\b|\bpypi-[\w-]{32,}+|\bdop_v1_[0-9a-f]{32,}+|\bhv[sb]\.[\w-]{20,}+",
        r"\bSK[0-9a-f]{32}\b|\bAGE-SECRET-KEY-1[A-Z0-9]{20,}+",
        r"\beyJ[\w-]{6,}+\.[\w-]{6,}+(?:\.[\w-]*+)?",
        # The second where the password holds what a URL should have escaped: then it ends at the last @.
        r"(?<=://)[^\s/?#@:\"'<>\\]{0,200}:[^\s/?#@\"'<>\\]{0,400}@(?![^\s@\"'<>\\]{0,400}@)",
        r"(?<=://)[^\s/?#@:\"'<>\\]{0,200}:(?!\d{1,5}[/?#])[^\s\"'<>\\]{0,400}@(?=[^\s@])",
        r"(?i)(?<=\bx-amz-signature=)[0-9a-f]{16,}+|(?<=[?&]sig=)[\w%+/=-]{16,}+",
        r"(?i)(?<=\bbearer )(?:(?=[\w.~+/=-]{0,300}\d)[\w.~+/=-]{6,}+|[\w.~+/=-]{20,}+)",
        r"(?i)(?<=\bbasic )(?:(?=[\w+/=-]{0,300}[\d=])[\w+/=-]{6,}+|[\w+/=-]{20,}+)",
        r"(?i)(?<=\bpassword )'[^']*+'|(?<=\bidentified by )'[^']*+'",
    )
)
_AWS_SECRET_KEY = re.compile(r"(?<![A-Za-z0-9/+=_.-])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=_.-])")
_AWS_NEAR = re.compile(r"(?i)\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|secret|aws_|\[redacted\]")
LONGEST_ARN = 200
LONGEST_NOTHING = 400
"""Characters of a value that may be none; what is longer is masked whatever it begins with."""
_STYLE = re.compile(r"\x1b\[[\d;]{0,20}m")
_OF_MANY = frozenset({"tokens", "cookies", "secrets", "credentials", "passwords", "keys"})
"""In a sentence they come before a colon; and a number behind them counts them."""
_HARMLESS = re.compile(
    r"\s*+(?:arn:aws[\w-]*+:\S*+|\$\{[^}]*+\}|\$[A-Z_][A-Z0-9_]*+|\{\{[^}]*+\}\}|null|None|true|false|True|False|nil|nothing"
    r"|\[?redacted[^\]]*+\]?|\(sensitive\)|\(known after the apply\)|\(none\)|\**+|<[a-z]++>|-|→.*+)\s*+"
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
        named = next((value[word] for word in ("name", "Name", "key", "Key") if isinstance(value.get(word), str)), "")
        below = (*path, named) if named else path
        return {
            name: _walk(
                item,
                named if named and name in ("value", "Value") else _inherited(key, str(name)),
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


def _items(values: Sequence[Any], key: str, path: tuple[str, ...], replace: Replace) -> list[Any]:
    """A list; in one of a command's words, the word after ``--password`` is one."""
    found: list[Any] = []
    option = ""
    for value in values:
        if option and isinstance(value, str) and not value.startswith("-"):
            found.append(_text(value, option, (*path, option), replace))
        else:
            found.append(_walk(value, key, path, replace))
        is_option = isinstance(value, str) and value.startswith("-") and "=" not in value
        option = value.lstrip("-") if is_option else ""
    return found


def _text(value: str, key: str, path: tuple[str, ...], replace: Replace) -> str:
    if not value or value in (REDACTED, CHANGED):
        return value
    if key and is_secret_name(key) and not _HARMLESS.fullmatch(value):
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
    for pattern in _SHAPES:
        text = pattern.sub(lambda match: replace(match[0]) + ("@" if match[0].endswith("@") else ""), text)
    if has_aws:
        text = _AWS_SECRET_KEY.sub(lambda match: replace(match[0]) if _is_mixed(match[0]) else match[0], text)
    for whole in (_HEADER, _CONNECTION, _VALUE_FIRST):
        text = whole.sub(lambda match: _whole(match, replace), text)
    for name, value in (
        (_NAMED, _VALUE),
        (_SHORTHAND, _VALUE),
        (_NAME, _VALUE),
        (_OPTION, _VALUE),
        (_ELEMENT, _CONTENT),
    ):
        text = _values_after(name, value, text, replace)
    return text


def _whole(match: re.Match[str], replace: Callable[[str], str]) -> str:
    found = match.groupdict()
    if _HARMLESS.fullmatch(match["value"].strip("\\\"'")) or not is_secret_name(found.get("name") or "password"):
        return match[0]
    return match["start"] + _in_quotes(match["value"], replace) + (found.get("end") or "")


def _values_after(names: re.Pattern[str], values: re.Pattern[str], text: str, replace: Callable[[str], str]) -> str:
    """The text with the value behind each name of a secret masked. A value of another name is looked through as well,
    since names stand in it (``url=https://host/?token=…``); so names and values are two patterns, and each character is
    looked at by each of them about once."""
    parts: list[str] = []
    done = 0
    for match in names.finditer(text):
        if match.start() < done or not _is_secret_part(match["name"]) or _is_in_arn(text, match.start()):
            continue
        value = values.match(text, match.end())
        if value is None or _says_nothing(match, value[0]):
            continue
        parts += [text[done : match.end()], _in_quotes(value[0], replace)]
        done = value.end()
    return "".join([*parts, text[done:]]) if parts else text


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
    name = match["name"].lower()
    if bare.isdigit():
        return name.endswith(tuple(_OF_MANY))
    return name in _OF_MANY and match.groupdict().get("sign") == ": " and value == bare


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
