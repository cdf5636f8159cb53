"""The tables of the matching service; the migrations make them, and row security on PostgreSQL keeps venues and chains apart.

`chain`, `venue`, `token` and `revoked` hold nothing about people and are read before anybody knows whose request it is. All
the others belong to a chain or to a venue, and on PostgreSQL no query sees rows of another.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    String,
    Table,
    false,
    true,
)

metadata = MetaData()

AnyRow: TypeAlias = "Row[*tuple[Any, ...]]"
"""A row of any columns."""

LongKey = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself only in a column of its own INTEGER type."""

chain = Table(
    "chain",
    metadata,
    Column("id", String, primary_key=True),
    Column("version", BigInteger, nullable=False, server_default="0"),  # of the roster as terminals see it
    Column("horizon", BigInteger, nullable=False, server_default="0"),  # changes up to this version are not known one by one
    Column("revision", BigInteger, nullable=False, server_default="0"),  # counts up whenever a profile changes
    Column("secret", LargeBinary, nullable=False),  # hashes employers' names
)

venue = Table(
    "venue",
    metadata,
    Column("id", String, primary_key=True),
    Column("chain", String, ForeignKey("chain.id"), nullable=False),
    Column("name", String, nullable=False),
    Column("time_zone", String, nullable=False),
    Column("closes_minute", Integer, nullable=False),
    Column("version", BigInteger, nullable=False, server_default="0"),  # of presence
    Column("horizon", BigInteger, nullable=False, server_default="0"),
    Column("turn", BigInteger, nullable=False, server_default="0"),  # how many introductions there were
    Column("swept_ms", BigInteger, nullable=False, server_default="0"),  # the closing whose visits were erased last
    Column("zones", LargeBinary, nullable=False),
    Column("schedule", LargeBinary, nullable=False),
)

token = Table(
    "token",
    metadata,
    Column("hash", LargeBinary, primary_key=True),  # SHA-256: a token has 256 random bits
    Column("venue", String, ForeignKey("venue.id"), nullable=False),
    Column("terminal", String, nullable=False),
)

revoked = Table(
    "revoked",
    metadata,
    Column("venue", String, ForeignKey("venue.id"), primary_key=True),
    Column("terminal", String, primary_key=True),
    Column("until_s", BigInteger, nullable=False),  # certificates that hold from then, UTC, or from earlier are refused
)

member = Table(
    "member",
    metadata,
    Column("chain", String, ForeignKey("chain.id"), primary_key=True),
    Column("id", String, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("data", LargeBinary),  # a `Member` as JSON; nothing where they are gone
    Column("visits", BigInteger, nullable=False, server_default="0"),  # of days past, like the next two
    Column("approaches", BigInteger, nullable=False, server_default="0"),
    Column("introductions", BigInteger, nullable=False, server_default="0"),
    Index("member_version", "chain", "version"),
)

card = Table(
    "card",
    metadata,
    Column("chain", String, ForeignKey("chain.id"), primary_key=True),
    Column("card", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("member", String, nullable=False),
    Column("blocked", Boolean, nullable=False),
    Index("card_member", "chain", "member"),
)

met = Table(
    "met",
    metadata,
    Column("chain", String, ForeignKey("chain.id"), primary_key=True),
    Column("member", String, primary_key=True),
    Column("partner", String, primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Index("met_at", "chain", "at_ms"),
)
"""Both ways round, so that each finds the other."""

block = Table(
    "block",
    metadata,
    Column("chain", String, ForeignKey("chain.id"), primary_key=True),
    Column("member", String, primary_key=True),
    Column("other", String, primary_key=True),
)
"""Who is never introduced to whom, both ways round."""

touched = Table(
    "touched",
    metadata,
    Column("id", LongKey, primary_key=True),
    Column("chain", String, ForeignKey("chain.id"), nullable=False),
    Column("member", String, nullable=False),
    Index("touched_chain", "chain"),
)
"""Members whose line in the roster changed and has no version yet: whoever asks for the roster next numbers them, so that no
check-in waits for another venue's."""

visit = Table(
    "visit",
    metadata,
    Column("venue", String, ForeignKey("venue.id"), primary_key=True),
    Column("id", String, primary_key=True),
    Column("member", String),  # nothing where only its end is known so far
    Column("number", Integer, nullable=False),
    Column("door", String, nullable=False),
    Column("mood", String, nullable=False),
    Column("opened_ms", BigInteger),
    Column("zone", String),
    Column("confirmed", Boolean, nullable=False),
    Column("approached", Integer, nullable=False),
    Column("introduced", Integer, nullable=False),
    Column("lifetime_rate", Integer, nullable=False),
    Column("talks_until_ms", BigInteger),
    Column("arrived_ms", BigInteger, nullable=False),  # when the service heard of it
    Column("live", Boolean, nullable=False),  # opened by a check-in, not by a journal
    Column("source", String, nullable=False),  # whose fact changed it last
    Column("sequence", BigInteger, nullable=False),  # that fact's
    Column("closed_ms", BigInteger),
    Column("version", BigInteger, nullable=False),
    Index("visit_version", "venue", "version"),
)

match = Table(
    "match",
    metadata,
    Column("venue", String, ForeignKey("venue.id"), primary_key=True),
    Column("visit", String, primary_key=True),
    Column("partner", String, primary_key=True),
    Column("member", String, nullable=False),
    Column("partner_member", String),
    Column("introduction", LargeBinary),  # as JSON; nothing where it was taken back
    Column("until_ms", BigInteger),  # a proposal is reserved until then; nothing when it was settled
    Column("version", BigInteger, nullable=False),
    Column("counts", Boolean, nullable=False, server_default=true()),  # not where the host took it back: it keeps two apart
    Column("told", Boolean, nullable=False, server_default=false()),  # whether the partner heard of it
    Index("match_version", "venue", "version"),
)

ruling = Table(
    "ruling",
    metadata,
    Column("venue", String, ForeignKey("venue.id"), primary_key=True),
    Column("one", String, primary_key=True),
    Column("other", String, primary_key=True),
    Column("ruling", String),  # nothing where it was taken back, or one of the two left
    Column("source", String, nullable=False),  # whose fact it was
    Column("sequence", BigInteger, nullable=False),  # that fact's
    Column("at_ms", BigInteger, nullable=False),  # when the service heard of it
    Column("version", BigInteger, nullable=False),
    Index("ruling_version", "venue", "version"),
)
"""What the host decided about two people, named in alphabetical order."""

fact = Table(
    "fact",
    metadata,
    Column("venue", String, ForeignKey("venue.id"), primary_key=True),
    Column("source", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("type", String, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),  # the whole event, as it came
    Column("read", Boolean, nullable=False),
    Column("arrived_ms", BigInteger, nullable=False),
    Index("fact_arrived", "venue", "arrived_ms"),
)

answer = Table(
    "answer",
    metadata,
    Column("venue", String, ForeignKey("venue.id"), primary_key=True),
    Column("terminal", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("body_hash", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Index("answer_at", "venue", "at_ms"),
)

OF_A_CHAIN = (member, card, met, block, touched)
"""The tables whose rows only their chain sees."""
OF_A_VENUE = (visit, match, ruling, fact, answer)
"""The tables whose rows only their venue sees."""
