"""omc.toml: what it comes to, and what each mistake in it is answered with."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from omc.config import environment_of, find, load
from omc.errors import StackError, WrongUse
from omc.model.matchers import parse_all
from omc.responder.rules import InhibitRule, rules_of
from omc.times import format_duration, format_time

REPOSITORY = Path(__file__).parents[4]
TEXT = (REPOSITORY / "omc.toml").read_text()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OMC_STACK", raising=False)
    monkeypatch.delenv("OMC_LOCAL_STATE", raising=False)
    return tmp_path


def line(text: str, part: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if part in line)


def test_the_repositorys_own_file_follows_the_design(folder: Path) -> None:
    stack = load(REPOSITORY / "omc.toml")
    staging, production, local = (stack.environments[name] for name in ("staging", "production", "local"))
    backend, frontend = staging.services
    assert staging.cluster == staging.database == "ohmycoins-staging"
    assert production.cache == "ohmycoins-production-redis"
    assert (local.prefix, local.local_state) == ("ohmycoins-staging", REPOSITORY / ".localcloud")
    assert backend.log_group == "/ecs/ohmycoins-staging/backend"
    assert (backend.family, backend.minimum, backend.maximum) == ("ohmycoins-backend", 2, 10)
    assert (backend.cpu_target, backend.memory_target) == (70, 80)
    assert (frontend.cpu_target, frontend.memory_target) == (70, None)
    assert [responder.after_minutes for responder in stack.on_call.chain] == [0, 15, 30, 45]
    assert (stack.on_call.everyone_again_after_minutes, stack.on_call.mitigation_minutes) == (60, 30)
    assert stack.channels.incidents == "#incidents"


def test_the_window_is_aest_all_year(folder: Path) -> None:
    [window] = load(REPOSITORY / "omc.toml").environments["production"].windows
    assert window.aws == "sat:16:00-sat:18:00"
    for now, begin in [
        (datetime(2026, 7, 1, tzinfo=UTC), datetime(2026, 7, 4, 16, tzinfo=UTC)),  # winter: 02:00 in Sydney
        (datetime(2026, 12, 1, tzinfo=UTC), datetime(2026, 12, 5, 16, tzinfo=UTC)),  # summer: 03:00 in Sydney
        (datetime(2026, 12, 5, 17, 59, tzinfo=UTC), datetime(2026, 12, 5, 16, tzinfo=UTC)),  # it is open
        (datetime(2026, 12, 5, 18, tzinfo=UTC), datetime(2026, 12, 12, 16, tzinfo=UTC)),  # it has just closed
    ]:
        assert window.next_after(now)[0] == begin
    assert (
        format_time(datetime(2026, 7, 4, 16, tzinfo=UTC), "Australia/Sydney")
        == "Sun 05 Jul 02:00:00 AEST (Sat 16:00 UTC)"
    )
    assert (
        format_time(datetime(2026, 12, 5, 16, tzinfo=UTC), "Australia/Sydney")
        == "Sun 06 Dec 03:00:00 AEDT (Sat 16:00 UTC)"
    )


@pytest.mark.parametrize(
    ("old", "new", "place", "sentences"),
    [
        (
            "maximum = 10",
            "maximun = 10",
            "maximun",
            ['services.backend.maximun is not a key here. Did you mean "maximum"?'],
        ),
        (
            "cpu_target = 70\nmem",
            "cpu_target = 170\nmem",
            "cpu_target = 170",
            ["is 170", "a whole number from 1 to 100"],
        ),
        ("minimum = 2", "minimum = 12", "minimum = 12", ["services.backend.minimum is 12, more than maximum"]),
        ('region = "ap-southeast-2"', 'region = "sydney"', '"sydney"', ['is "sydney"', "an AWS region"]),
        (
            "[environments.staging]",
            "[environments.staging]\naccount = 123",
            "account = 123",
            ["twelve digits in quotes"],
        ),
        ("[environments.staging]", '[environments.staging]\nacount = "1"', "acount", ['Did you mean "account"?']),
        ('day = "sunday"', 'day = "sundae"', "sundae", ["one of monday", 'Did you mean "sunday"?']),
        ('zone = "AEST"', 'zone = "AEDT"', "AEDT", ["AEST (UTC+10 all year)"]),
        ("start = 02:00:00", 'start = "2am"', "2am", ["a time such as 02:00:00"]),
        ("# required = true", 'required = "yes" # true', "yes", ['required is "yes"; it must be true or false']),
        (
            "after_minutes = 30",
            "after_minutes = 15  # again",
            "after_minutes = 15  # again",
            ["chain[3].after_minutes is 15, not later than Secondary On-Call's"],
        ),
        ('incidents = "#incidents"', 'incidents = "incidents"', '"incidents"', ["a channel such as"]),
        ("[thresholds]", "[thresholds]\nerror_percentage = 5", "error_percentage", ['Did you mean "error_percent"?']),
        (
            "[thresholds]",
            '[review.security]\nknown_sources = ["203.0.113.9/24"]\n[thresholds]',
            "known_sources",
            ['known_sources[1] is "203.0.113.9/24"; allowed is an address or a network'],
        ),
        (
            "[thresholds]",
            "[review.security]\ncertificate_days = 10\n[thresholds]",
            "[review.security]",
            ["certificate_urgent_days is 14; allowed is at most certificate_days, 10"],
        ),
        ("[thresholds]", "[review.security]\nopen_ports = [66000]\n[thresholds]", "open_ports", ["66000"]),
        ("[channels]", "[chanels]", "[chanels]", ['Did you mean "channels"?']),
        ('time_zone = "Australia/Sydney"', 'time_zone = "Sydney"', '"Sydney"', ["such as Australia/Sydney"]),
        ('local_state = ".localcloud"', "local_state = 7", "local_state = 7", ["is 7"]),
        (
            "# [[environments.production.freeze]]",
            "[[environments.production.freeze]]\nbegin = 2026-12-20\nend = 2027-01-04\nreason = 'holidays'",
            "begin = 2026-12-20",
            ["a date and time with its offset"],
        ),
        ("release_watch_seconds = 60", "release_watch_seconds = -1", "seconds = -1", ["a whole number from 0"]),
        ("[services.frontend]", "[services.Front_End]", "Front_End", ["small letters, digits and hyphens"]),
        ("port = 8000", "port = true", "port = true", ["is true"]),
        ('public_path = "/"', 'public_path = "prices"', '"prices"', ["a path such as /api/v1/coins"]),
        *(
            ("[channels]", f"[people.jo]\naws = ['jo']\ncontacts = ['{contact}']\n{table}\n[channels]", contact, [why])
            for contact, table, why in (
                ("pagerduty:jo", "[notify.pagerduty.joe]", 'no [notify.pagerduty.jo]. Did you mean "joe"?'),
                ("webhook:jo", "", 'names "jo", and there is no [notify.webhook.jo].'),
                ("fax:jo", "", "slack:U024BE7LH, email:jo@example.com"),
            )
        ),
        (
            "[channels]",
            "[people.jo]\naws = ['jo']\ncontacts = ['email:on-call@example.com']\n"
            "[notify]\nshared = ['email:oncall@example.com']\n[channels]",
            "shared =",
            ["nobody's contact", 'Did you mean "email:on-call@example.com"?'],
        ),
        *(
            ("[channels]", f"[notify.{table}]\n{text}\n\n[channels]", text.splitlines()[-1], [why])
            for table, text, why in (
                ("webhook.hook", "url = 'http://example.com/x'", "a URL without a login, https://"),
                ("webhook.hook", "url = 'https://me:secret@example.com/x'", "a URL without a login, https://"),
                ("ntfy", "token = 'tk_1'", "notify.ntfy.token is not a key here"),
                ("email", "host = 'm.example'\nsender = 'o@m.example'\nsecurity = 'none'", "is not this machine"),
                (
                    "email",
                    "host = 'localhost'\nsender = 'o@m.example'\nsecurity = 'none'\nuser = 'omc'",
                    "would log in without TLS",
                ),
            )
        ),
        ("[environments.staging]", "[environments.staging]\nprobe = 'no'", "= 'no'", ["it must be true or false"]),
        *(
            (
                "[environments.staging]",
                f"[environments.staging]\nurl = '{url}'",
                url,
                ["a URL with a host and no login"],
            )
            for url in (
                "shop.example",
                "ftp://shop.example",
                "https://",
                "https://user:password@shop.example",
                "https://shop.example:99999",
                "https://shop.example:0",
                "https://[::1",
                "https://shop.example/?token=x",
                "https://shop.example/#top",
            )
        ),
    ],
)
def test_a_mistake_names_file_line_key_and_what_is_allowed(
    folder: Path, old: str, new: str, place: str, sentences: list[str]
) -> None:
    assert old in TEXT
    text = TEXT.replace(old, new, 1)
    (folder / "omc.toml").write_text(text)
    with pytest.raises(StackError) as raised:
        load()
    assert raised.value.message.startswith("omc.toml, line ")
    for sentence in sentences:
        assert sentence in raised.value.message
    assert raised.value.message.startswith(f"omc.toml, line {line(text, place)}: ")


def test_a_missing_key_names_the_line_of_its_table(folder: Path) -> None:
    text = TEXT.replace('day = "sunday"\n', "")
    (folder / "omc.toml").write_text(text)
    number = line(text, "[[environments.production.window]]")
    place = r"\[environments.production.window\[1\]\]"
    with pytest.raises(StackError, match=rf"^omc.toml, line {number}: {place} has no day; it must be"):
        load()


def test_what_is_not_toml_names_the_line(folder: Path) -> None:
    (folder / "omc.toml").write_text('name = "ohmycoins"\nregion = \n')
    with pytest.raises(StackError, match=r"^omc.toml, line 2: this is not TOML: invalid value"):
        load()


def test_a_binary_file_is_refused(folder: Path) -> None:
    (folder / "omc.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StackError, match="is not UTF-8 text"):
        load()


def test_names_can_be_overridden(folder: Path) -> None:
    text = TEXT.replace("[environments.staging]", '[environments.staging]\nprefix = "shop-test"\ncluster = "shop"')
    text = text.replace("[services.frontend]", '[services.frontend]\nlog_group = "/shop/web"')
    (folder / "omc.toml").write_text(text)
    staging = load().environments["staging"]
    assert (staging.cluster, staging.database, staging.alarm_prefix) == ("shop", "shop-test", "shop-test-")
    assert [service.log_group for service in staging.services] == ["/ecs/shop-test/backend", "/shop/web"]


def test_a_freeze_is_read_in_utc_and_releases_are_watched_for_a_while(folder: Path) -> None:
    assert TEXT.count("# [[environments.production.freeze]]\n") == 1
    commented, rest = TEXT.split("# [[environments.production.freeze]]\n")
    freeze, after = rest.split("\n\n", 1)
    text = f"{commented}[[environments.production.freeze]]\n{freeze.replace('# ', '')}\n\n{after}"
    (folder / "omc.toml").write_text(text)
    production = load().environments["production"]
    assert [freeze.begin for freeze in production.freezes] == [datetime(2026, 12, 19, 13, tzinfo=UTC)]
    assert production.freezes[0].reason == "holidays"
    assert production.release_watch_seconds == 420
    assert (production.incident_watch_seconds, production.settle_seconds) == (840, 90)
    local = load().environments["local"]
    assert (local.release_watch_seconds, local.incident_watch_seconds, local.settle_seconds) == (60, 120, 5)


def test_the_file_is_found_from_a_folder_below(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "omc.toml").write_text(TEXT)
    below = folder / "infrastructure/terraform/environments"
    below.mkdir(parents=True)
    assert find(below) == folder / "omc.toml"
    monkeypatch.setenv("OMC_STACK", "/elsewhere/omc.toml")
    assert find(below) == Path("/elsewhere/omc.toml")


def test_no_file_anywhere_says_what_to_do(folder: Path) -> None:
    with pytest.raises(StackError, match=r"There is no omc.toml in .* or above it. Change to the stack's folder, or"):
        load()


def test_the_local_clouds_folder_can_be_set_from_outside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "omc.toml").write_text(TEXT)
    monkeypatch.setenv("OMC_LOCAL_STATE", "/elsewhere/cloud")
    assert load().environments["local"].local_state == Path("/elsewhere/cloud")


def test_an_environment_must_be_named_unless_there_is_a_default(folder: Path) -> None:
    (folder / "omc.toml").write_text(TEXT)
    with pytest.raises(WrongUse, match=r"--env local\|staging\|production"):
        environment_of(load(), None)
    with pytest.raises(WrongUse, match='Did you mean "production"'):
        environment_of(load(), "prodution")
    (folder / "omc.toml").write_text('default_environment = "staging"\n' + TEXT)
    assert environment_of(load(), None).name == "staging"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (7830, "2 h 10 min"), (86400, "24 h"), (180000, "2 d 2 h"), (-5, "0 s")],
)
def test_a_length_of_time_has_two_units_at_most(seconds: int, shown: str) -> None:
    from datetime import timedelta

    assert format_duration(timedelta(seconds=seconds)) == shown


@pytest.mark.parametrize(
    ("config", "profile", "shell", "region"),
    [
        ("[profile dev]\nregion = eu-west-1\n", "dev", None, "eu-west-1"),
        ("[profile dev]\nregion = us-gov-west-1\n", None, "dev", "us-gov-west-1"),
        ("[default]\nregion = eusc-de-east-1\n", "default", None, "eusc-de-east-1"),
        ("[profile a]\nregion = eu-west-1\n[profile b]\nregion = us-east-1\n", "a", "b", "eu-west-1"),
        ("[default]\nregion = eu-west-1\n", None, None, "ap-southeast-2"),
        ("[profile dev]\noutput = json\n", "dev", None, "ap-southeast-2"),
        ("[profile dev]\nregion = ../../etc\n", "dev", None, "ap-southeast-2"),
        ("region = x\n[prof", "dev", None, "ap-southeast-2"),
        ("", "dev", None, "ap-southeast-2"),
        ("\x00\xff", "dev", None, "ap-southeast-2"),
    ],
)
def test_a_region_that_the_file_leaves_out_is_the_profiles(
    config: str, profile: str | None, shell: str | None, region: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "config").write_text(config)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(folder / "config"))
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    if shell:
        monkeypatch.setenv("AWS_PROFILE", shell)
    text = (REPOSITORY / "omc.toml").read_text()
    named = f'profile = "{profile}"\n' if profile else ""
    (folder / "omc.toml").write_text(
        text.replace('[environments.staging]\nregion = "ap-southeast-2"\n', f"[environments.staging]\n{named}")
    )
    environments = load(folder / "omc.toml").environments
    assert environments["staging"].region == region
    assert environments["production"].region == "ap-southeast-2", "what the file says stands"
    assert environments["local"].region == "ap-southeast-2", "nobody's profile has a say there"


def test_a_rule_by_which_alerts_explain_each_other_is_read_with_the_labels_that_must_be_the_same(folder: Path) -> None:
    rule = '\n[[alerts.inhibit]]\ncause = ["name=region-*"]\nexplains = ["team=coins"]\nsame = ["region"]\n'
    (folder / "omc.toml").write_text(TEXT + rule)
    stack = load(folder / "omc.toml")
    expected = InhibitRule(parse_all(["name=region-*"]), parse_all(["team=coins"]), ("region",))
    assert rules_of(stack, stack.environments["staging"]).inhibit == (expected,)


STATUS = """
[status]
environments = ["production"]
"""


@pytest.mark.parametrize(
    ("more", "place", "sentence"),
    [
        ('environments = ["prod"]', 'environments = ["prod"]', "there are local, staging, production."),
        ('subscriptions = ["email"]', "subscriptions", "needs [server] address"),
        ('subscriptions = ["sms"]', "subscriptions", "email"),
        ('webhook_networks = ["10.0.0.0/99"]', "webhook_networks", "10.0.0.0/16"),
        ('[status.components.backand]\nname = "Prices"', "backand", 'Did you mean "backend"?'),
        ('[status.templates]\nresolved = "{component} is back"', "resolved", "only {components} and {interval}"),
    ],
)
def test_a_status_that_could_not_be_served_is_refused_with_its_line(
    folder: Path, more: str, place: str, sentence: str
) -> None:
    text = TEXT + (STATUS if "environments" not in more else "\n[status]\n") + more + "\n"
    (folder / "omc.toml").write_text(text)
    with pytest.raises(StackError) as caught:
        load()
    assert sentence in caught.value.message
    assert f"line {line(text[len(TEXT) :], place) + TEXT.count(chr(10))}" in caught.value.message


def test_there_is_no_feed_unless_omc_toml_says_so() -> None:
    status = load(REPOSITORY / "omc.toml").status
    assert (status.environments, status.subscriptions, status.webhook_networks) == ((), (), ())
