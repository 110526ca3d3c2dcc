"""The table of the scores, for a terminal and as docs/diagnosis-scores.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rehearsal.diagnosis.faults import FAULTS
from rehearsal.diagnosis.scenarios import HEALTHY_WAYS, OF_THREE, VARIANTS
from rehearsal.diagnosis.scores import Score, summed
from rehearsal.diagnosis.world import ROOT

PAGE = ROOT / "docs" / "diagnosis-scores.md"

HEAD = f"""\
# How often a diagnosis is right

Made by `make bench-diagnosis`; not written by hand. Each scenario is a stack of plain values, healthy under some load,
in which one fault, two, or none is made: what AWS, PostgreSQL, Redis and the services would say then. The morning
check's own checks judge it, and `omc diagnose` reads what it asks for and answers. No cloud is started. Three stacks
with other names, numbers of services and health checks; each fault in {VARIANTS} variants of magnitude, service, moment
and wording, some with a reading that isn't permitted.

**first**: the true cause is told first. **both**: of two faults, both are among the first three. **path**: every place
from the cause to whoever suffers nearest to users, in order, no more and no less; of a pair, the path that each would
have alone. **next step**: a command that is acceptable for the fault. **false alarm**: anything that is told of a
healthy stack. The command prints the seconds too.

One scenario of {OF_THREE}, by a hash of its name, is held out: the rules were tuned without a look at it. Fault and
world are written by those who write the rules, so that a wording or a course of events that nobody thought of is in
neither: the stories of [outside.md](outside.md), with a real PostgreSQL, Redis and load balancer, are the other half.
"""

FIRST_PLAY = """\
## What the scenarios changed

