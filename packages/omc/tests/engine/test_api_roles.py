"""Who may ask what of the API: each route with each role, and with none. A route that isn't in this table fails."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import pytest

from omc.access.model import PERMISSIONS, Permission, Role
from omc.responder.api.app import routes
from omc.responder.api.callers import needed
from omc.store.incidents import open_incident
from omc.store.opened import Store
from support.api_server import ApiServer, api_server, stack_in

READ, RESPOND, APPROVE, ADMINISTER = (
    Permission.READ,
    Permission.RESPOND,
    Permission.APPROVE,
    Permission.ADMINISTER,
)
EVERYBODY = None
ENVIRONMENT = "/v1/environments/{environment}"
INCIDENT = f"{ENVIRONMENT}/incidents/{{number}}"
NEEDS: Mapping[tuple[str, str], Permission | None] = {
    ("GET", "/healthz"): EVERYBODY,
    ("GET", "/readyz"): EVERYBODY,
    ("GET", "/v1/calendars/{secret}.ics"): EVERYBODY,  # by the secret in its address: 404 without it
    **{(method, "/ack/{token}"): EVERYBODY for method in ("GET", "HEAD", "POST")},  # by the token in its address
    ("POST", "/v1/sns"): EVERYBODY,  # by its signature
    **{
        (method, f"/status/{{environment}}/{what}"): EVERYBODY  # what omc.toml makes public
        for method, what in (
            *(("GET", "api/v2/summary.json"), ("GET", "api/v2/incidents.json")),
            *(("GET", "history.atom"), ("GET", "history.rss"), ("POST", "subscriptions")),
            *((method, door) for method in ("GET", "POST") for door in ("confirm", "unsubscribe")),
        )
    },
    ("GET", "/metrics"): READ,
    ("GET", "/v1/me/browsers"): READ,
    ("POST", "/v1/me/browsers"): READ,
    ("DELETE", "/v1/me/browsers/{browser}"): READ,
    ("GET", "/v1/me"): READ,
    ("GET", "/v1/environments"): READ,
    ("GET", f"{ENVIRONMENT}/incidents"): READ,
    ("POST", f"{ENVIRONMENT}/incidents"): RESPOND,
    ("GET", INCIDENT): READ,
    **{
        ("POST", f"{INCIDENT}/{verb}"): RESPOND
        for verb in (
            *("notes", "severity", "acknowledge", "snooze", "unsnooze", "updates", "detach", "mitigate", "resolve"),
            *("reopen", "assign", "page", "escalate", "merge", "unmerge", "split"),
            *("postmortem/measurement", "action-items", "action-items/{item}/done"),
        )
    },
    ("PUT", f"{INCIDENT}/action-items/{{item}}"): RESPOND,
    ("GET", f"{INCIDENT}/postmortem"): READ,
    ("PATCH", f"{INCIDENT}/postmortem"): RESPOND,
    ("GET", f"{INCIDENT}/postmortem/export"): READ,
    ("GET", f"{ENVIRONMENT}/action-items"): READ,
    ("GET", f"{ENVIRONMENT}/statistics"): READ,
    ("GET", f"{ENVIRONMENT}/alerts"): READ,
    ("GET", f"{ENVIRONMENT}/alerts/{{key}}"): READ,
    ("GET", f"{ENVIRONMENT}/alerts/{{key}}/explanation"): READ,
    ("GET", f"{ENVIRONMENT}/planned"): READ,
    ("POST", f"{ENVIRONMENT}/replays"): RESPOND,
    ("POST", f"{ENVIRONMENT}/notifications"): RESPOND,
    ("GET", f"{ENVIRONMENT}/silences"): READ,
    ("POST", f"{ENVIRONMENT}/silences"): RESPOND,
    ("POST", f"{ENVIRONMENT}/silences/preview"): RESPOND,
    ("GET", f"{ENVIRONMENT}/silences/{{silence}}"): READ,
    ("POST", f"{ENVIRONMENT}/silences/{{silence}}/end"): RESPOND,
    ("POST", f"{ENVIRONMENT}/silences/{{silence}}/extend"): RESPOND,
    ("GET", f"{ENVIRONMENT}/maintenances"): READ,
    ("GET", f"{ENVIRONMENT}/maintenances/{{maintenance}}"): READ,
    ("POST", f"{ENVIRONMENT}/maintenances/{{maintenance}}/sign"): RESPOND,
    ("POST", f"{ENVIRONMENT}/maintenances/{{maintenance}}/notes"): RESPOND,
    ("POST", f"{ENVIRONMENT}/maintenances/{{maintenance}}/abort"): RESPOND,
    ("GET", f"{ENVIRONMENT}/pages"): READ,
    ("POST", f"{ENVIRONMENT}/pages/{{page}}/retry"): RESPOND,
    ("GET", f"{ENVIRONMENT}/test-pages"): READ,
    ("POST", f"{ENVIRONMENT}/test-pages"): RESPOND,
    ("GET", f"{ENVIRONMENT}/maintenance/calendar"): READ,
    ("GET", f"{ENVIRONMENT}/runs"): APPROVE,
    ("GET", f"{ENVIRONMENT}/runs/{{run}}"): APPROVE,
    ("POST", f"{ENVIRONMENT}/runs/{{run}}/approve"): APPROVE,
    ("POST", f"{ENVIRONMENT}/runs/{{run}}/refuse"): APPROVE,
    **{
        ("GET", f"/v1/on-call/{what}"): READ
        for what in (
            *("now", "explanation", "gaps", "record", "rotas/{rota}/schedule", "rotas/{rota}/calendar"),
            "people/{person}/calendar",
        )
    },
    **{
        ("POST", f"/v1/on-call/{what}"): RESPOND
        for what in (
            *("rotas/{rota}/overrides", "rotas/{rota}/take", "rotas/{rota}/cover", "rotas/{rota}/undo", "imports"),
            *("people/{person}/test", "people/{person}/contacts/code", "people/{person}/contacts/confirm"),
            *("people/{person}/contacts/withdraw", "calendars", "calendars/{address}/revoke"),
        )
    },
    ("GET", "/v1/on-call/calendars"): RESPOND,
    ("GET", "/v1/tokens"): ADMINISTER,
    ("POST", "/v1/tokens/{token_id}/revoke"): ADMINISTER,
    ("DELETE", "/v1/tokens/{token_id}"): ADMINISTER,
}
VALUES = {
    "environment": "production",
    "number": "1",
    "key": "0" * 32,
    "silence": "1",
    "maintenance": "1",
    "page": "page:production:1:1:jo",
    "run": "0vqk3m7x",
    "rota": "primary",
    "person": "jo",
    "address": "0" * 16,
    "token_id": "0" * 16,
    "token": "0" * 16,
    "browser": "0" * 16,
    "item": "1",
    "secret": "omc_cal_" + "A" * 43,
}


@pytest.fixture(scope="module")
def api(store_of_module: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    limits = "[server.limits]\nrequests_per_minute = 100000\naddress_requests_per_minute = 100000\n"
    open_incident(store_of_module, "production", 2, "Prices are late", "ann")
    with api_server(store_of_module, stack_in(tmp_path_factory.mktemp("api"), limits)) as server:
        yield server


def test_each_route_is_in_the_table_and_none_is_there_that_is_not() -> None:
    there = {(method, route.path): needed(route.dependant) for method, route in routes()}
    assert there == dict(NEEDS)


@pytest.mark.parametrize("role", [None, *Role])
def test_a_role_may_what_the_table_says_and_nothing_else(api: ApiServer, role: Role | None) -> None:
    """Who may isn't told 401 or 403, whatever else is wrong with the request; who may not is told nothing else."""
    wrong, said = [], []
    with api.of(role.value) if role else api.client() as client:
        for (method, path), needed in NEEDS.items():
            address = re.sub(r"\{(\w+)\}", lambda found: VALUES[found[1]], path)
            answer = client.request(method, address)
            status = answer.status_code
            said.append(answer.text)
            if needed is None:
                is_right = status in (200, 404)
            elif role is None:
                is_right = status == 401
            elif needed in PERMISSIONS[role]:
                is_right = status not in (401, 403)
            else:
                is_right = status == 403
            if not is_right:
                wrong.append((method, path, status))
    assert wrong == []
    secrets = [*api.tokens.values(), VALUES["secret"]]
    assert not any(secret in text for secret in secrets for text in (*said, *api.log))
