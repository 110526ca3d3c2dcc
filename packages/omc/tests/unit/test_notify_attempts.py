"""What is tried next, judged from the log alone: again, the next method, another round, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omc.model.pages import Page
from omc.notify.model import (
    ANEW,
    NOTICE,
    URGENT,
    Attempt,
    Entry,
    Failed,
    FallOver,
    Outcome,
    Refused,
    Sent,
    TryAgain,
    entry_of,
    log_document,
    log_from,
    next_attempt,
)
from support.notify_world import NOW, page

PAGE = page("slack:U024BE7LH", "sms:+61400000000", "email:jo@example.com")
NOT_NOW = TryAgain("not now")


def play(sent: Page, answers: Callable[[int, datetime], Outcome], seconds: float = 0.0) -> list[tuple[float, int, str]]:
    """Attempts until it is sent or given up: when each began, its method, what came of it. ``answers`` gets the method
    and the time; an attempt takes ``seconds``."""
    log: tuple[Entry, ...] = ()
    now, played = NOW, []
    for _ in range(500):
        following = next_attempt(sent, log, now)
        if isinstance(following, Failed):
            played.append((_since(now), -1, "failed"))
            return played
        now = max(now, following.due_at)
        assert next_attempt(sent, log, now + timedelta(hours=1)).__class__ is following.__class__, (
            "it is the same later"
        )
        outcome = answers(following.method, now)
        began, now = _since(now), now + timedelta(seconds=seconds)
        entry = entry_of(outcome, now, following, str(sent.methods[following.method]), seconds)
        log = (*log_from(log_document(log)), entry)
        played.append((began, following.method, entry.outcome))
        if isinstance(outcome, Sent):
            return played
    raise AssertionError("it never comes to an end")


def _since(now: datetime) -> float:
    return (now - NOW).total_seconds()


def test_a_refusal_falls_over_at_once() -> None:
    played = play(PAGE, lambda method, _: Refused("no such user") if method == 0 else Sent())
    assert played == [(0.0, 0, "refused"), (0.0, 1, "sent")]


def test_an_urgent_page_never_waits_long_for_a_dead_channel() -> None:
    played = play(PAGE, lambda method, _: NOT_NOW if method == 0 else Sent(), seconds=8.0)
    assert played == [(0.0, 0, "try again"), (10.0, 0, "try again"), (18.0, 1, "sent")]


def test_a_method_is_tried_again_after_a_moment() -> None:
    played = play(PAGE, lambda method, now: Sent() if now >= NOW + timedelta(seconds=7) else NOT_NOW)
    assert played == [(0.0, 0, "try again"), (2.0, 0, "try again"), (7.0, 0, "sent")]


@pytest.mark.parametrize(("after", "attempts"), [(4.0, [0.0, 4.0]), (60.0, [0.0])])
def test_retry_after_is_kept_to_or_another_method_is_taken(after: float, attempts: list[float]) -> None:
    busy = TryAgain("busy", after)
    played = play(PAGE, lambda method, now: busy if method == 0 and now < NOW + timedelta(seconds=after) else Sent())
    assert [began for began, method, _ in played if method == 0] == attempts
    assert played[-1][2] == "sent"


def test_a_channel_is_left_alone_for_as_long_as_it_asks_also_in_later_rounds() -> None:
    sent = page("slack:U024BE7LH", "email:jo@example.com")
    played = play(sent, lambda method, _: TryAgain("busy", 300.0) if method == 0 else NOT_NOW)
    slack = [began for began, method, _ in played if method == 0]
    assert all(later - earlier >= 300 for earlier, later in pairwise(slack))
    assert len(slack) > 3


def test_all_is_tried_in_rounds_until_it_is_given_up() -> None:
    played = play(PAGE, lambda *_: NOT_NOW)
    firsts = [began for began, method, _ in played if method == 0]
    assert firsts[:5] == [0.0, 2.0, 7.0, 21.0 + 30.0, 21.0 + 30.0 + 60.0]
    assert played[-1][1:] == (-1, "failed")
    assert URGENT.give_up.total_seconds() - 120 <= played[-1][0] <= URGENT.give_up.total_seconds()


def test_where_everything_is_refused_it_fails_at_once_and_says_why() -> None:
    log = tuple(
        entry_of(Refused(f"no {number}."), NOW, Attempt(number, NOW), str(each), 0.1)
        for number, each in enumerate(PAGE.methods)
    )
    failed = next_attempt(PAGE, log, NOW)
    assert failed == Failed(
        "jo was not reached. slack:U024BE7LH: no 0; sms:+61400000000: no 1; email:jo@example.com: no 2."
    )


def test_what_was_refused_is_not_tried_in_a_later_round() -> None:
    played = play(PAGE, lambda method, _: Refused("no") if method == 1 else NOT_NOW)
    assert [method for _, method, _ in played].count(1) == 1


def test_nobody_is_reached_without_a_method() -> None:
    assert next_attempt(page(), (), NOW) == Failed("jo has no contact method.")


def test_a_notice_has_time() -> None:
    played = play(page("email:jo@example.com", is_urgent=False), lambda *_: NOT_NOW)
    assert [began for began, _, _ in played][:4] == [0.0, 30.0, 150.0, 750.0]
    assert played[-1][0] <= NOTICE.give_up.total_seconds()
    assert len(played) < 40


def test_a_sender_that_was_away_for_long_tries_before_it_gives_up() -> None:
    log = [entry_of(NOT_NOW, NOW, Attempt(0, NOW), "slack", 0.1)]
    late = next_attempt(PAGE, log, NOW + timedelta(days=3))
    assert late == Attempt(0, NOW + timedelta(days=3))


def test_asked_for_anew_it_begins_with_the_first_method() -> None:
    log = [entry_of(Refused("no"), NOW, FallOver(2, NOW), "email", 0.1), Entry(NOW, 0, 1, "", ANEW)]
    assert next_attempt(PAGE, log, NOW) == Attempt(0, NOW)


@settings(max_examples=40)
@given(
    outcomes=st.lists(
        st.one_of(
            st.builds(Refused, st.just("no")),
            st.builds(TryAgain, st.just("later"), st.none() | st.floats(0, 1e5), st.booleans()),
        ),
        max_size=60,
    ),
    seconds=st.floats(0, 20),
    methods=st.integers(1, 5),
    is_urgent=st.booleans(),
)
def test_whatever_channels_say_each_is_tried_in_order_and_it_comes_to_an_end(
    outcomes: list[Outcome], seconds: float, methods: int, is_urgent: bool
) -> None:
    said = iter(outcomes)
    sent = page(*[f"ntfy:t{number}" for number in range(methods)], is_urgent=is_urgent)
    played = play(sent, lambda *_: next(said, NOT_NOW), seconds)
    order = [method for _, method, _ in played if method >= 0]
    assert list(dict.fromkeys(order)) == list(range(methods)), "every method has its turn, in its order"
    times = [began for began, _, _ in played]
    assert times == sorted(times)
    if is_urgent:
        first = next(began for began, method, _ in played if method == methods - 1)
        assert first <= (methods - 1) * (URGENT.bound.total_seconds() + seconds + 1)
