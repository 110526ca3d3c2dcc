"""From when on dead rows and the age of transaction ids are trouble. Figures only."""

from __future__ import annotations

WRAPAROUND = 2**31 - 3_000_000
"""Transactions after which PostgreSQL takes no new one. Source: PostgreSQL documentation, Preventing Transaction ID
Wraparound Failures."""
OLD, VERY_OLD = 500_000_000, 1_000_000_000
"""autovacuum_freeze_max_age is 200 million, at which vacuuming is forced; an age of twice and more says that it can't
get on. RDS advises an alarm at one billion (user guide, Determining if the tables in your database need vacuuming)."""
LEAST_DEAD = 10_000
"""Rows. Fewer slow nothing down."""
