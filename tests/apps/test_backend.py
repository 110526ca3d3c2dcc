"""The backend's parts that need no server: settings, migrations' numbering, the simulated market, JSON lines."""

from __future__ import annotations

import json
import logging
import re
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.logs import JsonFormatter
from backend.migrate import FILES, NEEDED, oldest_code
from backend.prices import quote
from backend.settings import MigrationSettings, Settings, SettingsError, from_environment
from localcloud.services.ecr.images import read_dockerfile

APPS = Path(__file__).parents[2] / "apps"
ENVIRONMENT = {"POSTGRES_SERVER": "db", "POSTGRES_PASSWORD": "s3cret", "SECRET_KEY": "k3y"}


def test_defaults_are_those_of_the_task() -> None:
    settings = from_environment(ENVIRONMENT, Settings)
    assert (settings.host, settings.port, settings.web_concurrency, settings.database_pool_size) == (
        "0.0.0.0",
        8000,
        1,
        5,
    )
    assert settings.postgres_sslmode == "require"
    assert settings.redis_tls


def test_a_migration_that_removes_something_says_which_code_still_works(tmp_path: Path) -> None:
    texts = ("CREATE TABLE a ();", "-- contract: code of version 1 or newer\nDROP TABLE b;", "-- a contract\nSELECT 1;")
    files = [tmp_path / f"{number}.sql" for number in range(len(texts))]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text)
    assert oldest_code(files) == 1
    assert oldest_code(FILES) == 0


def test_a_migration_needs_no_more_than_the_database_and_its_users() -> None:
    login = {key: value for key, value in ENVIRONMENT.items() if key != "SECRET_KEY"}
    user = '{"username": "ohmycoins_app_b", "password": "0123456789abcdef"}'
    assert from_environment(login, MigrationSettings).application_users == []
    settings = from_environment({**login, "APP_USER_A": "", "APP_USER_B": user}, MigrationSettings)
    assert [each.username for each in settings.application_users] == ["ohmycoins_app_b"]
    assert "0123456789abcdef" not in repr(settings)


def test_secrets_stay_out_of_what_is_printed() -> None:
    assert not re.search("s3cret|k3y", repr(from_environment(ENVIRONMENT, Settings)))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POSTGRES_SERVER", ""),
        ("SECRET_KEY", ""),
        ("PORT", "-1"),
        ("PORT", "70000"),
        ("PORT", "٣"),
        ("DATABASE_POOL_SIZE", "0"),
        ("REDIS_TLS", "maybe"),
        ("POSTGRES_SSLMODE", "off"),
        ("EXCHANGE_URL", "file:///etc/passwd"),
        ("EXCHANGE_TIMEOUT", "0"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} is"):
        from_environment({**ENVIRONMENT, name: value}, Settings)


def test_migrations_are_numbered_without_a_gap() -> None:
    assert [int(path.name.split("_")[0]) for path in FILES] == list(range(1, NEEDED + 1))


@given(
    symbol=st.from_regex("[A-Z]{2,6}", fullmatch=True),
    base=st.decimals(min_value="0.0001", max_value="1000000", places=8),
    moment=st.integers(0, 10**10),
)
def test_the_simulated_market_says_the_same_to_every_task_and_stays_near_the_base_price(
    symbol: str, base: Decimal, moment: int
) -> None:
    assert quote(symbol, base, moment) == quote(symbol, base, moment)
    assert base / 2 < quote(symbol, base, moment) < base * 2


@given(message=st.text(), field=st.text())
def test_a_log_record_is_one_line_of_json_whatever_it_says(message: str, field: str) -> None:
    record = logging.LogRecord("test", logging.INFO, __file__, 1, "%s", (message,), None)
    record.fields = {"path": field}
    line = JsonFormatter().format(record)
    assert "\n" not in line
    assert json.loads(line)["message"] == message
    assert json.loads(line)["path"] == field


@pytest.mark.parametrize("app", ["backend", "frontend"])
def test_images_keep_to_the_convention_that_the_local_cloud_reads(app: str) -> None:
    text = (APPS / app / "Dockerfile").read_text()
    lines = text.splitlines()
    assert "COPY . /app" in lines
    image = read_dockerfile(text)
    assert image.command == ("python", "-m", app)
    assert image.working_directory == "/app"
    assert image.environment["PORT"] == str(*image.exposed_ports)
    assert image.user.isdigit()
    assert int(image.user) > 0
    for base in (line for line in lines if line.startswith("FROM ")):
        assert re.fullmatch(r"FROM python:3\.\d+\.\d+-slim-\w+( AS \w+)?", base), "pinned to a whole version"
    assert any("netcat-openbsd" in line for line in lines)


@pytest.mark.parametrize("app", ["backend", "frontend"])
def test_images_install_what_the_tests_ran_with(app: str) -> None:
    def pins(path: Path) -> dict[str, str]:
        return dict(re.findall(r"^([a-z0-9-]+)==([^ ;\\]+)", path.read_text(), re.MULTILINE))

    ours, tested = pins(APPS / app / "requirements.txt"), pins(APPS.parent / "requirements" / "dev.txt")
    assert ours
    assert {name: tested.get(name) for name in ours} == ours, "run: make lock"
    assert (APPS / app / "requirements.txt").read_text().count("--hash=sha256:") >= len(ours)
