"""Each stage that an alert passes: what it does, and the words in which it says why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from omc.config.alert_tables import AlertsTable, FlappingTable, InhibitTable, RouteTable
from omc.responder.alerts import CameLate, Ended, Fired, Held, Released
from omc.responder.model import Notification
from omc.responder.pipeline.age import with_end
from omc.responder.pipeline.enrich import assess, with_tags
from omc.responder.pipeline.situation import EndSilence, Inform, Join, Merge, Open, Raise, Reopen
from support.alerts_world import Board, key_of, minute, notification, rules, said, silence


def words(stage: str, board: Board) -> str:
    """What a stage did with the last one, and why."""
    return next((line for line in said(board.outcomes[-1]) if line.startswith(f"{stage}: ")), "")


# ── Deduplicate ─────────────────────────────────────────────────────────────────────────────────────────────────

FIRES = notification("disk", 10)


@pytest.mark.parametrize(
    ("before", "comes", "expected"),
    [
        ((), FIRES, "passed: It is new: nothing is known of this alert."),
        ((FIRES,), FIRES, "dropped: This change, of 09:10:00 UTC on 23 Nov, is known already."),
        (
            (FIRES,),
            notification("disk", 12, "ended"),
            "passed: It is news: the last that is known of this alert is of 09:10:00 UTC on 23 Nov.",
        ),
        (
            (FIRES,),
            notification("disk", 8, "ended"),
            "counted: It is of 09:08:00 UTC on 23 Nov and came late: what happened at 09:10:00 UTC on 23 Nov is known "
            "already. It changes nothing.",
        ),
        (
            (notification("disk", 12, "ended"),),
            FIRES,
            "passed: It is of 09:10:00 UTC on 23 Nov and came late: what happened at 09:12:00 UTC on 23 Nov is known "
            "already. Nobody had heard that it fired before that.",
        ),
    ],
)
def test_what_is_known_has_no_effect_and_what_comes_late_is_counted(
    before: tuple[Notification, ...], comes: Notification, expected: str
) -> None:
    board = Board()
    if before:
        board.take(*before)
    board.take(comes)
    assert words("deduplicate", board) == f"deduplicate: {expected}"


def test_of_two_changes_at_the_same_moment_that_it_fires_is_the_later_in_either_order() -> None:
    both = notification("disk", 5), notification("disk", 5, "ended")
    for told in (both, both[::-1]):
        board = Board()
        board.take(*told)
        assert board.alert("disk").is_firing
        assert board.incident_of("disk") == 1


# ── Enrich ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("comes", "facts", "expected"),
    [
        (
            notification("backend-no-healthy"),
            ("no-healthy", 1, "backend", "backend"),
            "SEV-1 by omc's catalogue, of backend by its name, a kind that omc knows (no-healthy); its group is "
            "backend.",
        ),
        (
            notification("rds-no-data", severity=3),
            ("rds-no-data", 3, None, "database"),
            "SEV-3 by its message, of no single service, a kind that omc knows (rds-no-data); its group is database.",
        ),
        (
            with_tags(notification("queue-age"), {"Severity": "SEV-1", "Service": "backend"}),
            ("queue-age", 1, "backend", "backend"),
            "SEV-1 by its tag, of backend by its tag, no kind that omc knows; its group is backend.",
        ),
        (
            with_tags(notification("rds-cpu-high"), {"Severity": "SEV-2", "Service": "database"}),
            ("rds-cpu-high", 2, None, "database"),
            "SEV-2 by its tag, of no single service, a kind that omc knows (rds-cpu-high); its group is database.",
        ),
        (
            notification("disk", service="frontend"),
            ("disk", 2, "frontend", "frontend"),
            "SEV-2 by omc.toml, since neither its message nor a tag says it, of frontend by its message, no kind that "
            "omc knows; its group is frontend.",
        ),
        (
            notification("elsewhere-unhealthy"),
            ("unhealthy", 2, None, "elsewhere-unhealthy"),
            "SEV-2 by omc's catalogue, of no single service, a kind that omc knows (unhealthy); its group is "
            "elsewhere-unhealthy.",
        ),
    ],
)
def test_what_a_message_leaves_open_is_filled_in(
    comes: Notification, facts: tuple[str, int, str | None, str], expected: str
) -> None:
    found, why = assess(comes, rules())
    assert (found.kind, found.severity, found.service, found.group) == facts
    assert why == expected


def test_a_route_of_omc_toml_changes_severity_and_group_and_the_first_that_matches_holds() -> None:
    table = AlertsTable(
        routes=(
            RouteTable(match=("kind=cpu-high", "service=frontend"), severity=2),
            RouteTable(match=("kind=cpu-high",), severity=1, group="capacity"),
        )
    )
    found, why = assess(notification("backend-cpu-high"), rules(table))
    assert (found.severity, found.group) == (1, "capacity")
    assert why.startswith("SEV-1 by route 2 of omc.toml")
    found, _ = assess(notification("frontend-cpu-high"), rules(table))
    assert (found.severity, found.group) == (2, "frontend")


# ── Age ─────────────────────────────────────────────────────────────────────────────────────────────────────────

ENDED_SINCE = with_end(notification("disk"), minute(5), "CloudWatch says that it has been OK since")


@pytest.mark.parametrize(
    ("before", "comes", "now", "expected", "is_told"),
    [
        ((), ENDED_SINCE, 30, "passed: It is 30 min old, and none is old news before 30 min.", True),
        (
            (),
            ENDED_SINCE,
            31,
            "counted: Old news: it fired 31 min ago, and CloudWatch says that it has been OK since. Nobody is called "
            "for that.",
            False,
        ),
        (
            (),
            notification("disk"),
            600,
            "passed: It is 600 min old, and nothing says that it has ended: it is told.",
            True,
        ),
        (
            (notification("disk", 5, "ended"),),
            notification("disk"),
            31,
            "counted: Old news: it fired 31 min ago, and that it ended, at 09:05:00 UTC on 23 Nov, was heard before. "
            "Nobody is called for that.",
            False,
        ),
        (
            (),
            notification("task failed", labels={"has_end": "no"}),
            31,
            "counted: Old news: it fired 31 min ago, and it counts as ended since 09:30:00 UTC on 23 Nov, as its "
            "source never says so. Nobody is called for that.",
            False,
        ),
    ],
)
def test_what_is_over_for_long_calls_nobody_and_what_fires_still_does_whatever_its_age(
    before: tuple[Notification, ...], comes: Notification, now: float, expected: str, is_told: bool
) -> None:
    board = Board()
    if before:
        board.take(*before)
    outcome = board.take(comes, now=now)
    assert words("age", board) == f"age: {expected}"
    assert bool(board.open_incidents) == is_told
    assert isinstance(outcome.event, Fired | CameLate), "written down, whether or not it is told"
    board.take(replace(comes, id="again", at=minute(now + 1), labels={}), now=now + 1)
    assert board.open_incidents, "what fires later is told"


# ── Mute ────────────────────────────────────────────────────────────────────────────────────────────────────────

RULE = "arn:aws:cloudwatch:ap-southeast-2:123456789012:alarm-mute-rule:sunday"


@pytest.mark.parametrize(
    ("labels", "by"),
    [
        ({"muted_by": RULE}, "the mute rule sunday"),
        ({"actions": "off"}, "its actions, which are off"),
        ({"suppressed_by": "WaitPeriod"}, "its suppressor"),
    ],
)
def test_what_cloudwatch_mutes_is_held_until_it_is_unmuted_and_told_then(labels: dict[str, str], by: str) -> None:
    board, muted = Board(), notification("disk", labels=labels)
    board.take(muted)
    assert words("mute", board) == f"mute: held: It is muted in CloudWatch by {by}: held until it is unmuted."
    board.forward(minute(300))
    assert board.open_incidents == []
    board.unmute("disk")
    assert words("mute", board) == "mute: passed: CloudWatch doesn't mute it any more, and it fires still."
    assert board.incident_of("disk") == 1

    for told in (replace(muted, labels={**labels, "topic": "arn:t"}), replace(muted, source="alertmanager")):
        board = Board()
        board.take(told)
        assert board.incident_of("disk") == 1, "an action of its own told it, or the words are another source's"

    board = Board()
    board.take(muted, notification("disk", 2, "ended"))
    assert words("end", board) == "end: ended: It has ended while it was held (mute): nobody was told of it."


@pytest.mark.parametrize("labels", [{"muted_by": RULE}, {"suppressed_by": "WaitPeriod"}])
def test_the_action_that_cloudwatch_takes_after_a_mute_is_told_at_once_and_only_then(labels: dict[str, str]) -> None:
    muted = notification("disk", labels=labels)
    action = replace(muted, labels={"topic": "arn:t"})
    board = Board()
    board.take(muted, muted)
    assert (
        words("deduplicate", board) == "deduplicate: dropped: This change, of 09:00:00 UTC on 23 Nov, is known already."
    )
    board.take(action, now=20)
    assert "is known and was muted; CloudWatch now tells it unmuted." in said(board.outcomes[-1])[0]
    assert (board.incident_of("disk"), board.alert("disk").hold, len(board.alert("disk").fires)) == (1, None, 1)
    board.take(muted, action, now=21)
    assert board.open_incidents == [1], "the muted event that comes late, and the action again, change nothing"

    silenced = Board(silences=[silence("name=disk", end=60)])
    silenced.take(muted)
    silenced.take(action, now=20)
    assert words("silence", silenced).startswith("silence: held: "), "a silence holds what is unmuted"


def test_what_is_silenced_and_muted_is_told_when_both_are_over() -> None:
    board = Board(silences=[silence("name=disk", end=60)])
    board.take(notification("disk", labels={"actions": "off"}))
    board.unmute("disk")
    assert words("silence", board).startswith("silence: held: ")
    board.forward(minute(60))
    assert board.incident_of("disk") == 1


# ── Flap ────────────────────────────────────────────────────────────────────────────────────────────────────────


def flapped(board: Board, times: int, name: str = "disk") -> None:
    """It fires and ends so often, a minute each, and people resolve its incident each time."""
    for number in range(times):
        board.take(notification(name, 4 * number))
        if (found := board.incident_of(name)) is not None:
            board.resolve(found)
        board.take(notification(name, 4 * number + 2, "ended"))


def test_an_alert_that_comes_and_goes_is_held_until_it_is_steady_and_then_told() -> None:
    board = Board()
    flapped(board, 2)
    board.take(notification("disk", 20))
    assert words("flap", board) == (
        "flap: held: It fired 3 times within 60 min, so it flaps: held until it has been steady for 10 min, at "
        "09:30:00 UTC on 23 Nov."
    )
    assert board.incident_of("disk") is None
    board.forward(minute(29.9))
    assert board.incident_of("disk") is None
    board.forward(minute(30))
    assert board.incident_of("disk") == 1
    assert isinstance(board.outcomes[-1].event, Released)
    assert (
        words("flap", board)
        == "flap: passed: It fired 3 times within 60 min, so it flaps; but it has been steady for 10 min."
    )


@pytest.mark.parametrize(
    ("name", "before", "expected"),
    [
        ("disk", 1, "It fired 2 times within 60 min; it would flap from 3 times on."),
        ("backend-no-healthy", 2, "It fired 3 times within 60 min, so it flaps, but no SEV-1 is held for that."),
    ],
)
def test_what_does_not_flap_or_takes_a_service_down_is_not_held(name: str, before: int, expected: str) -> None:
    board = Board()
    flapped(board, before, name)
    board.take(notification(name, 20))
    assert words("flap", board) == f"flap: passed: {expected}"
    assert board.incident_of(name) is not None


def test_one_that_flaps_in_an_open_incident_stays_there_and_calls_nobody_again() -> None:
    board = Board()
    for number in range(5):
        board.take(notification("disk", 4 * number), notification("disk", 4 * number + 2, "ended"))
    board.take(notification("disk", 20))
    assert words("flap", board).endswith("so it flaps, but incident 1 is open for it.")
    assert board.open_incidents == [1]
    assert sum(isinstance(each, Open | Reopen) for outcome in board.outcomes for each in outcome.effects) == 1


def test_when_and_whether_is_a_setting() -> None:
    board = Board(rules(AlertsTable(flapping=FlappingTable(fires=2, settle_minutes=1, severities=(2,)))))
    flapped(board, 1)
    board.take(notification("disk", 10))
    assert isinstance(board.outcomes[-1].event, Held)
    board.forward(minute(11))
    assert board.incident_of("disk") == 1


# ── Silence ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("at", "conditions", "expected"),
    [
        (5, ("name=disk",), "held: Held by silence 1 of jo, until 10:00:00 UTC on 23 Nov: the disk is replaced."),
        (
            5,
            ("name=d?s*", "severity=2"),
            "held: Held by silence 1 of jo, until 10:00:00 UTC on 23 Nov: the disk is replaced.",
        ),
        (5, ("team=coins",), "held: Held by silence 1 of jo, until 10:00:00 UTC on 23 Nov: the disk is replaced."),
        (5, ("name=disk", "severity=3"), "passed: None of 1 active silences matches."),
        (5, ("name!=disk",), "passed: None of 1 active silences matches."),
        (60, ("name=disk",), "passed: No silence is active."),
        (-1, ("name=disk",), "passed: No silence is active."),
    ],
)
def test_a_silence_holds_what_meets_all_its_conditions_while_it_lasts(
    at: float, conditions: tuple[str, ...], expected: str
) -> None:
    board = Board(silences=[silence(*conditions)])
    board.now = minute(-5)
    board.take(notification("disk", at, labels={"team": "coins"}))
    assert words("silence", board) == f"silence: {expected}"


def test_a_silence_that_ends_while_it_fires_tells_people_and_one_that_was_extended_does_not() -> None:
    board = Board(silences=[silence("name=disk", end=30)])
    board.take(notification("disk", 5))
    assert board.open_incidents == []
    board.forward(minute(30))
    assert board.incident_of("disk") == 1
    assert (
        words("route", board)
        == "route: passed: Incident 1 is a SEV-2: the primary on-call is paged at once, then the chain."
    )


def test_of_two_silences_the_one_that_lasts_longer_holds() -> None:
    board = Board(silences=[silence("name=disk", end=30), silence("name=disk", number=2, end=50)])
    board.take(notification("disk", 5))
    assert words("silence", board).startswith("silence: held: Held by silence 2")


def test_that_it_has_ended_is_told_also_while_it_is_silenced_and_a_silence_may_end_with_it() -> None:
    board = Board(silences=[silence("name=disk*", ends_with_alert=True)])
    board.take(notification("disk-a", 5), notification("disk-b", 6))
    first = board.take(notification("disk-a", 7, "ended"))
    [told] = [each for each in first.effects if isinstance(each, Inform)]
    assert told.short == "disk-a has ended; it was held by silence 1."
    assert not any(isinstance(each, EndSilence) for each in first.effects), "disk-b fires still"
    last = board.take(notification("disk-b", 8, "ended"))
    assert EndSilence(1, "disk-b, the last alert that it held, has ended.") in last.effects
    assert words("end", board) == (
        "end: ended: It has ended while silence 1 held it: the channel for alerts is told. The silence was to end with "
        "it."
    )
    board.take(notification("disk-a", 9))
    assert board.incident_of("disk-a") == 1, "the silence is over"


def test_what_an_incident_knows_already_is_not_held_by_a_silence_made_later() -> None:
    board = Board(silences=[silence("name=disk", begin=10)])
    board.take(notification("disk", 5), notification("disk", 12))
    assert board.incident_of("disk") == 1


# ── Inhibit ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_follows_from_an_outage_that_people_know_is_held_and_told_when_it_outlives_it() -> None:
    board = Board()
    board.take(notification("rds-no-data", 1), notification("alb-5xx-percent", 2))
    assert words("inhibit", board) == (
        "inhibit: held: rds-no-data explains it, of which incident 1 knows: held while that one fires."
    )
    assert board.open_incidents == [1]
    board.take(notification("rds-no-data", 9, "ended"))
    assert isinstance(board.outcomes[-1].event, Released)
    assert words("group", board) == "group: joined: What explained it is over, and its incident is open: incident 1."
    assert board.incident_of("alb-5xx-percent") == 1


def test_one_that_ends_with_its_cause_calls_nobody() -> None:
    board = Board()
    board.take(notification("rds-no-data", 1), notification("alb-5xx-percent", 2))
    board.take(notification("alb-5xx-percent", 8, "ended"), notification("rds-no-data", 9, "ended"))
    assert board.open_incidents == [1]
    assert not board.situation.incidents[1].firing
    assert key_of("alb-5xx-percent") not in board.situation.incidents[1].ended


def test_what_is_worse_than_its_cause_is_told_in_the_cause_s_incident() -> None:
    board = Board()
    outcome = board.take(notification("rds-no-data", 1), notification("backend-no-healthy", 2))
    assert words("inhibit", board) == (
        "inhibit: passed: rds-no-data explains it, but it is worse than that one: incident 1 is told."
    )
    assert Raise(1, 1) in outcome.effects
    assert words("route", board) == "route: passed: Incident 1 is a SEV-1: the whole on-call chain is paged at once."


def test_a_cause_that_is_held_itself_or_that_nobody_knows_of_any_more_holds_nothing() -> None:
    silenced = Board(silences=[silence("group=database")])
    silenced.take(notification("rds-no-data", 1), notification("alb-5xx-percent", 2))
    assert silenced.incident_of("alb-5xx-percent") == 1

    resolved = Board()
    resolved.take(notification("rds-no-data", 1), notification("alb-5xx-percent", 2))
    resolved.resolve(1)
    resolved.forward(minute(20))
    assert resolved.incident_of("alb-5xx-percent") == 2


def test_only_a_service_s_own_outage_explains_its_own_tasks() -> None:
    board = Board()
    board.take(notification("backend-no-healthy", 1), notification("frontend-unhealthy", 2))
    assert board.incident_of("frontend-unhealthy") == 2
    board.take(notification("backend-unhealthy", 3))
    assert board.incident_of("backend-unhealthy") is None


def test_a_rule_of_omc_toml_explains_what_the_catalogue_does_not_know() -> None:
    rule = InhibitTable(cause=("name=region-*",), explains=("team=coins",), same=("region",))
    board = Board(rules(AlertsTable(inhibit=(rule,))))
    board.take(notification("region-down", 1, severity=1, labels={"region": "sydney"}))
    board.take(notification("slow", 2, labels={"team": "coins", "region": "sydney"}))
    assert isinstance(board.outcomes[-1].event, Held)
    board.take(notification("slower", 3, labels={"team": "coins", "region": "melbourne"}))
    assert board.incident_of("slower") == 2


def test_no_alert_explains_itself() -> None:
    rule = InhibitTable(cause=("team=coins",), explains=("team=coins",))
    board = Board(rules(AlertsTable(inhibit=(rule,))))
    board.take(notification("backend-tasks-short", 1, labels={"team": "coins"}), notification("backend-at-max", 2))
    assert [board.incident_of(name) for name in ("backend-tasks-short", "backend-at-max")] == [1, 1]


# ── Group ───────────────────────────────────────────────────────────────────────────────────────────────────────


def opened(board: Board) -> int:
    return sum(isinstance(each, Open) for outcome in board.outcomes for each in outcome.effects)


def test_one_incident_for_a_service_or_shared_dependency() -> None:
    board = Board()
    board.take(
        notification("backend-tasks-short", 1),
        notification("backend-at-max", 2),
        notification("redis-engine-cpu-high", 3),
    )
    assert words("group", board) == "group: opened: No incident of its group, cache, is open: incident 2 is opened."
    board.take(notification("redis-hit-rate-low", 4))
    assert words("group", board) == "group: joined: It is the open one of its group, cache: incident 2."
    assert words("route", board) == (
        "route: passed: Incident 2 is open, a SEV-3: it is told, and nobody is paged again."
    )
    assert [board.incident_of(f"backend-{name}") for name in ("tasks-short", "at-max")] == [1, 1]


def test_a_cause_that_comes_after_what_it_explains_takes_their_incidents_over() -> None:
    board = Board()
    board.take(notification("backend-unhealthy", 1), notification("frontend-unhealthy", 2))
    assert board.open_incidents == [1, 2]
    outcome = board.take(notification("rds-no-data", 3))
    assert words("group", board) == (
        "group: joined: It explains all that fires there: incident 1, and in incident 2, which goes on there."
    )
    assert Merge(2, 1, (key_of("frontend-unhealthy"),)) in outcome.effects
    assert board.open_incidents == [1]
    assert board.incident_of("frontend-unhealthy") == 1


def test_a_cause_does_not_take_over_an_incident_in_which_something_else_fires() -> None:
    board = Board()
    board.take(
        notification("backend-unhealthy", 1), notification("backend-cpu-high", 2), notification("rds-no-data", 3)
    )
    assert board.incident_of("rds-no-data") == 2


def test_a_worse_alert_raises_the_severity_of_its_incident_and_a_lesser_one_does_not_lower_it() -> None:
    board = Board()
    board.take(notification("backend-cpu-high", 1))
    outcome = board.take(notification("backend-tasks-short", 2))
    assert Raise(1, 2) in outcome.effects
    board.take(notification("backend-capacity-reached", 3))
    assert board.situation.incidents[1].severity == 2


@pytest.mark.parametrize(
    ("first", "then", "expected"),
    [
        ("backend task failed", "backend-no-healthy", "backend: No task of the service is healthy"),
        ("backend-no-healthy", "backend task failed", None),
        ("alb-5xx-percent", "rds-no-data", "The database sends no metrics"),
        ("rds-no-data", "backend-no-healthy", None),
        ("rds-storage-low", "rds-connections-high", None),
    ],
)
def test_an_incident_is_called_by_what_is_worse_or_explains_what_it_was_opened_for(
    first: str, then: str, expected: str | None
) -> None:
    """A page for a service that is down doesn't speak of one task; what is worse than its cause leaves it its name."""
    board = Board()
    board.take(notification(first, 1))
    summaries = [each.summary for each in board.take(notification(then, 2)).effects if isinstance(each, Join)]
    told = next(iter(summaries), None)
    assert (told or "").startswith(expected or ""), told
    assert bool(told) is bool(expected), told


