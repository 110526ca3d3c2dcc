"""What is wrong with a runbook beyond its commands' grammar: what is promised, led to, and left open."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

from omc.runbook.lint.catalogue import RULES
from omc.runbook.lint.model import Code, Command, Find, Line, Text, Word

PERFORMANCE_INSIGHTS_ENDED = date(2026, 7, 31)
"""The day on which its console ended: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PerfInsights.html."""
STALE_AFTER = timedelta(days=365)
_ENVIRONMENTS = ("staging", "production", "prod")
_TERRAFORM = frozenset(
    [
        "init",
        "validate",
        "plan",
        "apply",
        "destroy",
        "console",
        "fmt",
        "force-unlock",
        "get",
        "graph",
        "import",
        "login",
        "logout",
        "metadata",
        "modules",
        "output",
        "providers",
        "refresh",
        "show",
        "stacks",
        "state",
        "taint",
        "test",
        "untaint",
        "version",
        "workspace",
        "query",
        "rpcapi",
        "help",
    ]
)
_BLANK = re.compile(
    r"<[A-Za-z][\w .:/|-]*>|\{\{[^}]+\}\}|(?:\w+-)?X{4,}"
    r"|\b(?:PREVIOUS|YOUR|MY|TASK|CLUSTER|SERVICE)_[A-Z_]+\b|\byour-[\w-]+"
)
LOOKED_UP = (
    (r"target-group-arn", "--target-group-arn", "omc check morning"),
    (r"task", "--tasks --task", "omc exec"),
    (r"revision|task-def", "--task-definition", "omc rollback"),
    (r"rds-sg|sg-id|security-group", "--group-ids", "omc diagnose"),
    (r"db-X|db-resource|resource-id", "--identifier", "omc check weekly performance"),
    (r"rds|database|db-endpoint|postgres", "-h --host", "omc db"),
    (r"redis|cache|valkey", "-h --host", "omc redis"),
    (r"instance", "--db-instance-identifier", "omc database"),
    (r"alb|load-balancer|lb-arn", "--load-balancer-arn --load-balancer-arns", "omc check morning"),
    (r"listener", "--listener-arn --listener-arns", "omc check morning"),
    (r"commit", "checkout", "omc infra plan"),
)
"""A blank by what it is called, the options in which it stands, and the command of omc's that looks it up."""
INSTEAD = (
    ("ecs update-service", "--desired-count", "omc scale"),
    ("ecs update-service", "--force-new-deployment", "omc restart"),
    ("ecs update-service", "--task-definition", "omc rollback"),
    ("ecs update-service", "", "omc deploy"),
    ("ecs execute-command", "", "omc exec"),
    ("ecs list-tasks", "", "omc deployments"),
    ("ecs describe-task-definition", "", "omc rollback"),
    ("ecs describe", "", "omc check morning"),
    ("elbv2 describe-target-health", "", "omc check morning"),
    ("cloudwatch describe-alarms", "", "omc check morning"),
    ("logs", "", "omc logs"),
    ("pi get-resource-metrics", "", "omc check weekly performance"),
    ("rds reboot-db-instance", "", "omc database reboot"),
    ("rds delete-db", "", "omc backup create"),
    ("elasticache describe", "", "omc check morning"),
    ("elasticache", "", "omc cache"),
)
_RISKY = (
    (r"terraform\b.* destroy\b|terraform destroy\b", "terraform destroy takes everything away"),
    (r"terraform\b.*(?<!\S)--?auto-approve\b", "terraform applies what nobody has read"),
    (r"terraform\b.* force-unlock\b.* --?force\b", "the lock of a running apply is broken without a question"),
    (r"aws\b.* rds delete-db-\w+.* --skip-final-snapshot", "the database is deleted without a last snapshot"),
    (r"aws\b.* s3 rb\b.* --force", "the bucket is deleted with everything in it"),
    (r"aws\b.* s3 rm\b.* --recursive(?!.*--dryrun)", "every object below is deleted"),
    (r"aws\b.* ecs delete-(?:service|cluster)\b.* --force", "the service is deleted with its tasks"),
    (r"aws\b.* ecs update-service\b.* --desired-count[ =]0\b", "the service is stopped"),
    (r"aws\b.* secretsmanager delete-secret\b.* --force-delete-without-recovery", "the secret can't be brought back"),
    (r"aws\b.* rds reboot-db-instance\b(?!.*--force-failover)", "the database is away while it reboots"),
    (r"redis-cli\b.* (?i:flushall|flushdb)\b", "the cache is emptied, and the database gets its load"),
    (r"redis-cli\b.* (?i:keys) ", "KEYS stops every other command while it looks through all keys; SCAN doesn't"),
    (r"psql\b.* (?i:drop|truncate) (?i:table|database|schema)\b", "data is deleted"),
)
_ENDLESS = re.compile(
    r"aws\b.* logs tail\b.* --follow\b|aws\b.* logs start-live-tail\b|redis-cli\b.* (?i:monitor)\b"
    r"|^watch\b|^(?:tail|journalctl)\b.* -[a-zA-Z]*[fF]\b"
)
_OLD = re.compile(r"\b(?:last (?:updated|reviewed)|updated|reviewed)\b\W{0,6}(\d{4})-(\d{2})-(\d{2})", re.IGNORECASE)
_NEXT = re.compile(r"\bnext review\b\W{0,6}(\d{4})-(\d{2})-(\d{2})", re.IGNORECASE)
_AFTER = re.compile(r"escalat\w* after\W{0,6}(\d+) ?min", re.IGNORECASE)
_CHAIN = re.compile(r"^\s*(?:\d+\.|[-*]).*\((\d+) ?(?:min|minutes)\)")
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


