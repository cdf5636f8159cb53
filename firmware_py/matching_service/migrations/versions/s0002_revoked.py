"""Terminals that were shut out."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table; like `token` it is read before anybody knows whose request it is."""
    op.create_table(
        "revoked",
        sa.Column("venue", sa.String(), sa.ForeignKey("venue.id"), primary_key=True),
        sa.Column("terminal", sa.String(), primary_key=True),
        sa.Column("until_s", sa.BigInteger(), nullable=False),
    )


def downgrade() -> None:
    """Drop it: whoever was shut out is let in again."""
    op.drop_table("revoked")
