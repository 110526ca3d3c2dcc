"""The API outside of AWS that the application depends on, misbehaving."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from localcloud.backends.outside_api import Behaviour
from localcloud.faults.catalogue import Fault, Memory, Setting
from localcloud.faults.values import choice, number
from localcloud.services.outside_api import OutsideApi

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud


def _start(cloud: Cloud, settings: Mapping[str, str]) -> Memory:
    memory = {
        "mode": choice(settings, "mode", ("hang", "slow", "errors")),
        "seconds": number(settings, "seconds", 0, 600),
    }
    _keep(cloud, memory)
    return memory


def _keep(cloud: Cloud, memory: Memory) -> None:
    wanted, api = Behaviour(memory["mode"], memory["seconds"]), cloud.part(OutsideApi)
    if api.behaviour() != wanted:
        api.behave(wanted)


def _stop(cloud: Cloud, _: Memory) -> None:
    cloud.part(OutsideApi).behave(Behaviour())


FAULTS = (
    Fault(
        "dependency-timeout",
        "The API outside of AWS that the application asks stops answering.",
        "What needs it is slow and answers 504, the application's log names it, its data ages; readiness is "
        "unaffected.",
        _start,
        _stop,
        {
            "mode": Setting("hang", "hang: no answer at all; slow: an answer after so many seconds; errors: 503"),
            "seconds": Setting("1.5", "how many seconds an answer takes in mode slow"),
        },
        _keep,
    ),
)