@pytest.mark.parametrize(
    ("again_at", "expected"),
    [
        (30, "group: reopened: It fires again, 20 min after incident 1 was resolved: that is open again."),
        (71, "group: opened: No incident of its group, disk, is open: incident 2 is opened."),
    ],
)
def test_what_fires_again_soon_reopens_its_incident(again_at: float, expected: str) -> None:
    board = Board()
    board.take(notification("disk", 1), notification("disk", 5, "ended"))
    board.forward(minute(10))
    board.resolve(1)
    board.take(notification("disk", again_at))
    assert words("group", board) == expected


def test_an_open_incident_in_which_nothing_happened_for_long_is_no_longer_joined() -> None:
    board = Board()
    board.take(notification("backend-tasks-short", 1), notification("backend-tasks-short", 5, "ended"))
    board.take(notification("backend-cpu-high", 64))
    assert board.incident_of("backend-cpu-high") == 1
    board.take(notification("backend-cpu-high", 65, "ended"), notification("backend-capacity-reached", 126))
    assert board.incident_of("backend-capacity-reached") == 2


def test_an_alert_that_people_took_out_of_an_incident_does_not_come_back_into_it() -> None:
    board = Board()
    board.take(notification("backend-tasks-short", 1), notification("backend-cpu-high", 2))
    board.take_out("backend-cpu-high", 1)
    board.take(notification("backend-cpu-high", 5, "ended"), notification("backend-cpu-high", 6))
    assert board.incident_of("backend-cpu-high") == 2
    board.take_out("backend-tasks-short", 1, to=2)
    board.take(notification("backend-tasks-short", 7, "ended"))
    assert words("end", board).startswith("end: ended: It has ended")


