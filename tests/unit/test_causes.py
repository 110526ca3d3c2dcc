"""One cause, one finding: pure functions over findings and facts that were written down."""

from __future__ import annotations

from omc.checks.causes import explained, follow_up
from omc.checks.finding import Finding, Level


def test_what_several_checks_see_of_one_service_is_one_finding() -> None:
    running = Finding("services-running", Level.FAIL, "backend", "0 of 2 tasks run, 2 more are starting.")
    rollout = Finding("rollouts", Level.FAIL, "backend", "The deployment of b:8 failed.")
    tasks = Finding("failed-tasks", Level.WARN, "backend", "2 tasks failed: cannot pull.")
    other = Finding("services-running", Level.OK, "frontend", "2 of 2 tasks run.")
    found = explained([running, other, rollout, tasks], {}, {})
    assert [(each.level, each.place, each.sentence) for each in found] == [
        (Level.OK, "services/frontend", other.sentence),
        (Level.FAIL, "services/backend", tasks.sentence),
    ]
    assert [each.text for each in found[1].evidence] == [rollout.sentence, running.sentence]


def test_a_healthy_stack_has_nothing_to_follow_up() -> None:
    fine = [Finding("services-running", Level.OK, "backend", "2 of 2 tasks run.")]
    assert follow_up(fine) == ()
    assert [each.sentence for each in explained(fine, {}, {})] == [fine[0].sentence]
