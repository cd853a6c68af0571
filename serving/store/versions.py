"""Whether this program can use a store of some version, and bringing older ones up to its own."""

import sqlalchemy as sa

from serving.store.base import StoreError
from serving.store.tables import SCHEMA_VERSION

__all__ = ["VERSION_TABLE", "is_current", "lay_or_upgrade"]

# Not Alembic's own name: MLflow may keep its tables in the same database, and uses that.
VERSION_TABLE = "worth_version"

# The first version whose rows are carried over.
_OLDEST = 2


def is_current(version: int, *, name: str) -> bool:
    """Tell whether tables are of the version that this program knows.

    Parameters
    ----------
    version : int
        Of the tables; 0 where there are none.
    name : str
        Of the store, for people.

    Returns
    -------
    bool
        False where they are to be laid or upgraded.

    Raises
    ------
    StoreError
        If this program can do neither.
    """
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"{name} was written by a newer Worth (its tables are version {version}, this program "
            f"knows {SCHEMA_VERSION}). Update Worth."
        )
    if version != 0 and version < _OLDEST:
        raise StoreError(
            f"{name} was written by an older Worth (its tables are version {version}, this "
            f"program's {SCHEMA_VERSION}). Choose another WORTH_HOME and load the sources again."
        )
    return version == SCHEMA_VERSION


def lay_or_upgrade(connection: sa.Connection, version: int) -> None:
    """Lay all tables, or upgrade those of an earlier version; rows stay.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        In a transaction that no other process upgrades in: all of it is kept, or nothing.
    version : int
        Of the tables now; 0 where there are none.
    """
    # Importing Alembic takes half a second, which every other start of the program saves.
    from serving.store.migrations import upgrade

    upgrade(connection, version, version_table=VERSION_TABLE)