def test_the_message_s_title_is_the_incident_s_summary_cut_to_a_line() -> None:
    board = Board()
    outcome = board.take(notification("disk", 1))
    assert outcome.effects[0] == Open(1, 2, "disk is firing")
    assert isinstance(outcome.effects[1], Join)


def test_an_alert_without_words_is_called_by_its_name() -> None:
    outcome = Board().take(replace(notification("disk", 1), title=" "))
    assert outcome.effects[0] == Open(1, 2, "disk")


# ── The end ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_alert_whose_end_nobody_ever_tells_ends_by_itself() -> None:
    board = Board()
    board.take(notification("backend task failed", 1, service="backend", labels={"has_end": "no"}))
    assert board.incident_of("backend task failed") == 1
    board.forward(minute(30.9))
    assert board.alert("backend task failed").is_firing
    board.forward(minute(31))
    assert not board.alert("backend task failed").is_firing
    assert isinstance(board.outcomes[-1].event, Ended)
    assert words("end", board) == (
        "end: ended: Nothing says when it is over; it fired 30 min ago, at 09:01:00 UTC on 23 Nov. It has ended: "
        "incident 1 is told."
    )
    board.take(notification("backend task failed", 40, service="backend", labels={"has_end": "no"}))
    assert board.incident_of("backend task failed") == 1


