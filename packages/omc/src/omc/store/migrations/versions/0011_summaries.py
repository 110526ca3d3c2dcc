"""Pages beyond what one person is to get within a time are named in a summary."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.execute("ALTER TABLE outbox ADD COLUMN summary text")
    op.execute("CREATE INDEX outbox_of_a_summary ON outbox (summary) WHERE summary IS NOT NULL")
    op.execute("CREATE INDEX outbox_gathered ON outbox (environment, recipient) WHERE state = 'gathered'")
    op.execute("CREATE INDEX outbox_to_a_person ON outbox (recipient, created_at)")
