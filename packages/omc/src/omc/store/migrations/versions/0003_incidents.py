"""The record of incidents: append-only, as the record itself is."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE incident_events (
            environment text NOT NULL,
            incident integer NOT NULL,
            number integer NOT NULL,
            at timestamptz NOT NULL,
            by text NOT NULL,
            link text,
            kind text NOT NULL,
            body text NOT NULL,
            PRIMARY KEY (environment, incident, number)
        );
        CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON incident_events
            FOR EACH ROW EXECUTE FUNCTION omc_refuse_change();
        CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON incident_events
            FOR EACH STATEMENT EXECUTE FUNCTION omc_refuse_change();
        """
    )
