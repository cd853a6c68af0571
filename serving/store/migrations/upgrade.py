"""Bring a store's tables to the version that this program knows, in the caller's transaction."""

from pathlib import Path

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory

__all__ = ["BASELINE", "upgrade"]

# The first version that has a migration; what was written before it is not carried over.
BASELINE = 2


def upgrade(connection: sa.Connection, version: int, *, version_table: str) -> None:
    """Lay all tables, or upgrade those of an earlier version; rows stay.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        In a transaction that no other process upgrades in: all of it is kept, or nothing.
    version : int
        Of the tables now; 0 where there are none.
    version_table : str
        In which Alembic keeps it.
    """
    script = ScriptDirectory(str(Path(__file__).parent))
    context = MigrationContext.configure(
        connection,
        opts={
            "version_table": version_table,
            "fn": lambda heads, _: script._upgrade_revs("head", heads),
            # Alembic believes that SQLite commits at every change of a table. Our transactions
            # begin by BEGIN, and then it does not.
            "transactional_ddl": True,
        },
    )
    if version == BASELINE and not context.get_current_heads():
        # A store of before there were migrations.
        context.stamp(script, str(BASELINE))
    with Operations.context(context):
        context.run_migrations()
