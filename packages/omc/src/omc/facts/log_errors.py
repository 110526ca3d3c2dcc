"""Whether a log line reports an error, and what it says.

A line's own level decides, in whatever form it is written: a word, a number, nested, in a text's head. Without a level
it is an access line's status, then an error field that isn't empty, then the words. A line that can't be parsed (cut
off by the log driver, nested without end) is read as text; nothing in a line can raise.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

ERROR_PATTERN = (
    r"(?i)(?:\b|\[[\d;]*m)(\w*error|\w*exception|critical|crit|fatal|panic|severe|emerg)\b|Traceback"
    r'|level"?\s*[:=]\s*"?(err|alert)\b|^[EF]\d{4} \d\d:|HTTP.[\d.]+"? 5\d\d'
    r'|"(level|levelno|severity|severityNumber|syslog_severity)"\s*:\s*\d|\[alert\]'
)
"""Matches a line that may report an error, in CloudWatch Logs Insights: more lines than do, fewer than all."""

_ERROR_WORDS = re.compile(r"(?i)\b(?:\w*error|\w*exception|critical|fatal|panic)\b|Traceback")
_CONTINUATION = re.compile(r'^[^{]*"\s*:')
_KINDS = {
    **dict.fromkeys(("TRACE", "VERBOSE", "DEBUG", "FINE", "FINER", "FINEST", "CONFIG", "SILLY", "HTTP", "LOG"), False),
    **dict.fromkeys(("INFO", "INFORMATION", "INFORMATIONAL", "NOTICE", "SUCCESS", "DEFAULT", "WARN", "WARNING"), False),
    **dict.fromkeys(("ERROR", "ERR", "SEVERE", "CRITICAL", "CRIT", "FATAL", "PANIC", "DPANIC", "ALERT"), True),
    **dict.fromkeys(("EMERG", "EMERGENCY"), True),
}
"""Each level's word: whether it reports an error."""
_LETTERS = {**dict.fromkeys("TVDIW", False), **dict.fromkeys("EF", True)}
"""Levels of one letter, where a field says that it is one."""

_LEVELS = ("level", "levelname", "severity", "severityText", "log.level", "loglevel", "log_level", "lvl", "@l")
_NESTED_LEVELS = (("log", "level"), ("record", "level", "name"), ("level", "name"), ("level", "levelStr"))
_MESSAGES = ("message", "msg", "event", "text", "short_message", "@m", "@mt", "body", "log")
_ERRORS = ("exception", "error", "exc_info", "err", "@x", "thrown", "error.message", "error_message", "stack_trace")
_STATUSES = ("status", "status_code", "statusCode", "http_status", "response_status")
_REQUESTS = ("method", "http_method", "verb", "uri", "url", "path", "request", "request_uri")
_EMPTY = frozenset({"", "null", "none", "nil", "false", "0", "-", "[]", "{}", "undefined", "n/a", "ok"})

_FIELD_LEVEL = re.compile(
    r'"(?:level|levelname|severity|severityText|log\.level|loglevel|log_level|lvl|@l)"\s*:\s*(?:"(?P<word>[^"]{1,20})"|(?P<number>\d{1,3})\b)'
)
_LOGFMT_LEVEL = re.compile(r"(?i)(?:^|[\s,;])(?:level|lvl|severity|log_?level)=[\"']?(?P<word>[a-z]{1,20})\b")
_HEAD_LEVEL = re.compile(
    r"(?:^|[\s\[(|<:\"])(?P<word>TRACE|VERBOSE|DEBUG|FINEST|FINER|FINE|INFO|NOTICE|WARN|WARNING|ERROR|ERR|SEVERE|CRITICAL|CRIT|FATAL"
    r"|PANIC|ALERT|EMERG|LOG)(?=[\s\])|>:,;]|$)"
)
_BRACKETED_LEVEL = re.compile(r"(?i)[\[<](?:\w+:)?(?P<word>[a-z]{2,13})[\]>]")
_LEADING_LEVEL = re.compile(r"^(?P<word>[a-z]{3,13}):\s")
_TABBED_LEVEL = re.compile(r"\t(?P<word>[a-z]{3,9})\t")
_GLOG = re.compile(r"^(?P<letter>[IWEF])\d{4} \d\d:\d\d")
BEYOND = 1_000_000
"""Numbers from here on are neither levels nor statuses."""
_HEAD_WORDS = 8
"""A level is among this many first words of a text, or it isn't one."""
_ACCESS = re.compile(r'"(?:[A-Z]{3,10} )?\S{1,2000} HTTP/\d(?:\.\d)?" (?P<status>\d{3})\b')
_ERROR_FIELD = re.compile(r'"(?:exception|error|exc_info|err|thrown|stack_trace)"\s*:\s*"(?P<value>[^"\\]{1,200})')