First play, 553 scenarios: 290 of 295 single faults first, both of 130 of 150 pairs, 141 of 595 paths right, something
told of 24 of 108 healthy stacks. What was then wrong was mended at its kind:
"""
TUNED_BY = (
    (
        "database-deleted, cache-deleted",
        "the answer ended in a stack trace: a store that is gone has no security groups",
        "nothing is concluded of groups that aren't known",
    ),
    (
        "nearly all",
        "a path's targets were looked for under their group's name, where checks use the service's",
        "places are matched by service",
    ),
    (
        "locks, slow statements, closed caches",
        "a path ended at its cause where only a log or a status page told of the service",
        "whoever speaks of the cause is a station",
    ),
    (
        "exchange-down",
        "data that grows old was on no path",
        "it ends one",
    ),
    (
        "right-revoked",
        "PostgreSQL's own \"permission denied for table\" counted as nobody's",
        "it is the database's",
    ),
    (
        "being-deployed, just-scaled-out",
        "a deployment that goes on and tasks that start were told as trouble of unknown cause",
        "they are under way",
    ),
    (
        "cache and another fault",
        "the cache took what users suffer from the cause that hurts them",
        "a service mostly lives without its cache: it takes what nothing else explains",
    ),
    (
        "exchange and another fault, a failing release beside old tasks",
        "the same of servers of others, and of tasks that nobody lacks",
        "the same",
    ),
    (
        "a store and a service that doesn't use it",
        "a hanging service without any way to the database was a station of the database's",
        "security groups, status pages and logs say who may use a store",
    ),
    (
        "two faults with the same symptom",
        "the second lost its path",
        "a symptom is told once, and lies on the path of each that brings it about",
    ),
    (
        "schema-missing, wrong addresses and a hanging service",
        "an error that comes at once was said to make tasks hang",
        "only what is waited for does",
    ),
    (
        "tasks-crash and a store",
        "a crash by SIGSEGV, or with words of its own, was laid to the database",
        "it is the task's own",
    ),
    (
        "release-unhealthy and a store",
        "a health check that gets 404 was laid to the database",
        "it is the release's",
    ),
    (
        "exchange-down in a stack of two services",
        "one server, told twice",
        "one cause, with both services",
    ),
    (
        "tasks-hang after a deployment",
        "the load balancer's 504 after 5 s counted as a slow answer of the release",
        "only answers below 500 are slow ones",
    ),
    (
        "read-only after a failover",
        '"watch until it comes back", where only new connections help',
        "a restart is proposed",
    ),
    (
        "the order of findings",
        "decided between services, and so the path",
        "has no part in it",
    ),
    (
        "unread security groups and others",
        "raised the score of the causes that remained",
        "a score rests on what may come of a cause, and what is unread never raises one",
    ),
    (
        "release-crashes and a store",
        "a missing variable, a missing module or a port in use was laid to the database",
        "they are the task's own",
    ),
    (
        "cache-emptied, cache-acl and a hanging service",
        "tasks that hang or crash were laid to the cache without a word of it",
        "only tasks that speak of the cache, or of another's server, fail for it",
    ),
    (
        "tasks-acl, tasks-group-closed",
        "tasks that get no request were told as tasks that hang, too; one network ACL as a cause for each service",
        "one cause, with all its services, and what comes of it as a station",
    ),
)
"""Seen with which faults, what was wrong, and how it is now."""


def table(scores: Sequence[Score]) -> str:
    """For a terminal."""
    lines = []
    for name, some in _parts(scores):
        total = summed(some)
        seconds = f"{total.median:.3f} s each, at most {total.slowest:.3f} s"
        lines.append(f"{name}: {len(some)} scenarios, {seconds}")
        lines += [f"  {what:<46} {figure:<20} {aim}" for what, figure, aim in total.rows()]
    return "\n".join(lines)


def page(scores: Sequence[Score]) -> str:
    """The whole page; without seconds, so that it is the same on every machine."""
    parts = [
        HEAD,
        "## All\n",
        _all(scores),
        "## Single faults\n",
        _faults(scores),
        "## Healthy stacks\n",
        _healthy(scores),
    ]
    parts += ["## Pairs that are not both told\n", _lost(scores), FIRST_PLAY]
    parts.append(_table(("seen with", "what was wrong", "now"), TUNED_BY))
    return "\n".join(parts)


def _parts(scores: Sequence[Score]) -> Iterator[tuple[str, list[Score]]]:
    yield "all", list(scores)
    yield "tuned", [each for each in scores if not each.scenario.is_held_out]
    yield "held out", [each for each in scores if each.scenario.is_held_out]


def _all(scores: Sequence[Score]) -> str:
    columns = [list(summed(some).rows()) for _, some in _parts(scores)]
    names = [f"{name}, {len(some)} scenarios" for name, some in _parts(scores)]
    rows = [(what, *(column[number][1] for column in columns), aim) for number, (what, _, aim) in enumerate(columns[0])]
    return _table(("", *names, "aim"), rows)


def _faults(scores: Sequence[Score]) -> str:
    rows = []
    for fault in FAULTS.values():
        mine = [each for each in scores if each.scenario.name.startswith(f"{fault.name}/")]
        tuned = [each for each in mine if not each.scenario.is_held_out]
        held_out = [each for each in mine if each.scenario.is_held_out]
        names = " or ".join(sorted({name for each in mine for name in each.told[0].truth.names}))
        paths = sum(each.told[0].is_path_right for each in mine)
        pairs = [each for each in scores if each.scenario.sort == "pair" and fault.name in _pair_of(each)]
        both = sum(_both(each) for each in pairs)
        rows.append(
            (
                fault.name,
                fault.what,
                names,
                _first(tuned),
                _first(held_out),
                _of(paths, len(mine)),
                _of(both, len(pairs)),
            )
        )
    head = ("fault", "what is broken", "cause", "first, tuned", "first, held out", "path", "both, in pairs")
    return _table(head, rows)


def _healthy(scores: Sequence[Score]) -> str:
    rows = []
    for name, change in HEALTHY_WAYS.items():
        mine = [each for each in scores if each.scenario.name.startswith(f"healthy-{name}/")]
        what = " ".join((change.__doc__ or "").split()).rstrip(".")
        rows.append((name, what, _of(sum(bool(each.alarms) for each in mine), len(mine))))
    return _table(("stack", "what goes on", "false alarms"), rows)


def _lost(scores: Sequence[Score]) -> str:
    lost = [each for each in scores if each.scenario.sort == "pair" and not _both(each)]
    rows = []
    for each in lost:
        if not each.scenario.is_held_out:
            missing = " and ".join(
                sorted(name for told in each.told if not 1 <= told.rank <= 3 for name in told.truth.names)
            )
            rows.append((" + ".join(_pair_of(each)), missing, "; ".join(each.causes)))
    held_out = len(lost) - len(rows)
    shown = _table(("faults", "not told", "told"), rows)
    return f"{shown}\nOf the held-out ones {held_out}, which nobody has looked at.\n"


def _pair_of(score: Score) -> list[str]:
    return score.scenario.name.rpartition("/")[0].split("+")


def _both(score: Score) -> bool:
    return all(1 <= told.rank <= 3 for told in score.told)


def _first(some: Sequence[Score]) -> str:
    return _of(sum(each.told[0].rank == 1 for each in some), len(some))


def _of(part: int, whole: int) -> str:
    return f"{part} of {whole}" if whole else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in lines) + "\n"
