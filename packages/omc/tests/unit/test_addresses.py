"""A URL that a stranger chose leads to a public address or nowhere, whatever form it has and whatever its name says."""

from __future__ import annotations

import pytest

from omc.notify.addresses import Target, problem_of, target_of
from omc.notify.model import Refused, TryAgain


def resolving(*addresses: str) -> object:
    return lambda _name, _port: list(addresses)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/a",
        "ftp://hooks.example.com/a",
        "https://user:pass@hooks.example.com/a",
        "https://hooks.example.com:8443/a",
        "https://hooks.example.com:0/a",
        "https://hooks.example.com/a#b",
        "https:///a",
        "https://hooks.example.com/\r\nHost: evil",
        "https://127.0.0.1/a",
        "https://[::1]/a",
        "https://[::ffff:169.254.169.254]/latest/meta-data",
        "https://169.254.169.254/latest/meta-data",
        "https://10.0.0.7/a",
        "https://[64:ff9b::7f00:1]/a",
        "https://[2002:7f00:1::]/a",
        "not a url",
        "https://" + "a" * 3000,
    ],
)
def test_what_can_be_seen_to_be_no_public_https_url_is_refused_before_anything_is_asked(url: str) -> None:
    assert problem_of(url) is not None
    outcome = target_of(url, resolve=lambda *_: pytest.fail("nobody is to be asked"))
    assert isinstance(outcome, Refused)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.170.2",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1%eth0",
        "fc00::1",
        "fec0::1",
        "fd00:ec2::254",
        "ff02::1",
        "::ffff:127.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "2002:0a00:0001::1",
        "2001:0:4136:e378:8000:63bf:f5ff:fffe",
        "2001:db8::1",
    ],
)
def test_a_name_at_an_address_that_is_not_public_is_refused_also_beside_one_that_is(address: str) -> None:
    for addresses in ((address,), ("93.184.215.14", address), (address, "93.184.215.14")):
        outcome = target_of("https://hooks.example.com/a", resolve=resolving(*addresses))  # type: ignore[arg-type]
        assert outcome == Refused("hooks.example.com is at an address that isn't public")


def test_the_connection_goes_to_the_address_that_was_judged_and_speaks_to_the_name() -> None:
    asked = []

    def rebinding(name: str, port: int) -> list[str]:
        asked.append((name, port))
        return ["93.184.215.14"] if len(asked) == 1 else ["127.0.0.1"]

    found = target_of("https://hooks.example.com/a?b=c", resolve=rebinding)
    assert found == Target("https://93.184.215.14:443/a?b=c", "hooks.example.com", "hooks.example.com")
    assert asked == [("hooks.example.com", 443)], "once: a second answer could be another one"
    six = target_of("https://hooks.example.com", resolve=resolving("2606:2800:21f::1"))  # type: ignore[arg-type]
    assert six == Target("https://[2606:2800:21f::1]:443/", "hooks.example.com", "hooks.example.com")


def test_a_network_that_is_allowed_may_be_reached_and_no_other() -> None:
    allowed = ("10.20.0.0/16", "127.0.0.1")
    inside = target_of("https://hooks.example.com/a", allowed, resolving("10.20.3.4"))  # type: ignore[arg-type]
    assert isinstance(inside, Target)
    beside = target_of("https://hooks.example.com/a", allowed, resolving("10.21.3.4"))  # type: ignore[arg-type]
    assert isinstance(beside, Refused)
    assert problem_of("http://127.0.0.1:8080/a", allowed) is None
    assert problem_of("http://127.0.0.2:8080/a", allowed) is not None
    assert problem_of("http://hooks.example.com/a", allowed) == "it isn't https"


def test_a_name_that_can_not_be_resolved_is_tried_again_later() -> None:
    def failing(_: str, __: int) -> list[str]:
        raise OSError("no such name")

    outcome = target_of("https://hooks.example.com/a", resolve=failing)
    assert outcome == TryAgain("hooks.example.com can't be resolved: no such name")
    assert target_of("https://hooks.example.com/a", resolve=lambda *_: []) == TryAgain(
        "hooks.example.com has no address"
    )
