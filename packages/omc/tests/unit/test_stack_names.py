"""omc.toml for a stack that is called otherwise: names by environment, placeholders, AWS's own rules, optional keys."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from omc.config import Environment, Service, load
from omc.config.names import RULES, name_problem
from omc.errors import StackError
from omc.times import format_time, zone_named

ACME = """\
name = "omc-acme"
time_zone = "+02:00"

[environments.prod]
prefix = "acme-prod"
region = "eu-central-1"
account = "123456789012"
cluster = "acme"
load_balancer = "acme"
database_cluster = "acme-prod"
cache = ""
terraform = "infra/envs/prod"

[environments.test]
prefix = "acme-test"
load_balancer = ""
cache_serverless = "acme-cache"

[environments.test.services.web]
absent = true

[environments.test.services.api]
ecs_service = "api"
port = 9090
target_group = []

[services.api]
ecs_service = "acme-{environment}-api"
port = 8080
target_group = ["api-public", "api-internal"]
minimum = 2
maximum = 6
cpu_target = 60
connections = ["POOL", "OVERFLOW"]

[services.web]
ecs_service = "{prefix}-{service}"
port = 3000
family = "{name}_{service}"
log_group = "/aws/ecs/{account}/{service}"
container = "nginx"

[services.worker]
cluster = "{prefix}-batch"
connections = 5

[jobs.nightly]
schedule = "acme/{service}"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OMC_STACK", raising=False)
    monkeypatch.delenv("OMC_LOCAL_STATE", raising=False)
    return tmp_path


def read(folder: Path, text: str) -> dict[str, Environment]:
    (folder / "omc.toml").write_text(text)
    return dict(load().environments)


def service(environment: Environment, name: str) -> Service:
    found = environment.service_named(name)
    assert found is not None
    return found


def test_names_follow_from_placeholders_and_from_what_is_different_in_an_environment(folder: Path) -> None:
    prod, test = read(folder, ACME).values()
    api, web, worker = (service(prod, name) for name in ("api", "web", "worker"))
    assert (api.ecs_service, api.cluster, api.family) == ("acme-prod-api", "acme", "omc-acme-api")
    assert (api.target_groups, api.connections) == (("api-public", "api-internal"), ("POOL", "OVERFLOW"))
    assert (web.ecs_service, web.family, web.container) == ("acme-prod-web", "omc-acme_web", "nginx")
    assert (web.log_group, web.target_groups) == ("/aws/ecs/123456789012/web", ("acme-prod-web",))
    assert (worker.ecs_service, worker.cluster) == ("worker", "acme-prod-batch")
    assert prod.clusters == ("acme", "acme-prod-batch")
    assert prod.in_ecs("api") == ("acme", "acme-prod-api")
    assert prod.service_in("acme", "acme-prod-api") == api
    assert prod.service_in("acme-prod-batch", "acme-prod-api") is None
    there = service(test, "api")
    assert (there.ecs_service, there.port, there.target_groups, there.maximum) == ("api", 9090, (), 6)
    assert [each.name for each in test.services] == ["api", "worker"]
    assert service(test, "worker").cluster == "acme-test-batch"


def test_what_a_service_does_not_have_is_none(folder: Path) -> None:
    prod, test = read(folder, ACME).values()
    worker = service(prod, "worker")
    assert (worker.port, worker.target_groups, worker.minimum, worker.maximum, worker.cpu_target) == (
        *(None, (), None, None, None),
    )
    assert not worker.scales
    assert service(prod, "api").scales
    assert (prod.has_load_balancer, prod.load_balancer) == (True, "acme")
    assert (test.has_load_balancer, test.load_balancer) == (False, None)
    assert (prod.database_cluster, test.cache_serverless) == ("acme-prod", "acme-cache")
    assert (prod.terraform, test.terraform) == (
        folder / "infra/envs/prod",
        folder / "infrastructure/terraform/environments/test",
    )
    stack = load()
    assert stack.on_call.chain == ()
    assert stack.channels.incidents is None
    assert stack.runbook.address is None


def test_a_job_has_names_as_a_service_has(folder: Path) -> None:
    [job] = read(folder, ACME)["prod"].jobs
    assert (job.name, job.family, job.cluster, job.container) == ("nightly", "omc-acme-nightly", "acme", "nightly")
    assert (job.log_group, job.schedule) == ("/ecs/acme-prod/nightly", "acme/nightly")