_NO_ERRORS = (
    re.compile(r"(?i)\b(?:0|no|zero|without(?: any)?|not an?)\s+(?:\w+\s+)?\w*(?:error|exception)(?:s|\(s\))?(?!\w)"),
    re.compile(
        r"(?i)(?<![\w.])[\w.]{0,200}(?:error|exception)(?:s|\(s\)|_count|_rate|Count|s?_total)?[\"']?\s*[=:]\s*"
        r"(?:[\"']?(?:null|none|nil|false|undefined|n/a|0+(?:\.0+)?%?|-)[\"']?(?=[\s,;})\]]|$)|\"\"|''|\[\]|\{\}|(?=[\s,;]\w+=|$))"
    ),
    re.compile(r"(?i)\b\w*(?:error|exception)\s+(?:count|rate|budget)s?\s*(?:is|=|:)?\s*0+(?:\.0+)?%?(?=[\s,;.]|$)"),
    re.compile(
        r"(?i)(?<![\w.+-])[\w.+-]{0,200}(?:error|exception|fatal|panic)[\w-]{0,100}\.(?:css|js|mjs|html?|png|svg|ico|json|txt|log)\b"
    ),
    re.compile(r"(?:(?<=\s)|^|(?<=\"))(?:https?:/)?/[^\s\"]*"),
)
"""Mentions of errors that report none: counts of zero, empty fields, names of files, paths."""

_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, the cursor
    r"|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]{0,2000}(?:\x07|\x1b\\|\x9c)"  # OSC: titles, links
    r"|\x1b[ -/]*[0-Z\\^-~]"  # all others
    r"|(?:\\x1b|\\u001b|\\033|\\e|#033|\^\[|\u241b)\[[0-9;]{0,20}[mKGHJ]",  # written out
    re.IGNORECASE,
)

_POSITION = re.compile(r"LINE \d+: |\^+$|~*\^[\^~]*$")
"""Where in a statement or a line of code it is, below the error itself: PostgreSQL's, Python's."""
_DEEPEST = 3
"""A log router puts a line into a line's field; nobody nests lines deeper than this."""


def error_of(line: str) -> str | None:
    """What an error line says: of a JSON line, its message and its error's last line; of another, all of it.

    None where the line reports no error, whatever words stand in it.
    """
    found = _error_of(line.encode("utf-8", "replace").decode(), _DEEPEST)
    return None if found is None else without_escapes(found).strip()


def is_below_error(line: str) -> bool:
    """Whether a line's own level says that it reports no error; False where it has no level."""
    text = without_escapes(line.encode("utf-8", "replace").decode())
    record = _json_object(text)
    judged = next(_levels_of_text(text), None) if record is None else _level_of(record)
    return judged is False


def without_escapes(text: str) -> str:
    """Without what colours a terminal or moves its cursor, also where a logger has written the escape character out:
    two lines that differ only in it are the same."""
    return _ESCAPES.sub("", text) if "[" in text or "\x1b" in text or "\x9b" in text or "\x9d" in text else text


def is_rest_of_a_line(line: str) -> bool:
    """Whether this looks like the end of a JSON line that the log driver cut in two."""
    text = line.strip()
    return text.endswith("}") and bool(_CONTINUATION.match(text)) and text.count("}") > text.count("{")


def is_cut_off(line: str) -> bool:
    """Whether this looks like the beginning of a JSON line that the log driver cut in two (at 16 KiB, or 256 KiB)."""
    return line.lstrip().startswith("{") and _json_object(line) is None


def _error_of(line: str, deepest: int) -> str | None:
    line = without_escapes(line)
    record = _json_object(line)
    if record is not None:
        return _error_of_record(record, line, deepest)
    if is_cut_off(line) or is_rest_of_a_line(line):
        return line if _is_error_in_cut_json(line) else None
    return line if _is_error_text(line) else None


def _error_of_record(record: Mapping[str, Any], line: str, deepest: int) -> str | None:
    message = next((text for key in _MESSAGES if (text := _text(record.get(key)))), "")
    error = next((text for key in _ERRORS if (text := _error_text(record.get(key)))), "")
    judged = _level_of(record)
    if judged is None:
        judged = _judge_access(record)
    if judged is None and error:
        judged = True
    if judged is None:
        if message and deepest:
            return _error_of(message, deepest - 1)
        rest = " ".join(text for key, value in record.items() if key not in _REQUESTS and (text := _text(value)))
        judged = _is_error_text(message or rest)
    if not judged:
        return None
    last = next(
        (text for each in reversed(error.splitlines()) if (text := each.strip()) and not _POSITION.match(text)), ""
    )
    return ": ".join(part for part in (message, last) if part) or line