def command_finds(command: Command, code: Code, comment: str) -> Iterator[Find]:
    """What one command doesn't do that it should, or does that it shouldn't. ``comment`` is the one above it."""
    line = " ".join(command.texts)
    promise = " ".join((*code.headings[-1:], code.before, comment)).lower()
    if command.tool == "terraform":
        yield from _terraform(command)
    if command.tool == "aws":
        yield from _traps(command, line, promise)
    if not command.is_inline:
        yield from _blanks(command)
        is_meant = re.search(r"tear|destroy|clean ?up|decommission|delet|remov|wip(?:e|ing)", promise)
        for pattern, what in _RISKY:
            if re.search(pattern, line) and not (is_meant and "destroy" in pattern):
                yield _at("risky", command.words[0], f"{what[0].upper()}{what[1:]}.", line)
    yield from _secret(command, line)


def instead_of(line: str) -> str:
    """The command of omc's for a line, or nothing."""
    if line.startswith("psql"):
        return "omc db"
    if line.startswith("redis-cli"):
        return "omc redis"
    if line.startswith("terraform apply"):
        return "omc infra apply"
    words = line.removeprefix("aws ")
    return next((omc for begin, option, omc in INSTEAD if words.startswith(begin) and option in words), "")


def block_finds(code: Code, commands: list[Command]) -> Iterator[Find]:
    """What a block's order of commands does."""
    if code.language in ("bash", "sh", "shell", "zsh") and (found := _other_language(code)):
        yield found
    for before, after in itertools.pairwise(commands):
        line = " ".join(before.texts)
        if _ENDLESS.search(line) and after.line > before.line and not re.search(r"timeout \d", code.text):
            yield _at(
                "never-returns", before.words[0], f"{_short(line)} runs until Ctrl-C; what stands below it waits.", line
            )
        elif before.tool == "exit" and _is_top(code, before) and after.line > before.line:
            yield _at("unreachable", before.words[0], f"Nothing below {_short(line)} is run.", line)
    old = [
        each for each in commands if each.tool == "git" and each.texts[1:2] == ("checkout",) and len(each.words) == 3
    ]
    for each in old:
        target = each.words[2].text
        is_commit = bool(_BLANK.search(target) or re.fullmatch(r"[0-9a-f]{7,40}|HEAD[~^]\d*", target))
        applied = [one for one in commands if one.tool == "terraform" and "apply" in one.texts and one.line > each.line]
        if is_commit and applied:
            yield _at(
                "apply-from-old-commit",
                each.words[0],
                "An old commit is applied, and main says something else: revert it on main, and apply that.",
                " ".join(each.texts),
            )


