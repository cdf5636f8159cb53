"""What the host decided about two people."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the table, and on PostgreSQL the wall between venues."""
    op.create_table(
        "ruling",
        sa.Column("venue", sa.String(), sa.ForeignKey("venue.id"), primary_key=True),
        sa.Column("one", sa.String(), primary_key=True),
        sa.Column("other", sa.String(), primary_key=True),
        sa.Column("ruling", sa.String()),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
    )
    op.create_index("ruling_version", "ruling", ["venue", "version"])
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE ruling ENABLE ROW LEVEL SECURITY")
        op.execute("ALTER TABLE ruling FORCE ROW LEVEL SECURITY")
        op.execute("CREATE POLICY own_venue ON ruling USING (venue = current_setting('fikatap.venue', true))")


def downgrade() -> None:
    """Drop it: what was decided holds at the doors that know of it."""
    op.drop_table("ruling")
