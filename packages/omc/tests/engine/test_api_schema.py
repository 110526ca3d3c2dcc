"""The API does what its own schema says: much that the schema allows is asked, and much that it doesn't."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from omc.responder.api.app import make_app, routes
from omc.responder.api.context import make_context
from omc.responder.api.guard import SNS_PATH
from omc.store import embedded
from omc.store.incidents import open_incident
from support.api_server import measured, on_call_of, stack_in, tokens_of_each_role
from support.engine_world import execute, opened_at, place_in

LIMITS = "[server.limits]\nrequests_per_minute = 100000\naddress_requests_per_minute = 100000\n"
OPERATIONS = [(method, route.path) for method, route in routes() if route.include_in_schema]
MAX_EXAMPLES = 8
NOT_IN_A_SCHEMA = {
    *("browsers", "merge", "notifications", "snooze", "split", "updates"),
    *("replays", "silences", "extend", "test-pages", "take", "cover", "imports", "calendars"),
    *("postmortem", "end"),
}
"""What is refused with 400 although a schema can't say so: a key that is no point of the curve; into itself; a
component that there isn't; another's format; minutes and a time, or a time that is over; alerts that it doesn't have;
rules of omc.toml; nobody of [people]; an export that is none; a rota and a person; a version that is over."""


@pytest.fixture(scope="module")
def schema(server: embedded.Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    execute(server, "CREATE DATABASE of_schema TEMPLATE template_omc STRATEGY file_copy")
    with opened_at(place_in(server, "of_schema")) as store:
        stack = stack_in(tmp_path_factory.mktemp("api"), LIMITS)
        chosen = [stack.environments["staging"], stack.environments["production"]]
        on_call = on_call_of(stack, store)
        app = make_app(make_context(stack, chosen, store, on_call=on_call, log=lambda _: None, measure=measured))
        for number in range(3):
            open_incident(store, "production", 2, f"number {number}", "ann")
        loaded = schemathesis.openapi.from_asgi("/openapi.json", app)
        yield loaded, {"Authorization": f"Bearer {tokens_of_each_role(store)['admin']}"}


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_what_the_schema_allows_is_taken(schema: Any, method: str, path: str) -> None:
    """Or refused by what is so just then, which no schema can say: there is no such person, it is resolved already."""
    loaded, headers = schema
    is_more = method != "GET" and path.rpartition("/")[2] in NOT_IN_A_SCHEMA

    def ask(case: Case[Any]) -> None:
        if "number" in case.path_parameters and case.path_parameters["number"] % 4:
            case.path_parameters["number"] = case.path_parameters["number"] % 4  # one that there is
        case.call_and_validate(headers=headers, excluded_checks=[positive_data_acceptance] if is_more else [])

    checked(loaded[path][method], GenerationMode.POSITIVE, ask)


@pytest.mark.parametrize(("method", "path"), [each for each in OPERATIONS if "/v1/" in each[1] and each[1] != SNS_PATH])
def test_what_the_schema_does_not_allow_is_refused(schema: Any, method: str, path: str) -> None:
    loaded, headers = schema
    checked(loaded[path][method], GenerationMode.NEGATIVE, lambda case: case.call_and_validate(headers=headers))


def checked(operation: Any, mode: GenerationMode, ask: Callable[[Case[Any]], object]) -> None:
    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=MAX_EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def run(case: Case[Any]) -> None:
        ask(case)

    run()
