"""``backups.judge``: a verdict on a backup that was restored, written into the record. The judgement itself is
``omc.judgement.backups``. Output: ``sentence``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from omc.actions.action import Action, Context, Outcome, Verdict, register
from omc.config import Environment
from omc.judgement import backups as judgement
from omc.judgement.backups import Comparison
from omc.model.arguments.backups import JudgeBackup
from omc.model.arguments.base import known
from omc.model.backups import Judged, Verified
from omc.model.plan import Json
from omc.store import backups


def _is_applied(context: Context, arguments: JudgeBackup) -> bool:
    """It is written once for each run, however often it is asked."""
    return False


def _verified(context: Context, arguments: JudgeBackup) -> Verified:
    source: Any = known(arguments.source)
    restored: Mapping[str, Any] = known(arguments.restored)
    taken = _moment(known(arguments.taken_at))
    began, available = _moment(known(arguments.asked_at)), _moment(known(arguments.available_at))
    now = Comparison(restored, source, taken, arguments.tolerance_percent)
    found = judgement.judge(now)
    return Verified(
        run=context.run,
        backup=arguments.backup,
        taken_at=taken,
        sound=judgement.is_sound(found),
        compared=source is not None,
        judged=found,
        tables=len(now.tables),
        rows=judgement.rows_of(restored),
        recovery_seconds=(available - began).total_seconds() if began and available else None,
        recovery_point_seconds=judgement.recovery_point(now),
    )


def _moment(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _apply(context: Context, arguments: JudgeBackup) -> Mapping[str, Json]:
    backups.record(context.store, context.environment.name, _verified(context, arguments), f"run {context.run}")
    return {}


def _poll(context: Context, arguments: JudgeBackup) -> Outcome:
    found = _verified(context, arguments)
    evidence: dict[str, Json] = {
        "judged": [asdict(each) for each in found.judged],
        "tables": found.tables,
        "rows": found.rows,
        "recovery_seconds": found.recovery_seconds,
        "recovery_point_seconds": found.recovery_point_seconds,
    }
    if not found.sound:
        wrong = [each for each in found.judged if each.level in ("fail", "unknown")]
        return Outcome(Verdict.FAILED, f"The {arguments.backup} is not sound. {_listed(wrong)}", evidence)
    took = f" It was available after {found.recovery_seconds:.0f} s." if found.recovery_seconds is not None else ""
    newest = found.recovery_point_seconds
    age = f" Its newest row is {newest:.0f} s older than it." if newest is not None else ""
    words = next(each.sentence for each in found.judged if each.question == "whole")
    sentence = f"The {arguments.backup} is sound: {words}{took}{age}"
    return Outcome(Verdict.SUCCEEDED, sentence, evidence, {"sentence": sentence})


def _listed(wrong: Sequence[Judged]) -> str:
    sentences = " ".join(each.sentence for each in wrong[:3])
    return f"{sentences} And {len(wrong) - 3} more." if len(wrong) > 3 else sentences


def _commands(environment: Environment, arguments: JudgeBackup) -> Sequence[str]:
    return ()


ACTION = register(Action(JudgeBackup, _apply, _is_applied, _poll, _commands))