def text_finds(text: Text, commands: list[Command], file: Path, today: date) -> Iterator[Find]:
    """What the prose promises, and what it leaves open."""
    escalation: list[tuple[int, Line]] = []
    chain: list[tuple[int, Line]] = []
    for line in text.prose:
        yield from _prose(line, file, today)
        if match := _AFTER.search(line.text):
            escalation.append((int(match[1]), line))
        if match := _CHAIN.match(line.text):
            chain.append((int(match[1]), line))
    for minutes, line in escalation:
        first = next((each for each, other in chain if other.headings == line.headings), minutes)
        if first != minutes:
            message = (
                f"The next person comes after {minutes} minutes here, and the chain's first step is {first} minutes."
            )
            yield _on("two-clocks", line, message)
    yield from _one_environment(text, commands)


def _terraform(command: Command) -> Iterator[Find]:
    for word in command.words[1:]:
        if word.text.startswith("-"):
            continue
        if word.is_literal and re.fullmatch(r"[a-z][a-z-]*", word.text) and word.text not in _TERRAFORM:
            yield _at("terraform-unknown-command", word, f'terraform has no command "{word.text}".')
        return


def _traps(command: Command, line: str, promise: str) -> Iterator[Find]:
    goes_back = re.search(r"\broll(?:ing)?[ -]?back\b|\bprevious\b|\brevert\b", promise)
    family = command.option("--task-definition")
    if goes_back and family is not None and re.fullmatch(r"[A-Za-z][\w-]*", family.text) and not family.text.isupper():
        if " describe-task-definition" in line:
            yield _at(
                "newest-revision", family, f'"{family.text}" without a revision is the newest one, not the one before.'
            )
        elif " update-service" in line:
            yield _at(
                "newest-revision",
                family,
                f'The service goes to the newest revision of "{family.text}": that isn\'t a way back.',
            )
    group = command.option("--cache-cluster-id")
    if (
        " elasticache describe-cache-clusters" in line
        and group is not None
        and group.is_literal
        and re.search(r"redis|valkey", f"{group.text} {promise}")
        and not re.search(r"-\d{3}$|<|\$", group.text)
    ):
        message = f'If "{group.text}" is a replication group, this finds nothing; a member is {group.text}-001.'
        yield _at("replication-group", group, message)
    if " ecs list-tasks" in line and "deployment" in promise:
        yield _at(
            "tasks-not-deployments",
            command.words[0],
            "list-tasks gives tasks; the service's deployments are in describe-services.",
            line,
        )


def _blanks(command: Command) -> Iterator[Find]:
    previous = ""
    for word in command.words:
        for match in _BLANK.finditer(word.text):
            for pattern, options, omc in LOOKED_UP:
                fits = previous in options.split() or any(
                    each in word.text for each in options.split() if each.startswith("--")
                )
                if fits and (re.search(pattern, match[0], re.IGNORECASE) or previous in ("--tasks", "--task")):
                    yield Find(
                        RULES["placeholder"], word.line, word.column, f"{match[0]} can be looked up.", match[0], omc
                    )
                    break
        if word.text.startswith("-"):
            previous = word.text.partition("=")[0]


def _secret(command: Command, line: str) -> Iterator[Find]:
    for word in command.words:
        if re.match(r"PGPASSWORD=[^$<]", word.text):
            yield _at("password-on-command-line", word, "PGPASSWORD is written out.", "PGPASSWORD")
    if command.tool == "psql" and re.search(r"postgres(?:ql)?://[^:@/\s$<]+:[^@\s$<{]+@", line):
        yield _at("password-on-command-line", command.words[0], "The address holds the password.", "psql")
    if command.tool == "redis-cli":
        password = command.option("-a")
        if password is not None and password.is_literal and not _BLANK.search(password.text):
            yield _at("password-on-command-line", password, "-a holds the password.", "-a")


def _other_language(code: Code) -> Find | None:
    lines = [(at, each.strip()) for at, each in enumerate(code.text.split("\n")) if each.strip()]
    plain = [(at, each) for at, each in lines if not each.startswith("#")]
    if (
        plain
        and re.match(r"(?:fields|filter|stats|parse|display|source)\s+[@\w]", plain[0][1])
        and any(each.startswith("|") for _, each in plain[1:])
    ):
        at, first = plain[0]
        return Find(
            RULES["not-shell"],
            code.line + at,
            code.column + 1,
            "This is a query of Logs Insights, not a shell's command.",
            first,
            "omc logs query",
        )
    return None