@pytest.mark.parametrize(
    ("comes", "expected"),
    [
        (lambda board: board.take(notification("new", 1, "ended")), "It has ended; that it fired was not heard of."),
        (
            lambda board: board.take(notification("disk", 1), notification("disk", 2, "ended")),
            "It has ended: incident 1 is told.",
        ),
        (
            lambda board: board.take(
                notification("rds-no-data", 0),
                notification("alb-5xx-percent", 1),
                notification("alb-5xx-percent", 2, "ended"),
            ),
            "It has ended while it was held (inhibition): nobody was told of it.",
        ),
    ],
)
def test_the_end_says_who_is_told(comes: Callable[[Board], object], expected: str) -> None:
    board = Board()
    comes(board)
    assert words("end", board) == f"end: ended: {expected}"


def test_what_fired_and_ended_before_anybody_heard_of_it_is_told_all_the_same() -> None:
    board = Board()
    board.take(notification("disk", 5, "ended"))
    assert board.open_incidents == []
    board.take(notification("disk", 2), now=6)
    view = board.situation.incidents[1]
    assert (view.firing, view.ended) == (frozenset(), frozenset({key_of("disk")}))
    assert not board.alert("disk").is_firing
    board.take(notification("disk", 3), now=7)
    assert board.open_incidents == [1], "told once"


def test_the_trace_of_an_alert_that_goes_through_names_every_stage_in_order() -> None:
    board = Board()
    outcome = board.take(notification("disk", 1))
    stages = ["deduplicate", "enrich", "age", "mute", "flap", "silence", "inhibit", "group", "route"]
    assert [step.stage for step in outcome.trace] == stages
    assert all(step.why.endswith(".") and step.why[0].isupper() for step in outcome.trace)
    assert isinstance(outcome.event, Fired)
    assert outcome.event.trace == outcome.trace
    assert board.now - minute(1) == timedelta(0)
