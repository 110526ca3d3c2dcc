"""Which alarms CloudWatch mutes now: its mute rules that are active, with the alarms that each names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from omc.aws.gateway import Gateway
from omc.errors import NotFound
from omc.facts.collector import NO_READING, Reading, reads


@dataclass(frozen=True, slots=True)
class AlarmMutes:
    """By an alarm's name the mute rule that is active for it."""

    rules: Mapping[str, str]
    reading: Reading = NO_READING


@reads
def read_alarm_mutes(aws: Gateway) -> AlarmMutes:
    """One call where no rule is active, which is the rule; else one more for each."""
    cloudwatch = aws.client("cloudwatch")
    muted: dict[str, str] = {}
    for page in cloudwatch.get_paginator("list_alarm_mute_rules").paginate(Statuses=["ACTIVE"]):
        for summary in page.get("AlarmMuteRuleSummaries", []):
            name = summary.get("AlarmMuteRuleArn", "").rpartition(":")[2]
            try:
                found = cloudwatch.get_alarm_mute_rule(AlarmMuteRuleName=name)
            except NotFound:
                continue  # it was deleted meanwhile
            for alarm in found.get("MuteTargets", {}).get("AlarmNames", []):
                muted.setdefault(alarm, name)
    return AlarmMutes(muted)
