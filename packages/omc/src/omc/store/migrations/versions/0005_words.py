"""The trade's words for two columns: a step's checkpoint, and what a timer's procedure is requested to do.

Plans that were kept before hold the former words and are bound by their hash: they can be listed, not resumed."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE steps RENAME COLUMN memory TO checkpoint;
        ALTER TABLE timers RENAME COLUMN asked TO request;
        """
    )
