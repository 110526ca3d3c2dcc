"""Roles, tokens as values, and how often somebody may ask."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omc.access.model import (
    PERMISSIONS,
    RANDOM_BYTES,
    TOKEN_LENGTH,
    Caller,
    Created,
    NotAllowed,
    Permission,
    Revoked,
    Role,
    digest_of,
    matches,
    replay,
    require,
    role_for,
    token_of,
)
from omc.access.rates import MAX_BUCKETS, RateLimiter, network_of
from omc.errors import Refused
from omc.model.events import Event, UnknownEvent
from omc.redaction import REDACTED, mask

AT = datetime(2026, 11, 30, 12, tzinfo=UTC)


def test_each_role_may_what_the_one_below_it_may_and_something_more() -> None:
    assert list(PERMISSIONS) == list(Role)
    for lower, higher in pairwise(PERMISSIONS.values()):
        assert lower < higher
    assert PERMISSIONS[Role.ADMIN] == set(Permission)
    assert [role_for(each) for each in Permission] == list(Role)
    with pytest.raises(NotAllowed, match="has the role viewer, and this needs responder"):
        require(Caller("token x", Role.VIEWER), Permission.RESPOND)


@given(st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES))
def test_a_token_has_one_form_which_is_masked_wherever_it_stands(random: bytes) -> None:
    token = token_of(random)
    assert len(token) == TOKEN_LENGTH
    for text in (token, f"GET /x/{token}", f"the token '{token}'.", f"a={token}&b=c", f"x{token[3:]}: {token}"):
        assert token not in mask(text)
    assert mask(f"I found {token} in a log") == f"I found {REDACTED} in a log"


def test_a_token_is_found_again_by_itself_alone() -> None:
    token = token_of(b"\1" * RANDOM_BYTES)
    created = Created("grafana", "viewer", digest_of(token), AT + timedelta(hours=1))
    found = replay("id", [Event(AT, "ann", created)])
    assert found is not None
    assert matches(found, token)
    assert not matches(found, token_of(b"\2" * RANDOM_BYTES))
    assert not matches(found, "")
    assert found.is_valid(AT)
    assert not found.is_valid(AT + timedelta(hours=1))


def test_a_token_that_a_newer_omc_did_something_to_may_do_nothing_here() -> None:
    created = Event(AT, "ann", Created("grafana", "viewer", "0" * 64))
    narrowed = replay("id", [created, Event(AT, "ann", UnknownEvent("narrowed", 1, {}))])
    assert narrowed is not None
    assert narrowed.role is None
    other = replay("id", [Event(AT, "ann", Created("grafana", "auditor", "0" * 64))])
    assert other is not None
    assert other.role is None
    assert replay("id", [Event(AT, "ann", UnknownEvent("minted", 1, {}))]) is None
    with pytest.raises(Refused, match="was revoked already, by bob"):
        replay("id", [created, Event(AT, "bob", Revoked()), Event(AT, "ann", Revoked())])


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(1, 3)), max_size=60), st.integers(1, 30))
def test_nobody_gets_more_than_a_full_bucket_and_what_runs_into_it(steps: list[tuple[float, int]], size: int) -> None:
    clock = [0.0]
    limiter = RateLimiter(size, lambda: clock[0])
    let_in = 0.0
    for pause, cost in steps:
        clock[0] += pause
        wait = limiter.take("jo", cost)
        let_in += 0 if wait else min(cost, size)
        assert let_in <= size + clock[0] * size / 60 + 1e-6
        if wait:
            clock[0] += wait + 1e-6
            assert limiter.take("jo", cost) == 0
            let_in += min(cost, size)


def test_buckets_are_each_ones_own_and_so_many_at_most() -> None:
    limiter = RateLimiter(1, lambda: 0.0)
    assert limiter.take("jo") == 0
    assert limiter.take("jo") > 0
    assert limiter.take("sam") == 0
    for number in range(MAX_BUCKETS):
        limiter.take(number)
    assert len(limiter._buckets) == MAX_BUCKETS


@pytest.mark.parametrize(
    ("address", "counts_as"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("testclient", "testclient"),
    ],
)
def test_an_address_counts_as_the_network_that_one_customer_has(address: str, counts_as: str) -> None:
    assert network_of(address) == counts_as
