"""What a secret looks like in a text, whatever its name: keys of known services, URLs, SQL, words of known programs.

Only patterns and tables; ``omc.redaction`` applies them. Each takes time in proportion to the text's length: every
repetition is possessive or bounded, and none runs to the end of the text without a match.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

Replace = Callable[[str], str]


@cache
def compiled(pattern: str | re.Pattern[str]) -> re.Pattern[str]:
    """A pattern that few texts need, when the first one does: compiling all takes a tenth of a command's start."""
    return re.compile(pattern)


SHAPES: tuple[re.Pattern[str], ...] = tuple(
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
        r"\bomc_[A-Za-z0-9_-]{40,}+",
        r"\bnpm_[A-Za-z0-9]{36}\b|\bpypi-[\w-]{32,}+|\bdop_v1_[0-9a-f]{32,}+|\bhv[sb]\.[\w-]{20,}+",
        r"\bSK[0-9a-f]{32}\b|\bAGE-SECRET-KEY-1[A-Z0-9]{20,}+",
        r"\beyJ[\w-]{6,}+\.[\w-]{6,}+(?:\.[\w-]*+)?",
        # The second where the password holds what a URL should have escaped: then it ends at the last @.
        r"(?<=://)[^\s/?#@:\"'<>\\]{0,200}:[^\s/?#@\"'<>\\]{0,400}@(?![^\s@\"'<>\\]{0,400}@)",
        r"(?<=://)[^\s/?#@:\"'<>\\]{0,200}:(?!\d{1,5}[/?#])[^\s\"'<>\\]{0,400}@(?=[^\s@])",
        r"(?i)(?<=\bx-amz-signature=)[0-9a-f]{16,}+|(?<=[?&]sig=)[\w%+/=-]{16,}+",
        r"(?i)(?<=\bbearer )(?:(?=[\w.~+/=-]{0,300}\d)[\w.~+/=-]{6,}+|[\w.~+/=-]{20,}+)",
        r"(?i)(?<=\bbasic )(?:(?=[\w+/=-]{0,300}[\d=])[\w+/=-]{6,}+|[\w+/=-]{20,}+)",
    )
)
"""What is masked whole."""

_SQL_TEXT = (
    r"(?:[eEnN]|[uU]&)?'[^']*+'(?:'[^']*+')*+|\"(?=[^\s\",:}\]])[^\"]*+\"|\\{1,7}\"[^\"\\]{1,400}\\{1,7}\""
    r"|\$(?P<tag>\w{0,40})\$[\s\S]{1,500}?\$(?P=tag)\$"
)
_QUOTED_PARAMETER = r"(?<==)\"[^\"\r\n]*+\"|(?<==)\\{1,7}\"[^\"\\\r\n]*+\\{1,7}\""

HEADER = re.compile(
    r"(?P<start>\b(?:proxy-)?(?:authori[sz]ation|(?:set-)?cookie)\\{0,7}[\"']?\s{0,4}[:=]\s{0,4}\\{0,7}[\"']?)"
    rf"(?P<value>[^\s\"'\\{{\[](?:[^\r\n\"'\\]++|{_QUOTED_PARAMETER})*+)",
    re.IGNORECASE,
)
"""A header's whole value, which may be several words, and quoted parameters as Digest and OAuth have them."""

