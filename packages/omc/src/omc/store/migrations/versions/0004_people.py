"""Who asked and who approved, as people: one row a person, whatever the name. Older rows keep what they say."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE runs ADD COLUMN actor_known text, ADD COLUMN actor_person text;
        ALTER TABLE approvals ADD COLUMN known text, ADD COLUMN person text;
        DROP INDEX one_approval_per_person;
        CREATE UNIQUE INDEX one_approval_per_person ON approvals (run, plan_hash, person);
        """
    )
