"""The steps by which Alembic makes and changes the tables."""
