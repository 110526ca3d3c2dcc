"""The release ledger."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE releases (
            environment text NOT NULL,
            number integer NOT NULL,
            run text NOT NULL,
            who text NOT NULL,
            is_rollback boolean NOT NULL,
            services text NOT NULL,
            schema integer,
            schema_floor integer,
            proof text NOT NULL,
            verified_at timestamptz NOT NULL,
            ended_at timestamptz,
            PRIMARY KEY (environment, number)
        );
        CREATE UNIQUE INDEX one_release_per_run ON releases (run);
        """
    )
