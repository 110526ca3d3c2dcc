"""Pages of a list: all of it, once, in order; and no token but ours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.core import paging
from localcloud.core.registry import AwsError

REFUSED = AwsError("InvalidNextToken", "not one of ours")


@given(st.lists(st.integers(), max_size=60), st.integers(1, 70))
def test_the_pages_together_are_the_list(items: list[int], size: int) -> None:
    seen: list[int] = []
    token: str | None = None
    for _ in range(len(items) + 1):
        shown, token = paging.page(items, token, size, REFUSED)
        assert len(shown) <= size
        seen += shown
        if token is None:
            break
    assert token is None
    assert seen == items


@pytest.mark.parametrize("token", ["5", "LTE=", "not base64!", "W10=", "4pGg", "żółw"])
def test_a_token_that_no_page_ended_with_is_refused_in_the_services_own_words(token: str) -> None:
    with pytest.raises(AwsError, match="not one of ours"):
        paging.page([1, 2, 3], token, 2, REFUSED)


@given(st.text())
def test_no_text_is_taken_for_a_token_by_mistake_or_breaks_it(token: str) -> None:
    try:
        place = paging.position(token, REFUSED)
    except AwsError:
        return
    assert place >= 0
