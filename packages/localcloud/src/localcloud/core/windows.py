"""Weekly maintenance windows, as RDS and ElastiCache write them."""

from __future__ import annotations

import re
from datetime import datetime

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def in_window(window: str, now: datetime) -> bool:
    """Whether ``now`` (UTC) lies in a maintenance window such as ``sat:16:00-sat:18:00``."""
    match = re.fullmatch(r"(\w{3}):(\d\d):(\d\d)-(\w{3}):(\d\d):(\d\d)", window.lower())
    if not match or match[1] not in _DAYS or match[4] not in _DAYS:
        return False
    begin = (_DAYS.index(match[1]) * 24 + int(match[2])) * 60 + int(match[3])
    end = (_DAYS.index(match[4]) * 24 + int(match[5])) * 60 + int(match[6])
    minute = (now.weekday() * 24 + now.hour) * 60 + now.minute
    return begin <= minute < end if begin <= end else minute >= begin or minute < end
