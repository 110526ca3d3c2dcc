"""What is written for a phone fits, is cut where it does no harm, and can be shown by any phone."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omc.model.pages import SHORT
from omc.notify.text import (
    GSM,
    GSM_EXTENSION,
    MAX_LINE,
    MAX_LINES,
    MAX_PARTS_UCS2,
    OF_MANY_UCS2,
    ONE_PART,
    code_of,
    cut,
    fold,
    is_gsm,
    long_form,
    septets,
    short_form,
    sms,
    units,
)

WORDS = st.text(max_size=400)
ESCAPE = re.compile(r"\\(?:x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})")
KEY = "page:staging:3:0:jo"


@given(WORDS, st.integers(0, 200))
def test_what_is_cut_fits_and_is_the_beginning_of_the_text(text: str, most: int) -> None:
    shown = cut(text, most)
    assert len(shown) <= most
    assert shown == text or text.startswith(shown.removesuffix("…"))


@given(
    st.lists(st.sampled_from(["1234567", "\\x1b", "\\u200b", "https://a.example/b", "98.6%"]), max_size=40),
    st.integers(1, 120),
)
def test_no_number_escape_or_address_is_cut_in_two(words: list[str], most: int) -> None:
    shown = cut(" ".join(words), most).removesuffix("…").split()
    assert shown == words[: len(shown)]


@pytest.mark.parametrize(
    ("text", "most", "shown"),
    [
        ("backend answers 5xx", 30, "backend answers 5xx"),
        ("backend answers 5xx", 18, "backend answers…"),
        ("backend answers 5xx", 16, "backend answers…"),
        ("backend answers 5xx", 15, "backend…"),
        ("at 1,234,567 requests", 8, "at…"),
        ("a\\x1b[31m", 4, "a…"),
        ("Wortungeheuer", 5, "Wort…"),
        ("one, two", 6, "one…"),
    ],
)
def test_it_is_cut_at_a_word(text: str, most: int, shown: str) -> None:
    assert cut(text, most) == shown


@given(WORDS, WORDS)
def test_a_short_form_is_one_line_that_fits(problem: str, step: str) -> None:
    shown = short_form(problem, step)
    assert len(shown) <= SHORT
    assert "\n" not in shown


@pytest.mark.parametrize("length", [10, 100, 160, 400])
def test_the_next_step_is_there_whole(length: int) -> None:
    step = "Run: omc rollback --env production"
    shown = short_form("backend answers 5xx " * (length // 20 + 1), step)
    assert shown.endswith(step)
    assert shown.startswith("backend answers 5xx")


@given(WORDS)
def test_an_sms_of_the_gsm_alphabet_is_one_part_and_any_other_few(text: str) -> None:
    message, code = sms(text, KEY), code_of(KEY)
    assert message.endswith(f" {code}") or message == code
    if is_gsm(message):
        assert septets(message) <= ONE_PART
        return
    assert units(message) <= MAX_PARTS_UCS2 * OF_MANY_UCS2
    begin, end = units(message) - len(code), units(message) - 1
    assert units(message) <= 70 or begin // OF_MANY_UCS2 == end // OF_MANY_UCS2, "the code stands in one part"


@given(st.lists(st.sampled_from("сервис недоступен 日本語 9 é"), max_size=400).map("".join))
def test_in_another_script_the_code_stands_in_one_part(text: str) -> None:
    message, code = sms(text, KEY), code_of(KEY)
    assert message.endswith(code)
    assert units(message) <= MAX_PARTS_UCS2 * OF_MANY_UCS2
    if units(message) > 70:
        assert (units(message) - len(code)) // OF_MANY_UCS2 == (units(message) - 1) // OF_MANY_UCS2


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("“backend” — 80 % …", '"backend" - 80 % ...'),
        ("a → b ≥ c", "a -> b >= c"),
        ("žluťoučký kůň", "zlutoucky kun"),
        ("Zürich, Ærø, Øre", "Zürich, Ærø, Øre"),
        ("€ [x] {y}", "€ [x] {y}"),
        ("fire 🔥", "fire ?"),
        ("сервис", "сервис"),
        ("ﬁve", "five"),
    ],
)
def test_typography_is_folded_and_other_scripts_stay(text: str, folded: str) -> None:
    assert fold(text) == folded


@given(WORDS)
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


def test_the_alphabet_has_its_number_of_characters() -> None:
    assert len(set(GSM)) == len(GSM) == 127, "128 less the escape (3GPP TS 23.038, 6.2.1)"
    assert len(GSM_EXTENSION) == 10
    assert septets("[a]") == 5


def test_codes_differ_with_the_key_and_have_no_letters_that_are_confused() -> None:
    codes = [code_of(f"page:staging:{number}:0:jo") for number in range(500)]
    assert len(set(codes)) == 500
    assert all(re.fullmatch(r"#[2-9a-hjkmnp-z]{6}", code) for code in codes)
    assert all(one != other for one, other in pairwise(codes))


@given(st.lists(WORDS, max_size=60).map(tuple))
def test_a_long_form_is_as_long_as_somebody_reads(lines: tuple[str, ...]) -> None:
    shown = long_form(lines)
    assert len(shown) <= MAX_LINES + 1
    assert all(len(each) <= MAX_LINE and "\n" not in each for each in shown)
