"""Errors among log events: by shape, and which came with the last deployment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from omc.logs.documents import errors_document
from omc.logs.errors import errors_by_shape
from omc.logs.model import Answer, Deployed, LogEvent, Span
from omc.logs.reading import Errors
from omc.output import markdown, terminal

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
GROUP = "/ecs/ohmycoins-staging/backend"
SERVICES = {GROUP: "backend"}


def event(minutes: float, message: str, stream: str = "a", group: str = GROUP) -> LogEvent:
    return LogEvent(NOON + timedelta(minutes=minutes), group, stream, message)


def deployed(minutes: float) -> dict[str, Deployed]:
    return {"backend": Deployed("backend", "ohmycoins-backend:8", NOON + timedelta(minutes=minutes), "successful")}


def test_errors_are_counted_by_shape_with_first_and_last_and_the_newest_as_example() -> None:
    found = errors_by_shape(
        [
            event(1, "ERROR could not reach 10.0.1.5: timeout after 3 s", "a"),
            event(3, "ERROR could not reach 10.0.1.9: timeout after 5 s", "b"),
            event(2, "ERROR no such coin: doge"),
            event(4, "INFO all is well, 0 errors"),
        ],
        services=SERVICES,
    )
    assert [(each.count, each.streams, each.sources) for each in found] == [(2, 2, ("backend",)), (1, 1, ("backend",))]
    assert (found[0].first, found[0].last) == (NOON + timedelta(minutes=1), NOON + timedelta(minutes=3))
    assert found[0].example == "ERROR could not reach 10.0.1.9: timeout after 5 s"


def test_an_error_is_new_where_all_of_it_came_after_the_deployment() -> None:
    events = [event(1, "ERROR old one here"), event(20, "ERROR old one here"), event(21, "ERROR quite another thing")]
    found = {each.shape: each for each in errors_by_shape(events, deployed(10), SERVICES, NOON)}
    assert found["ERROR old one here"].is_new is False
    assert found["ERROR quite another thing"].is_new is True
    assert found["ERROR quite another thing"].since == deployed(10)["backend"]


def test_whether_it_is_new_is_unknown_where_nothing_before_the_deployment_was_read() -> None:
    (found,) = errors_by_shape([event(1, "ERROR x")], deployed(-30), SERVICES, NOON)
    assert found.is_new is None
    (found,) = errors_by_shape([event(1, "ERROR x")], {}, SERVICES, NOON)
    assert found.is_new is None


def test_a_line_without_a_time_is_counted() -> None:
    (found,) = errors_by_shape([LogEvent(None, "app.log", "", "ERROR x")], begin=NOON)
    assert (found.count, found.first, found.is_new) == (1, None, None)


def test_secrets_are_masked_and_text_from_outside_is_escaped() -> None:
    secret = "hunter2hunter2"
    line = f'ERROR login failed password="{secret}" \x1b]0;x\x07 | <b>'
    found = errors_by_shape([event(1, line)], deployed(0), SERVICES, NOON - timedelta(hours=1))
    errors = Errors(found, Answer(scanned=1), tuple(deployed(0).values()))
    document = errors_document(errors, "staging", "Australia/Sydney", Span(NOON, NOON))
    for text in (terminal.render(document), markdown.render(document), str(document.data)):
        assert secret not in text
        assert "\x1b" not in text
    assert "new" in terminal.render(document)


def test_no_event_at_all_is_unknown_and_not_fine() -> None:
    document = errors_document(Errors((), Answer()), "staging", "UTC", None)
    assert "Nothing at all was logged" in terminal.render(document)
    quiet = errors_document(Errors((), Answer(scanned=5)), "staging", "UTC", None)
    assert "No error was logged. 5 events looked at" in terminal.render(quiet)