def _prose(line: Line, file: Path, today: date) -> Iterator[Find]:
    if match := re.search(
        r"connections?(?: count)?\s*(?:is\s*)?(?:>|above|over|exceeds?)\s*\d+ ?%", line.text, re.IGNORECASE
    ):
        yield _on(
            "percent-of-a-count",
            line,
            f'"{match[0]}": the metric is a number of connections; say of which limit.',
            match[0],
        )
    if match := re.search(r"\d{1,2}:\d{2}[^|]{0,20}\b(AEST|EST|CST|MST|PST|CET|GMT)\b", line.text):
        yield _on(
            "time-without-season",
            line,
            f"{match[1]} is the winter's time there: say the zone by its city, or UTC.",
            match[0],
        )
    if match := _OLD.search(line.text):
        seen = _day(match)
        if seen and today - seen > STALE_AFTER:
            yield _on("stale", line, f"Nobody has looked at it for {(today - seen).days} days.", match[0])
    if (match := _NEXT.search(line.text)) and (due := _day(match)) and due < today:
        yield _on("stale", line, f"The review was due on {due.isoformat()}.", match[0])
    if (
        today > PERFORMANCE_INSIGHTS_ENDED
        and re.search(r"\bPerformance Insights\b", line.text)
        and not re.search(r"Database Insights|successor|ended|API|[Ee]nabl|[Rr]etention|_insights", line.text)
    ):
        yield _on(
            "console-gone",
            line,
            "The console of Performance Insights ended on 31 July 2026; it is CloudWatch Database Insights now.",
            "Performance Insights",
        )
    if match := re.search(
        r"\[(?:contact info|phone(?: number)?|name|email|tbd|todo)\](?!\()", line.text, re.IGNORECASE
    ):
        yield _on("blank-contact", line, f"{match[0]} was never filled in.", line.text.strip())
    for match in _LINK.finditer(line.text):
        target = match[1].partition("#")[0].partition("?")[0]
        is_file = target and not re.match(r"[a-z][a-z0-9+.-]*:|/|<|\{", target, re.IGNORECASE)
        if is_file and file.parent.is_dir() and not (file.parent / target).exists():
            yield _on("dead-link", line, f"{target} isn't there.", match[0])


def _one_environment(text: Text, commands: list[Command]) -> Iterator[Find]:
    prose = " ".join(
        (*(line.text for line in text.prose), *(each for code in text.code for each in code.headings))
    ).lower()
    names = [name for name in _ENVIRONMENTS if re.search(rf"\b{name}\b", prose)]
    of = {
        name: [
            each
            for each in commands
            if not each.is_inline and re.search(rf"(?<![a-z]){name}(?![a-z])", " ".join(each.texts))
        ]
        for name in _ENVIRONMENTS
    }
    used = [name for name, found in of.items() if found]
    others = [name for name in names if name not in used and not (name == "prod" and "production" in used)]
    if len(used) == 1 and others and len(of[used[0]]) > 1:
        first = of[used[0]][0]
        yield _at(
            "one-environment",
            first.words[0],
            f"{len(of[used[0]])} commands name {used[0]}, none {others[0]}, which this runbook is for as well.",
            used[0],
        )


def _is_top(code: Code, command: Command) -> bool:
    """Whether the command's line isn't within a condition, a function or a loop."""
    line = code.text.split("\n")[command.line - code.line]
    is_alone = line.strip() == " ".join(command.texts)
    above = code.text.split("\n")[: command.line - code.line]
    return (
        is_alone
        and not line.startswith((" ", "\t"))
        and not any(re.match(r"\s*(?:if|for|while|case|function|\w+\(\))\b", each) for each in above)
    )


def _day(match: re.Match[str]) -> date | None:
    try:
        return date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError:
        return None


def _short(line: str) -> str:
    return line if len(line) <= 50 else f"{line[:47]}..."


def _at(rule: str, word: Word, message: str, text: str | None = None) -> Find:
    return Find(RULES[rule], word.line, word.column, message, word.text if text is None else text)


def _on(rule: str, line: Line, message: str, text: str = "") -> Find:
    at = line.text.find(text) if text else 0
    return Find(RULES[rule], line.number, max(at, 0) + 1, message, text or line.text.strip())