IN_PLACE: tuple[tuple[str, str | re.Pattern[str]], ...] = (
    ("authori", HEADER),
    ("cookie", HEADER),
    # A password with spaces in an ADO or JDBC connection string.
    (";", r"(?i)(?P<start>;[ ]{0,4}(?:password|pwd)[ ]{0,4}=[ ]{0,4})(?P<value>[^;\"'\s][^;\"'\r\n]*+)"),
    # What proves that somebody knows a password, in a header whose name isn't there.
    (
        "=",
        r"(?i)(?P<start>\b(?:response(?==\\{0,7}[\"']?[0-9a-f]{32})|(?:oauth_)?signature|mac)=\\{0,7}[\"']?)"
        r"(?P<value>[\w+/=%-]{24,}+)",
    ),
    # ``user=bob pass=x``: alone, ``pass`` may be the result of a test.
    (
        "pass",
        r"(?i)(?P<start>\b(?:user(?:name)?|login|uid)\\{0,7}[\"']?\s{0,2}[:=]\s{0,2}\\{0,7}[\"']?[^\s\"'\\,;&:=]{1,100}"
        r"\\{0,7}[\"']?[\s,;&]{1,4}\\{0,7}[\"']?pass\\{0,7}[\"']?\s{0,2}[:=]\s{0,2}\\{0,7}[\"']?)(?P<value>[^\s\"'\\,;&}]++)",
    ),
    # SQL: ``PASSWORD 'x'``, ``IDENTIFIED WITH plugin BY "x"``, ``PASSWORD $$x$$``, ``SET PASSWORD FOR u = 'x'``.
    (
        "password",
        r"(?i)(?P<start>\bpassword(?:\s{1,4}=\s{0,4}|\s{1,4}|\s{0,4}\(\s{0,4})"
        rf"|\bset\s{{1,4}}password\s{{1,4}}for\s{{1,4}}\S{{1,200}}\s{{0,4}}=\s{{0,4}})(?P<value>{_SQL_TEXT})",
    ),
    (
        "identified",
        r"(?i)(?P<start>\bidentified\s{1,4}(?:with\s{1,4}\S{1,80}\s{1,4})?(?:by|as)\s{1,4}(?:values\s{1,4}|password\s{1,4})?)"
        rf"(?P<value>{_SQL_TEXT})",
    ),
    (
        "identified",
        r"(?i)(?P<start>\b(?:create|alter)\s{1,4}user\s{1,4}\S{1,100}\s{1,4}identified\s{1,4}by\s{1,4})"
        r"(?P<value>[^\s;\"'\[]++)",
    ),
    # The password of a database's or a broker's URL that begins like a port: no scheme of theirs has an @ behind one.
    (
        "://",
        r"(?i)(?P<start>\b(?:postgres(?:ql)?|mysql|mariadb|rediss?|valkeys?|amqps?|mongodb|mssql|sqlserver|oracle|"
        r"clickhouse|kafka|nats|mqtts?|smtps?|ldaps?|jdbc)(?:\+\w{1,20})?://)"
        r"(?P<value>[^\s:/?#@\"'<>\\]{0,200}:\d{1,5}[/#?](?:[^\s\"'<>\\?]|\?(?!\w{1,40}=)){0,400})(?=@[^\s@])",
    ),
    # ``machine host login user password x`` of a .netrc.
    (
        "machine",
        r"(?P<start>\bmachine\s{1,4}\S{1,200}\s{1,8}login\s{1,4}\S{1,200}\s{1,8}password\s{1,4})(?P<value>\S++)",
    ),
    (
        "htpasswd",
        r"(?P<start>\bhtpasswd\s{1,4}-[a-zA-Z]{0,4}b[a-zA-Z]{0,4}(?:\s{1,4}[^\s\"']{1,200}){2}\s{1,4})(?P<value>[^\s\"']++)",
    ),
)
"""What is masked behind its ``start``, where the text, in lower case, holds the word: most texts hold none."""


@dataclass(frozen=True, slots=True)
class _Words:
    """Options that are no secret's name, but take one when they are words of these programs."""

    programs: str
    option: str
    """The next word is the secret."""
    attached: str
    """The rest of the same word is."""
    pair: str = ""
    """What separates a user from the password in it; empty: there is none."""

    @property
    def text(self) -> str:
        begin = "|".join(
            [*([rf"(?:{self.option})[\"']?,?[ \t]{{1,4}}"] if self.option else []), *filter(None, [self.attached])]
        )
        user = rf"[^\s\"'{self.pair}]{{0,200}}[{self.pair}](?!//)" if self.pair else ""
        return (
            rf"(?<![\w\-./])(?P<start>(?:{begin})(?P<quote>\\{{0,7}}[\"'])?{user})"
            r"(?P<value>(?(quote)[^\"'\\\r\n]{1,400}|[^\s\"'\\,)\]}]++))"
        )


def _of(programs: str, option: str, attached: str, pair: str = "") -> _Words:
    spaced = programs.replace(" ", "[\"',\\s]{1,6}")  # a list of words has quotes and commas
    return _Words(rf"(?<![\w.\-])(?:{spaced})(?![\w\-.])", option, attached, pair)


