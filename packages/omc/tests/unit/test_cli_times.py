"""Times on the command line: before now, from now, or with their offset."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click
import pytest

from omc.cli.options import Ago, FromNow


@pytest.mark.parametrize(("kind", "sign"), [(Ago(), -1), (FromNow(), 1)])
@pytest.mark.parametrize(
    ("text", "length"),
    [("45m", timedelta(minutes=45)), ("24h", timedelta(hours=24)), ("30d", timedelta(days=30))],
)
def test_a_length_of_time_is_counted_from_now(kind: Ago, sign: int, text: str, length: timedelta) -> None:
    before = datetime.now(UTC)
    moment = kind.convert(text, None, None)
    assert before + sign * length <= moment <= datetime.now(UTC) + sign * length


@pytest.mark.parametrize("kind", [Ago(), FromNow()])
def test_a_time_has_its_offset(kind: Ago) -> None:
    assert kind.convert("2026-12-31T18:00+11:00", None, None) == datetime(2026, 12, 31, 7, tzinfo=UTC)
    for wrong in ("2026-12-31T18:00", "soon", "30", "30y", "-3d"):
        with pytest.raises(click.BadParameter):
            kind.convert(wrong, None, None)
