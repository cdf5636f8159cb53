"""What Alembic runs: the steps, on the connection that `migrate` hands in."""

from __future__ import annotations

from alembic import context

from firmware_py.matching_service.tables import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True, render_as_batch=True
)
with context.begin_transaction():
    context.run_migrations()
