"""Where a finding stands since the last review: new, still there, accepted, fixed, or not seen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from omc.checks.finding import Finding, Level
from omc.checks.run import CheckList, Report
from omc.config import load
from omc.errors import WrongUse
from omc.model.events import Event
from omc.output.document import Chart, Document, Series
from omc.output.html import render as as_html
from omc.output.markdown import render as as_markdown
from omc.output.page import render as as_page
from omc.output.slack import render as as_slack
from omc.output.terminal import render as as_terminal
from omc.review.document import review_document
from omc.review.events import Accepted, Reviewed, ReviewEvent, Withdrawn, accept, remembered
from omc.review.model import NOTHING, Part, Review, ReviewedPart, ReviewStatus, judged, seen_of

NOW = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)
BEFORE = NOW - timedelta(days=7)
ENVIRONMENT = load(Path(__file__).parents[4] / "omc.toml").environments["staging"]


def finding(check: str, level: Level = Level.WARN, place: str = "database", *, unread: bool = False) -> Finding:
    return Finding(check, level, place, f"{check} of {place}.", place=place, unread=unread)


def report(*findings: Finding) -> Report:
    return Report("Costs", ENVIRONMENT, None, NOW, 0.1, findings, ())


OLD: ReviewEvent = Event(BEFORE, "ann", Reviewed("costs", seen_of(judged(report(finding("size")), "costs", NOTHING))))
ACCEPTED: ReviewEvent = Event(
    BEFORE, "ann", Accepted("size:database", "small on purpose", "ann", NOW + timedelta(days=1))
)
OVER: ReviewEvent = Event(BEFORE, "ann", Accepted("size:database", "small on purpose", "ann", NOW - timedelta(hours=1)))
WITHDRAWN: ReviewEvent = Event(NOW, "bob", Withdrawn("size:database", "it is full"))


@pytest.mark.parametrize(
    ("events", "findings", "status"),
    [
        ([], [finding("size")], ReviewStatus.NEW),
        ([OLD], [finding("size")], ReviewStatus.STILL),
        ([OLD], [finding("size", place="cache")], ReviewStatus.NEW),
        ([OLD], [finding("size", Level.OK)], ReviewStatus.FIXED),
        ([OLD], [], ReviewStatus.FIXED),
        ([OLD], [finding("size", Level.UNKNOWN, "costs", unread=True)], ReviewStatus.UNSEEN),
        ([OLD], [finding("size", Level.UNKNOWN, unread=True)], ReviewStatus.UNSEEN),
        ([], [finding("size", Level.UNKNOWN, unread=True)], ReviewStatus.NEW),
        ([OLD, ACCEPTED], [finding("size")], ReviewStatus.ACCEPTED),
        ([OLD, ACCEPTED], [finding("size", Level.UNKNOWN)], ReviewStatus.STILL),
        ([OLD, OVER], [finding("size")], ReviewStatus.STILL),
        ([OLD, ACCEPTED, WITHDRAWN], [finding("size")], ReviewStatus.STILL),
    ],
)
def test_a_finding_is_compared_with_the_last_review(
    events: list[ReviewEvent], findings: list[Finding], status: ReviewStatus
) -> None:
    found = judged(report(*findings), "costs", remembered(events))
    expected = "size:cache" if findings and findings[0].place == "cache" else "size:database"
    assert {each.key: each.status for each in found}[expected] is status


@pytest.mark.parametrize("place", ["costs", "database"])
def test_what_could_not_be_seen_is_not_forgotten_by_the_next_review(place: str) -> None:
    memory = remembered([OLD])
    unseen = judged(report(finding("size", Level.UNKNOWN, place, unread=True)), "costs", memory)
    again = remembered([OLD, Event(NOW, "ann", Reviewed("costs", seen_of(unseen)))])
    assert {each.key: each.since for each in again.seen["costs"]}["size:database"] == NOW
    [back] = judged(report(finding("size")), "costs", again)
    assert back.status is ReviewStatus.STILL


@pytest.mark.parametrize(
    ("key", "reason", "until"),
    [
        ("cost:database", "why not", NOW + timedelta(days=1)),
        ("size:database", " ", NOW + timedelta(days=1)),
        ("size:database", "why not", NOW),
        ("size:database", "why not", NOW + timedelta(days=500)),
    ],
)
def test_an_acceptance_names_a_finding_and_has_a_reason_and_an_end(key: str, reason: str, until: datetime) -> None:
    with pytest.raises(WrongUse):
        accept(key, reason, "ann", until, NOW, remembered([OLD]))
    with pytest.raises(WrongUse, match="--owner NAME"):
        accept("size:database", "why not", " ", NOW + timedelta(days=1), NOW, remembered([OLD]))


def test_what_was_accepted_does_not_count() -> None:
    part = Part("costs", CheckList("Costs", ()))
    failing = report(finding("size", Level.FAIL))
    for events, code in (((OLD,), 1), ((OLD, ACCEPTED), 0)):
        found = judged(failing, "costs", remembered(events))
        review = Review((ReviewedPart(part, failing, found, (), BEFORE),), NOW)
        assert review.exit_code == code
        assert "size of database." in as_terminal(review_document(review, ENVIRONMENT))


CHART = Chart("<b>Costs</b> a day", ("Mon", "Tue", "<i>"), (Series("ECS & co", (1.0, None, 3.0)),), "USD")


@pytest.mark.parametrize("chart", [CHART, Chart(CHART.title, CHART.labels, CHART.series, "USD", is_bars=True)])
def test_a_chart_has_its_figures_in_every_medium_and_breaks_out_of_none(chart: Chart) -> None:
    document = Document("", (chart,))
    assert "3 USD" in as_terminal(document)
    assert "not known" in as_markdown(document)
    assert "3 USD" in str(as_slack(document)) or chart.is_bars
    for page in (as_html(document), as_page(document)):
        assert "<b>" not in page
        assert "<i>" not in page
        assert "<script" not in page
        assert "<svg" in page