MISTAKES = [
    (
        'ecs_service = "acme-{environment}-api"',
        'ecs_service = "acme-{enviroment}-api"',
        ['Did you mean "environment"?'],
    ),
    ('ecs_service = "acme-{environment}-api"', 'ecs_service = "acme/api"', ["must be a name"]),
    ('ecs_service = "acme-{environment}-api"', f'ecs_service = "{"a" * 256}"', ["an ECS service is letters, digits"]),
    ("minimum = 2\n", "", ["maximum needs minimum beside it"]),
    ("minimum = 2", "minimum = 7", ["minimum is 7, more than maximum, which is 6"]),
    ('container = "nginx"', "memory_target = 70", ["services.web.memory_target needs minimum, maximum and cpu_target"]),
    ('"api-public"', '"-public"', ["-public", "no hyphen at either end"]),
    ('["api-public", "api-internal"]', '["api", "api"]', ["names a target group twice"]),
    ('["api-public", "api-internal"]', "7", ["target_group is 7; it must be a name, a list of names"]),
    ('["POOL", "OVERFLOW"]', '["POOL SIZE"]', ["connections is", "POOL SIZE", "names of variables"]),
    ('["POOL", "OVERFLOW"]', "[]", ["connections is empty"]),
    ("connections = 5", 'status_path = "/health"', ['status_path is "/health", and the service has no port']),
    ("[environments.test.services.web]", "[environments.test.services.wbe]", ['Did you mean "web"?', "[services]"]),
    ("port = 9090", "ports = 9090", ['Did you mean "port"?']),
    ("port = 9090", "maximum = 1", ["environments.test.services.api.maximum is 1, less than minimum, which is 2"]),
    ('"{prefix}-{service}"', '"acme-{environment}-api"', ["as api's is; each needs one of its own"]),
    ('account = "123456789012"', "", ["has no account in this file"]),
    ('cluster = "{prefix}-batch"', 'cluster = "{prefix} batch"', ["services.worker.cluster is"]),
    ("[jobs.nightly]", "[jobs.api]", ["jobs.api is a service's name already"]),
    ('schedule = "acme/{service}"', 'schedule = "a/b/c"', ["a group and a name"]),
    ('cache = ""', 'cache = "one"\ncache_serverless = "two"', ['cache_serverless is "two" beside cache']),
    ('database_cluster = "acme-prod"', 'database = "a"\ndatabase_cluster = "b"', ["beside database"]),
    ('load_balancer = "acme"', 'load_balancer = "internal-acme"', ['no "internal-" at the beginning']),
    ('time_zone = "+02:00"', 'time_zone = "+2"', ["an offset such as"]),
    ("[jobs.nightly]", '[runbook]\naddress = "wiki"\n[jobs.nightly]', ["runbook.address", "a URL such as"]),
]


@pytest.mark.parametrize(("old", "new", "sentences"), MISTAKES, ids=[sentences[0] for _, _, sentences in MISTAKES])
def test_a_mistake_names_its_line_and_what_is_allowed(folder: Path, old: str, new: str, sentences: list[str]) -> None:
    assert old in ACME
    with pytest.raises(StackError) as raised:
        read(folder, ACME.replace(old, new, 1))
    message = raised.value.message
    assert message.startswith("omc.toml, line ")
    for sentence in sentences:
        assert sentence in message, message


@pytest.mark.parametrize("key", ["ecs_service", "cluster", "family", "migrate_family", "container"])
def test_ecs_takes_letters_digits_hyphens_and_underscores_up_to_255(key: str) -> None:
    assert name_problem(key, "a_B-9" * 51, {}) == ""
    assert "255 at most" in name_problem(key, "a" * 256, {})
    for wrong in ("a.b", "a/b", "a b", ""):
        assert RULES[key].allowed in name_problem(key, wrong, {})


def test_a_default_that_aws_would_not_take_is_told_of_its_service(folder: Path) -> None:
    text = ACME.replace('prefix = "acme-prod"', f'prefix = "{"p" * 30}"')
    with pytest.raises(StackError, match=r"services.web.target_group is \"\{prefix\}-\{service\}\", which comes to"):
        read(folder, text)


@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        ("Europe/Berlin", "Wed 01 Jul 14:00:00 CEST (12:00 UTC)"),
        ("AEST", "Wed 01 Jul 22:00:00 AEST (12:00 UTC)"),
        ("UTC", "Wed 01 Jul 12:00:00 UTC (12:00 UTC)"),
        ("+10:00", "Wed 01 Jul 22:00:00 +10:00 (12:00 UTC)"),
        ("-03:30", "Wed 01 Jul 08:30:00 -03:30 (12:00 UTC)"),
    ],
)
def test_a_zone_is_a_name_or_an_offset_wherever_one_is_wanted(folder: Path, zone: str, shown: str) -> None:
    text = ACME.replace('time_zone = "+02:00"', f'time_zone = "{zone}"')
    rota = f'''[people.jo]\naws = ["jo"]\n[rotas.one]\ntime_zone = "{zone}"
[[rotas.one.layers]]\npeople = ["jo"]\nstart = 2026-12-07\n'''
    window = f'''[[environments.prod.window]]\nday = "sunday"\nstart = "02:00"\nend = "04:00"\nzone = "{zone}"\n'''
    read(folder, text + rota + window)
    assert load().time_zone == zone
    assert format_time(datetime(2026, 7, 1, 12, tzinfo=UTC), zone) == shown
    assert str(zone_named(zone)) == zone
