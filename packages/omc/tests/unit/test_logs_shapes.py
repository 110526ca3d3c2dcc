"""Which log messages say the same."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from omc.logs.shapes import shapes_of, without_values


def groups(*messages: str) -> int:
    return len(set(shapes_of(messages)))


def test_values_that_look_like_values_make_no_other_shape() -> None:
    assert groups("took 12 ms at 10.0.11.24:5432", "took 7.5 ms at 10.0.12.9:5432") == 1
    assert (
        groups(
            "request 3f2b8c1d-0a1b-4c2d-8e3f-4a5b6c7d8e9f failed", "request 00000000-0000-0000-0000-000000000000 failed"
        )
        == 1
    )
    assert groups('"GET /api/v1/prices?x=1 HTTP/1.1" 500', '"GET /api/v1/coins/7 HTTP/1.1" 502') == 1
    assert groups('"GET /a/b HTTP/1.1" 500', '"POST /a/b HTTP/1.1" 500') == 2
    assert without_values("arn:aws:ecs:ap-southeast-2:1:task/x at 2026-11-30T01:02:03Z") == "<arn> at <time>"


def test_a_word_is_a_value_where_it_takes_many_values_and_all_else_is_equal() -> None:
    coins = [f"no quote of coin {name} since the last restart" for name in ("btc", "eth", "xrp", "ada", "sol")]
    assert groups(*coins) == 1
    assert shapes_of(coins)[0] == "no quote of coin <*> since the last restart"


def test_a_word_after_one_that_names_is_a_value_sooner() -> None:
    assert groups("login failed for user bob from cafe", "login failed for user eve from cafe") == 1


def test_words_that_say_what_happened_stay_apart() -> None:
    assert groups("worker started now", "worker stopped now") == 2
    assert groups("database is down", "cache is down") == 2


def test_messages_of_one_value_are_not_all_the_same() -> None:
    assert groups("timeout", "refused", "reset", "closed", "denied") == 5


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=80), max_size=12))
def test_any_text_has_a_shape_and_equal_texts_have_the_same(messages: list[str]) -> None:
    shapes = shapes_of(messages + messages)
    assert shapes[: len(messages)] == shapes[len(messages) :]


@settings(max_examples=100, deadline=None)
@given(st.permutations(["user bob left", "user eve left", "disk 3 full", "disk 4 full", "a b c"]))
def test_the_order_makes_no_difference(messages: list[str]) -> None:
    by_message = dict(zip(messages, shapes_of(messages), strict=True))
    ordered = sorted(messages)
    assert by_message == dict(zip(ordered, shapes_of(ordered), strict=True))