def _level_of(record: Mapping[str, Any]) -> bool | None:
    """Whether the record's own level is an error's; None where it has none that is known."""
    for key in _LEVELS:
        value = record.get(key)
        judged = _judge_number(value, record) if _is_number(value) else _judge_word(value)
        if judged is not None:
            return judged
    for path in _NESTED_LEVELS:
        value = record
        for part in path:
            value = value.get(part, {}) if isinstance(value, Mapping) else {}
        judged = _judge_word(value)
        if judged is not None:
            return judged
    if _is_number(record.get("severityNumber")):
        return bool(record["severityNumber"] >= 17)  # OpenTelemetry's log data model: ERROR is 17 to 20, FATAL 21 to 24
    if _is_number(record.get("levelno")):
        return bool(record["levelno"] >= 40)  # Python's logging: ERROR is 40
    if _is_number(record.get("syslog_severity")):
        return bool(record["syslog_severity"] <= 3)
    return None


def _judge_number(value: Any, record: Mapping[str, Any]) -> bool | None:
    """Numbers mean: 10 to 60 as pino and bunyan count (error is 50), 0 to 7 as syslog and GELF do (error is 3)."""
    if value >= 10:
        return bool(value >= (40 if "levelno" in record else 50))
    if 0 <= value <= 7 and any(key in record for key in ("short_message", "host", "syslog_severity", "facility")):
        return bool(value <= 3)
    return None


def _judge_word(value: Any) -> bool | None:
    if not isinstance(value, str):
        return None
    word = re.split(r"[+\-\s]", value.strip().upper(), maxsplit=1)[0]
    if word.isdecimal():  # isdigit is also true of what int doesn't take
        return _judge_number(int(word[:4]), {})
    return _KINDS.get(word, _LETTERS.get(word))


def _judge_access(record: Mapping[str, Any]) -> bool | None:
    """An access line without a level is an error where its answer was one of the server's (5xx)."""
    if not any(key in record for key in _REQUESTS):
        return None
    for key in _STATUSES:
        value = record.get(key)
        if isinstance(value, str) and re.fullmatch(r"[0-9]{3}", value):
            value = int(value)
        if _is_number(value):
            return bool(500 <= value < 600)
    return None


def _is_error_in_cut_json(line: str) -> bool:
    found = _FIELD_LEVEL.search(line)
    if found:
        judged = _judge_word(found["word"]) if found["word"] else _judge_number(int(found["number"]), {})
        if judged is not None:
            return judged
    field = _ERROR_FIELD.search(line)
    if field is not None:
        return field["value"].strip().lower() not in _EMPTY
    return not is_rest_of_a_line(line) and _mentions_an_error(line)


def _is_error_text(text: str) -> bool:
    judged = next(_levels_of_text(text), None)
    if judged is not None:
        return judged
    access = _ACCESS.search(text)
    if access:
        return access["status"].startswith("5")
    return _mentions_an_error(text)


def _levels_of_text(text: str) -> Iterator[bool]:
    """What the level in a text's head says; nothing where it has none."""
    glog = _GLOG.match(text)
    if glog:
        yield _LETTERS[glog["letter"]]
    head = text[:4_000]
    for pattern in (_LOGFMT_LEVEL, _LEADING_LEVEL, _TABBED_LEVEL):
        found = pattern.search(head)
        if found and found["word"].upper() in _KINDS:
            yield _KINDS[found["word"].upper()]
    words = re.match(rf"(?:\s*\S+){{1,{_HEAD_WORDS}}}", head)
    head = words[0] if words else ""
    places = [
        (found.start("word"), _KINDS[found["word"].upper()])
        for pattern in (_HEAD_LEVEL, _BRACKETED_LEVEL)
        for found in pattern.finditer(head)
        if found["word"].upper() in _KINDS
    ]
    if places:
        start, judged = min(places)
        # What comes before a level is a time, a thread, a logger; an error there is what the line is about.
        if not _ERROR_WORDS.search(head[:start]):
            yield judged


def _mentions_an_error(text: str) -> bool:
    for pattern in _NO_ERRORS:
        text = pattern.sub(" ", text)
    return bool(_ERROR_WORDS.search(text))


def _error_text(value: Any) -> str:
    """An error field's text; empty where it reports none."""
    if isinstance(value, Mapping):
        parts = [_text(value.get(key)) for key in ("type", "name", "code", "message", "msg")]
        return ": ".join(part for part in parts if part and part.lower() not in _EMPTY) or ("error" if value else "")
    if isinstance(value, list):
        return _error_text(value[0]) if value else ""
    text = _text(value)
    return "" if text.strip().lower() in _EMPTY else text


def _text(value: Any) -> str:
    """A scalar as text; lists and objects are none, nor is what isn't there."""
    if value is None or value is False or isinstance(value, (list, Mapping)):
        return ""
    return str(value)


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -BEYOND < value < BEYOND  # nor NaN


def _json_object(line: str) -> dict[str, Any] | None:
    if not line.lstrip().startswith("{"):
        return None
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):  # cut off, no JSON, or nested deeper than anything honest
        return None
    return record if isinstance(record, dict) else None
