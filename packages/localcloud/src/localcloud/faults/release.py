"""Releases that never come up, or only slowly: a bad image, a missing one, a wrong secret, a wrong setting."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from localcloud.core.registry import AwsError
from localcloud.faults import releasing
from localcloud.faults.catalogue import Fault, Memory, Setting
from localcloud.faults.releasing import SERVICE, Definition
from localcloud.faults.values import choice, number
from localcloud.services.ecr.images import REFERENCE

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

LONGEST_START = 3600


def _crash_on_start(cloud: Cloud, settings: Mapping[str, str]) -> Memory:
    def change(cloud: Cloud, _: Definition, container: dict[str, Any]) -> None:
        releasing.variant(cloud, container, "crash_on_start", {})

    return releasing.start(cloud, settings["service"], change)


def _slow_start(cloud: Cloud, settings: Mapping[str, str]) -> Memory:
    seconds = number(settings, "seconds", 1, LONGEST_START)

    def change(cloud: Cloud, _: Definition, container: dict[str, Any]) -> None:
        releasing.variant(cloud, container, "slow_start", {"seconds": seconds})

    return releasing.start(cloud, settings["service"], change)


def _missing_image(cloud: Cloud, settings: Mapping[str, str]) -> Memory:
    def change(_: Cloud, __: Definition, container: dict[str, Any]) -> None:
        named = REFERENCE.match(container["image"])
        if named is None:
            raise AwsError("InvalidState", f"{container['image']} isn't an image of this account's registry.")
        registry = container["image"].partition("/")[0]
        container["image"] = f"{registry}/{named['repository']}:{settings['tag']}"

    return releasing.start(cloud, settings["service"], change)


def _wrong_secret(cloud: Cloud, settings: Mapping[str, str]) -> Memory:
    kind = choice(settings, "kind", ("missing-key", "mixed-up"))

    def change(_: Cloud, __: Definition, container: dict[str, Any]) -> None:
        secrets = container.get("secrets", [])
        passwords = [each["name"] for each in secrets if "PASSWORD" in each["name"].upper()]
        name = settings["variable"] or next(iter(passwords), "password")
        [wanted] = [each for each in secrets if each["name"] == name] or [None]
        others = [each for each in secrets if each["name"] != name]
        if wanted is None:
            known = ", ".join(each["name"] for each in secrets) or "none"
            raise AwsError("ValidationError", f"The service gets no secret {name!r}. It gets: {known}.")
        if kind == "missing-key":
            # arn:aws:secretsmanager:region:account:secret:name[:key[:stage[:version]]]
            wanted["valueFrom"] = ":".join(wanted["valueFrom"].split(":")[:7]) + ":db_password::"
        elif others:
            wanted["valueFrom"] = others[0]["valueFrom"]
        else:
            raise AwsError("InvalidState", f"The service has no other secret that {name} could be taken for.")

    return releasing.start(cloud, settings["service"], change)


def _bad_environment_variable(cloud: Cloud, settings: Mapping[str, str]) -> Memory:
    def change(_: Cloud, __: Definition, container: dict[str, Any]) -> None:
        environment = container.get("environment", [])
        numbers = [each["name"] for each in environment if each["value"].isdecimal()]
        name = settings["variable"] or next((each for each in numbers if each != "PORT"), "")
        if not name:
            raise AwsError("ValidationError", "The service has no environment variable with a number: name a variable.")
        kept = [each for each in environment if each["name"] != name]
        container["environment"] = [*kept, {"name": name, "value": settings["value"]}]

    return releasing.start(cloud, settings["service"], change)


def _wrong_processor(cloud: Cloud, settings: Mapping[str, str]) -> Memory:
    processor = choice(settings, "processor", ("arm64", "s390x"))

    def change(cloud: Cloud, _: Definition, container: dict[str, Any]) -> None:
        releasing.variant(cloud, container, "", {}, processor=processor)

    return releasing.start(cloud, settings["service"], change)


def _fault(
    name: str,
    injected: str,
    symptom: str,
    start: Callable[[Cloud, Mapping[str, str]], Memory],
    **settings: Setting,
) -> Fault:
    return Fault(name, injected, symptom, start, releasing.stop, {"service": SERVICE, **settings})


FAULTS = (
    _fault(
        "crash-on-start",
        "A release is deployed whose image imports a package that it doesn't have.",
        "New tasks stop with exit code 1 and a traceback in their log, until ECS's circuit breaker rolls back.",
        _crash_on_start,
    ),
    _fault(
        "slow-start",
        "A release is deployed whose image takes a long time before it serves.",
        "The deployment hangs; new tasks are stopped for failed health checks, until the circuit breaker rolls back.",
        _slow_start,
        seconds=Setting("120", "seconds before it serves; with only a few, it comes up slowly"),
    ),
    _fault(
        "wrong-processor",
        "A release is deployed whose image was built for another processor than its tasks have.",
        "New tasks stop with exit code 1 and the line `exec …: exec format error` in their log, until the rollback.",
        _wrong_processor,
        processor=Setting("arm64", "what the image is built for: arm64 or s390x"),
    ),
    _fault(
        "missing-image",
        "A task definition is deployed that names an image which was never pushed.",
        "New tasks stop with CannotPullContainerError, until the circuit breaker rolls back.",
        _missing_image,
        tag=Setting("release-not-pushed", "the tag that the registry doesn't have"),
    ),
    _fault(
        "wrong-secret",
        "A task definition is deployed that takes a secret from the wrong place.",
        "New tasks stop with ResourceInitializationError (missing-key), or by failed database logins (mixed-up).",
        _wrong_secret,
        kind=Setting("missing-key", "missing-key (a JSON key that it lacks) or mixed-up (the value of another secret)"),
        variable=Setting("", "the environment variable that gets the secret; the first password, if left out"),
    ),
    _fault(
        "bad-environment-variable",
        "A task definition is deployed that has a wrong environment variable.",
        "New tasks stop with exit code 2 and a line in their log that names the variable, until the rollback.",
        _bad_environment_variable,
        variable=Setting("", "the variable; if left out, the first with a number other than PORT"),
        value=Setting("plenty", "what it is set to"),
    ),
)
