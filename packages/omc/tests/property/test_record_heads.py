"""Whatever is done to a record after its head was kept outside of it is told, and an honest record never is."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from omc.store.audit import BEGINNING, FIRST, Head, compare, hash_of

PLACE, ELSEWHERE = "0" * 12, "1" * 12


def chain(salt: str, bodies: list[str]) -> dict[int, str]:
    found: dict[int, str] = {}
    previous = BEGINNING
    for number, body in enumerate(bodies, start=1):
        previous = found[number] = hash_of(previous, salt + body)
    return found


def head(found: dict[int, str], number: int, place: str = PLACE) -> Head:
    return Head(place, found[1][:FIRST], number, found[number], "s3://audit")


bodies = st.lists(st.text(max_size=5), min_size=1, max_size=12)


@given(bodies, st.data())
def test_a_record_that_only_grew_agrees_with_all_its_heads(texts: list[str], data: st.DataObject) -> None:
    found = chain("", texts)
    kept = data.draw(st.lists(st.integers(1, len(texts))))
    others = [Head(ELSEWHERE, hashlib.sha256(b"x").hexdigest()[:FIRST], 99, "f" * 64)]
    assert list(compare([*(head(found, number) for number in kept), *others], found, PLACE)) == []


@given(bodies, st.data())
def test_a_tail_that_was_cut_off_is_reported(texts: list[str], data: st.DataObject) -> None:
    found = chain("", texts)
    left = data.draw(st.integers(1, len(texts)))
    problems = list(compare([head(found, len(texts))], {n: h for n, h in found.items() if n <= left}, PLACE))
    assert len(problems) == (left < len(texts))
    assert all("its end was cut off" in problem for problem in problems)


@given(bodies, st.data())
def test_a_record_written_anew_is_reported(texts: list[str], data: st.DataObject) -> None:
    found = chain("", texts)
    since = data.draw(st.integers(1, len(texts)))
    forged = dict(found)
    previous = forged.get(since - 1, BEGINNING)
    for number in range(since, len(texts) + data.draw(st.integers(1, 3))):
        previous = forged[number] = hash_of(previous, f"forged {number}")
    [problem] = compare([head(found, len(texts))], forged, PLACE)
    assert ("from the beginning" in problem) is (since == 1)
    assert since == 1 or "the record was rewritten" in problem


@given(bodies)
def test_a_wiped_store_is_reported(texts: list[str]) -> None:
    [problem] = compare([head(chain("", texts), len(texts))], {}, PLACE)
    assert "this record is empty: the store was wiped" in problem
    [problem] = compare([head(chain("", texts), 1)], chain("a new one", texts), PLACE)
    assert "begins differently" in problem


@given(bodies, st.data())
def test_it_makes_no_difference_how_often_and_in_which_order_heads_were_kept(
    texts: list[str], data: st.DataObject
) -> None:
    """A run and the worker may each write the same head into the log group, which takes both."""
    found = chain("", texts)
    kept = [head(found, number) for number in data.draw(st.lists(st.integers(1, len(texts)), min_size=1))]
    kept += data.draw(st.sampled_from([[], [Head(PLACE, "e" * FIRST, 9, "f" * 64, "s3://audit")]]))
    left = data.draw(st.integers(0, len(texts)))
    records = (found, {n: h for n, h in found.items() if n <= left}, chain("forged", texts))
    again = data.draw(st.permutations(kept * data.draw(st.integers(2, 3))))
    for record in records:
        assert list(compare(again, record, PLACE)) == list(compare(kept, record, PLACE))


@given(bodies)
def test_a_record_that_moved_is_known_again_by_its_beginning(texts: list[str]) -> None:
    found = chain("", texts)
    kept = [head(found, len(texts), ELSEWHERE)]
    assert list(compare(kept, found, PLACE)) == []
    assert len(list(compare(kept, {1: found[1]}, PLACE))) == (len(texts) > 1)
