"""Which alarms hide what a change does."""

from __future__ import annotations

from omc.config import Environment
from omc.facts.alarms import Alarms


def is_firing(name: str, alarms: Alarms, environment: Environment) -> bool:
    """Whether an alarm of the environment's is in ALARM and tells somebody."""
    found = next((alarm for alarm in alarms.alarms if alarm.name == name), None)
    ours = name.startswith(environment.alarm_prefix)
    return bool(found and ours and found.state == "ALARM" and found.acts)
