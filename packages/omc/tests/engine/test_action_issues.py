"""Action items become issues on GitHub, one each, whoever dies in between; closed ones are done."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from omc.config.tables import GitHubSettings
from omc.errors import OmcError, Refused, Throttled, Unknown, WrongUse
from omc.github_api import Answer
from omc.incidents.events import ActionItem
from omc.incidents.incident import Incident
from omc.responder.action_issues import publish, reconcile, reconcile_all
from omc.responder.issues import PAGE, Issues, issues_of
from omc.responder.life import Doer
from omc.responder.postmortem import postmortem_document
from omc.responder.reminders import add_action_item
from omc.store.claims import exclusively
from omc.store.incidents import incident_of, open_incident
from omc.store.opened import Store
from support.github import TOKEN, IssueTracker, issue_tracker
from support.notify_world import STAGING

ANN = Doer("ann")
HOSTILE = "Raise it @everyone <!-- omc:action item ohmycoins/staging/1/2 --> #1 [x](https://evil.example)"


@pytest.fixture
def tracker(monkeypatch: pytest.MonkeyPatch) -> Iterator[IssueTracker]:
    monkeypatch.setenv("GH_TOKEN", TOKEN)
    with issue_tracker() as made:
        yield made


@pytest.fixture
def issues(tracker: IssueTracker) -> Issues:
    return issues_of(GitHubSettings(api=tracker.address, repository="o/r"))


@pytest.fixture
def incident(store: Store) -> Incident:
    open_incident(store, "staging", 2, "Users can't log in", "ann")
    for number, text in enumerate(("Raise the limit", HOSTILE), start=1):
        due = store.now() + timedelta(days=7)
        add_action_item(store, "staging", 1, ANN, ActionItem(str(number), text, "jo", due))
    return incident_of(store, "staging", 1)


def published(store: Store, issues: Issues, pauses: list[float] | None = None) -> list[Any]:
    waits = pauses if pauses is not None else []
    return publish(store, STAGING, "staging", 1, ANN, issues, waits.append)


def links(store: Store) -> list[str | None]:
    return [each.link for each in incident_of(store, "staging", 1).action_items.values()]


@pytest.mark.usefixtures("incident")
def test_each_action_item_becomes_one_issue_with_a_link_both_ways(
    store: Store, issues: Issues, tracker: IssueTracker
) -> None:
    tracker.add("somebody's pull request", pull_request={})
    pauses: list[float] = []
    assert [(each.item, each.is_new) for each in published(store, issues, pauses)] == [("1", True), ("2", True)]
    assert pauses == [1.0], "GitHub wants a second between two"
    assert links(store) == ["https://github.com/o/r/issues/2", "https://github.com/o/r/issues/3"]
    first = tracker.issues[1]
    assert first["title"] == "Raise the limit"
    assert "omc incident postmortem 1" in first["body"]
    assert first["body"].endswith("<!-- omc:action item ohmycoins/staging/1/1 -->")
    assert published(store, issues) == [], "all have one"
    assert len(tracker.issues) == 3


@pytest.mark.usefixtures("incident")
def test_a_text_that_looks_like_a_marker_or_a_mention_is_only_a_text(
    store: Store, issues: Issues, tracker: IssueTracker
) -> None:
    published(store, issues)
    body = tracker.issues[1]["body"]
    assert body.count("<!-- omc:") == 1
    assert "@everyone" not in body
    assert "](https://evil" not in body


@pytest.mark.usefixtures("incident")
def test_whoever_dies_before_the_link_is_recorded_makes_no_second_issue(
    store: Store, issues: Issues, tracker: IssueTracker
) -> None:
    tracker.lost = 1
    with pytest.raises(Unknown, match="GitHub can't be asked"):
        published(store, issues)
    assert (len(tracker.issues), links(store)) == (1, [None, None])
    for number in range(PAGE + 5):  # so that it stands on a second page
        tracker.add(f"another one {number}")
    found = published(store, issues)
    assert [(each.item, each.is_new) for each in found] == [("1", False), ("2", True)]
    assert links(store)[0] == "https://github.com/o/r/issues/1"
    assert sum("omc:action item" in each["body"] for each in tracker.issues) == 2


@pytest.mark.usefixtures("incident")
def test_of_two_at_the_same_time_one_is_refused(store: Store, issues: Issues, tracker: IssueTracker) -> None:
    with (
        exclusively(store, "issues of incident 1 of staging"),
        pytest.raises(Refused, match="Another omc is at it just now"),
    ):
        published(store, issues)
    assert tracker.requests == []
    assert len(published(store, issues)) == 2, "and then it is free again"


@pytest.mark.usefixtures("incident")
def test_a_closed_issue_ends_its_action_item_and_says_how(store: Store, issues: Issues, tracker: IssueTracker) -> None:
    published(store, issues)
    assert reconcile(store, "staging", [1], ANN, issues) == []
    tracker.close(1)
    tracker.close(2, "not_planned")
    assert not reconcile_all(store, ["staging"], issues)
    found = incident_of(store, "staging", 1)
    assert set(found.action_items_done) == {"1", "2"}
    assert found.action_items_dropped == {"2"}
    shown = postmortem_document(found, "UTC", store.now()).data["action_items"]
    assert [(each["state"], each["link"]) for each in shown] == [
        ("done", "https://github.com/o/r/issues/1"),
        ("dropped", "https://github.com/o/r/issues/2"),
    ]
    before = len(tracker.requests)
    reconcile_all(store, ["staging"], issues)
    assert len(tracker.requests) == before, "what is done is asked for no more"


@pytest.mark.usefixtures("incident")
def test_an_issue_that_was_deleted_or_is_elsewhere_decides_nothing(
    store: Store, issues: Issues, tracker: IssueTracker
) -> None:
    published(store, issues)
    tracker.said += [(410, {"message": "This issue was deleted"}, {}), (404, {"message": "Not Found"}, {})]
    assert reconcile(store, "staging", [1], ANN, issues) == []
    assert issues.number_of("https://github.com/other/r/issues/1") is None
    assert issues.number_of("https://github.com/O/R/issues/7") == 7
    assert issues.number_of("https://github.com/o/r/pull/7") is None


@pytest.mark.parametrize(
    ("answers", "kind", "sentence"),
    [
        ([(200, [], {}), (410, {"message": "Issues are disabled for this repo"}, {})], Unknown, "issues switched off"),
        ([(403, {}, {"Retry-After": "37"})], Throttled, "no further request for 37 s"),
        ([(403, {"message": "You have exceeded a secondary rate limit."}, {})], Throttled, "for 60 s"),
        ([(429, {}, {})], Throttled, "for 60 s"),
        ([(403, {"message": "Resource not accessible"}, {})], Unknown, "403 Forbidden .* `issues: write`"),
        ([(404, {"message": "Not Found"}, {})], Unknown, "404 Not Found"),
        ([(200, {"not": "a list"}, {})], Unknown, "can't be read"),
        ([(200, [], {}), (422, {"message": "Validation Failed"}, {})], Unknown, "422"),
        ([(301, {"url": "https://api.github.com/x"}, {"Location": "http://127.0.0.1:9/"})], Unknown, "301"),
    ],
)
@pytest.mark.usefixtures("incident")
def test_what_github_refuses_is_a_sentence_and_nothing_is_recorded(
    store: Store, issues: Issues, tracker: IssueTracker, answers: list[Any], kind: type[OmcError], sentence: str
) -> None:
    tracker.said += answers
    with pytest.raises(kind, match=sentence) as caught:
        published(store, issues)
    assert TOKEN not in caught.value.message
    assert links(store) == [None, None]
    assert tracker.issues == []


def test_a_primary_rate_limit_is_waited_for_by_githubs_own_clock() -> None:
    headers = {
        "x-ratelimit-remaining": "0",
        "x-ratelimit-reset": "1795996860",
        "date": "Mon, 30 Nov 2026 00:00:00 GMT",
    }
    assert Answer(403, "Forbidden", headers, b"").wait == 60
    assert Answer(403, "Forbidden", {**headers, "date": "who knows"}, b"").wait == 60
    assert Answer(403, "Forbidden", {"x-ratelimit-remaining": "12"}, b"").wait is None
    assert Answer(200, "OK", headers, b"").wait is None


def test_without_a_repository_or_a_token_it_is_said_before_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GH_TOKEN", raising=False)
    monkeypatch.delenv("GITHUB_TOKEN", raising=False)
    with pytest.raises(WrongUse, match="no repository"):
        issues_of(GitHubSettings())
    with pytest.raises(WrongUse, match="GH_TOKEN"):
        issues_of(GitHubSettings(repository="o/r"))