COMMANDS: tuple[_Words, ...] = (
    _of("curl", r"-[a-zA-Z#]{0,8}[uU]|--(?:proxy-)?user", r"-[a-zA-Z#]{0,8}?[uU]|--(?:proxy-)?user=", ":"),
    _of("https?|xh", r"-a|--auth", r"-a|--auth=", ":"),
    _of("ab", r"-[AP]", r"-[AP]", ":"),
    _of("skopeo|podman|buildah|oras|crane|regctl", r"--(?:src-|dest-)?creds", r"--(?:src-|dest-)?creds=", ":"),
    _of("lftp", r"-u", r"-u", ","),
    _of("smbclient|rpcclient|smbget", r"-U", r"-U", "%"),
    _of(r"(?:mysql|mariadb)[\w-]{0,20}|xtrabackup|mariabackup|pt-[a-z-]{1,30}|innobackupex", "", r"-p(?!ort\b)"),
    _of("7za?|7zz|rar|unrar", "", r"-p"),
    _of("sshpass", r"-p", r"-p"),
    _of("(?:docker|podman|nerdctl|buildah|skopeo|helm registry|oc|az|cf|oras|crane auth) login", r"-p", r"-p"),
    _of("mongo(?:sh|dump|restore|export|import|stat|top)?|rabbitmqadmin|twine|influx", r"-p", r"-p"),
    _of("(?:redis|valkey|keydb)-(?:cli|benchmark)", r"-a", r"-a"),
    _of("ldap(?:search|modify|add|delete|whoami|passwd|compare|exop)", r"-[ws]", r"-w"),
    _of("sqlcmd|bcp|isql|tsql|mosquitto_(?:pub|sub)|zip|unzip|ipmitool", r"-P", r"-P"),
    _of("keytool|jarsigner", r"-(?:src|dest)?(?:store|key)pass", ""),
    _of("snmp(?:get|walk|set|bulkwalk|table)", r"-[AXc]", r"-[AXc]"),
    _of("openssl", "", r"pass:"),
)
_ANY_PROGRAM = "|".join(row.programs for row in COMMANDS)
_ANY_OPTION = re.compile(r"(?<=[\s\"'])--?[a-zA-Z]|pass:")
_NEXT_COMMAND = re.compile(r"[\r\n]|(?<=\s)(?:\|\|?|&&?|;)(?=\s)|;(?=\s)")
LONGEST_COMMAND = 500
"""Characters from a program to its option."""


def in_commands(text: str, masked: Callable[[re.Match[str]], str]) -> str:
    """The text with the secrets of command lines masked, which no name precedes: ``curl -u user:x``, ``mysql -px``."""
    if _ANY_OPTION.search(text) is None or compiled(_ANY_PROGRAM).search(text) is None:
        return text
    for row in COMMANDS:
        programs = [found.end() for found in compiled(row.programs).finditer(text)]
        if programs:
            text = _in_command(text, programs, compiled(row.text), masked)
    return text


def _in_command(
    text: str, programs: Sequence[int], pattern: re.Pattern[str], masked: Callable[[re.Match[str]], str]
) -> str:
    def within(match: re.Match[str]) -> str:
        at = bisect_left(programs, match.start() + 1) - 1
        if at < 0 or match.start() - programs[at] > LONGEST_COMMAND:
            return match[0]
        return match[0] if _NEXT_COMMAND.search(text, programs[at], match.start()) else masked(match)

    return pattern.sub(within, text)


def in_words(words: Sequence[str], at: int) -> int | None:
    """From which character on the word at this place of a command's words is a secret; None where it isn't one."""
    before = " ".join(words[:at])[-LONGEST_COMMAND:]
    for row in COMMANDS:
        if not compiled(row.programs).search(before):
            continue
        begin = 0 if at and row.option and re.fullmatch(row.option, words[at - 1]) else None
        if begin is None and row.attached and (found := re.match(row.attached, words[at])):
            begin = found.end()
        if begin is None:
            continue
        if row.pair:
            split = re.compile(f"[{row.pair}](?!//)").search(words[at], begin)
            begin = split.end() if split else None
        if begin is not None and begin < len(words[at]):
            return begin
    return None
