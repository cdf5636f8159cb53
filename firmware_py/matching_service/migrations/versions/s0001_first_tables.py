"""The first tables, and on PostgreSQL the walls between venues and between chains."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

WALLS = {
    "chain": ("member", "card", "met", "block", "touched"),
    "venue": ("visit", "match", "fact", "answer"),
}


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "chain",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("version", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("horizon", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("revision", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "card",
        sa.Column("chain", sa.String(), sa.ForeignKey("chain.id"), primary_key=True),
        sa.Column("card", sa.String(), primary_key=True),
        sa.Column("key", sa.String(), primary_key=True),
        sa.Column("member", sa.String(), nullable=False),
        sa.Column("blocked", sa.Boolean(), nullable=False),
    )
    op.create_index("card_member", "card", ["chain", "member"])
    op.create_table(
        "member",
        sa.Column("chain", sa.String(), sa.ForeignKey("chain.id"), primary_key=True),
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary()),
        sa.Column("visits", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("approaches", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("introductions", sa.BigInteger(), nullable=False, server_default="0"),
    )
    op.create_index("member_version", "member", ["chain", "version"])
    op.create_table(
        "met",
        sa.Column("chain", sa.String(), sa.ForeignKey("chain.id"), primary_key=True),
        sa.Column("member", sa.String(), primary_key=True),
        sa.Column("partner", sa.String(), primary_key=True),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
    )
    op.create_index("met_at", "met", ["chain", "at_ms"])
    op.create_table(
        "block",
        sa.Column("chain", sa.String(), sa.ForeignKey("chain.id"), primary_key=True),
        sa.Column("member", sa.String(), primary_key=True),
        sa.Column("other", sa.String(), primary_key=True),
    )
    op.create_table(
        "touched",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("chain", sa.String(), sa.ForeignKey("chain.id"), nullable=False),
        sa.Column("member", sa.String(), nullable=False),
    )
    op.create_index("touched_chain", "touched", ["chain"])
    op.create_table(
        "venue",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("chain", sa.String(), sa.ForeignKey("chain.id"), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("time_zone", sa.String(), nullable=False),
        sa.Column("closes_minute", sa.Integer(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("horizon", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("turn", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("swept_ms", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("zones", sa.LargeBinary(), nullable=False),
        sa.Column("schedule", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "answer",
        sa.Column("venue", sa.String(), sa.ForeignKey("venue.id"), primary_key=True),
        sa.Column("terminal", sa.String(), primary_key=True),
        sa.Column("key", sa.String(), primary_key=True),
        sa.Column("body_hash", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
    )
    op.create_index("answer_at", "answer", ["venue", "at_ms"])
    op.create_table(
        "fact",
        sa.Column("venue", sa.String(), sa.ForeignKey("venue.id"), primary_key=True),
        sa.Column("source", sa.String(), primary_key=True),
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("read", sa.Boolean(), nullable=False),
        sa.Column("arrived_ms", sa.BigInteger(), nullable=False),
    )
    op.create_index("fact_arrived", "fact", ["venue", "arrived_ms"])
    op.create_table(
        "match",
        sa.Column("venue", sa.String(), sa.ForeignKey("venue.id"), primary_key=True),
        sa.Column("visit", sa.String(), primary_key=True),
        sa.Column("partner", sa.String(), primary_key=True),
        sa.Column("member", sa.String(), nullable=False),
        sa.Column("partner_member", sa.String()),
        sa.Column("introduction", sa.LargeBinary()),
        sa.Column("until_ms", sa.BigInteger()),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("counts", sa.Boolean(), nullable=False, server_default=sa.true()),
        sa.Column("told", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.create_index("match_version", "match", ["venue", "version"])
    op.create_table(
        "token",
        sa.Column("hash", sa.LargeBinary(), primary_key=True),
        sa.Column("venue", sa.String(), sa.ForeignKey("venue.id"), nullable=False),
        sa.Column("terminal", sa.String(), nullable=False),
    )
    op.create_table(
        "visit",
        sa.Column("venue", sa.String(), sa.ForeignKey("venue.id"), primary_key=True),
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("member", sa.String()),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("door", sa.String(), nullable=False),
        sa.Column("mood", sa.String(), nullable=False),
        sa.Column("opened_ms", sa.BigInteger()),
        sa.Column("zone", sa.String()),
        sa.Column("confirmed", sa.Boolean(), nullable=False),
        sa.Column("approached", sa.Integer(), nullable=False),
        sa.Column("introduced", sa.Integer(), nullable=False),
        sa.Column("lifetime_rate", sa.Integer(), nullable=False),
        sa.Column("talks_until_ms", sa.BigInteger()),
        sa.Column("arrived_ms", sa.BigInteger(), nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("closed_ms", sa.BigInteger()),
        sa.Column("version", sa.BigInteger(), nullable=False),
    )
    op.create_index("visit_version", "visit", ["venue", "version"])
    if op.get_bind().dialect.name == "postgresql":
        for column, tables in WALLS.items():
            for table in tables:
                op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
                # The tables' owner too: nobody but a superuser gets past.
                op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
                op.execute(
                    f"CREATE POLICY own_{column} ON {table} USING ({column} = current_setting('fikatap.{column}', true))"
                )


def downgrade() -> None:
    """Drop the tables, and with them all that was kept."""
    for table in ("answer", "fact", "match", "visit", "touched", "block", "met", "card", "member", "token", "venue", "chain"):
        op.drop_table(table)
