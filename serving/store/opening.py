"""Open the store that an address names."""

from pathlib import Path

import sqlalchemy as sa

from serving.store.base import Store, StoreError
from serving.store.sqlite import SQLiteStore

__all__ = ["open_store"]

_POSTGRES = {"postgres", "postgresql", "postgresql+psycopg"}


def open_store(place: str | Path, *, is_pooled: bool = False) -> Store:
    """Open a store, lay its tables where it is new, and upgrade them where it is older.

    Parameters
    ----------
    place : str or Path
        A file of SQLite, or an address: postgresql://user@host/database, or sqlite:///file.
    is_pooled : bool, default False
        Whether connections stay open between statements, until `close`. On SQLite only for a
        process that never reads or stages whole tables.

    Returns
    -------
    Store
        Ready for use.

    Raises
    ------
    StoreError
        If it cannot be opened, or the address names no database that this program knows.
    """
    if isinstance(place, Path):
        return SQLiteStore.open(place, is_pooled=is_pooled)
    url = _parsed(place)
    if url.drivername == "sqlite":
        return SQLiteStore.open(_file_of(url), is_pooled=is_pooled)
    if url.drivername not in _POSTGRES:
        raise StoreError(
            "The store's address must begin with postgresql:// or sqlite:///. Got "
            f"{url.drivername}:// instead."
        )
    return _open_postgres(place, is_pooled=is_pooled)


def _parsed(address: str) -> sa.URL:
    try:
        return sa.make_url(address)
    except (sa.exc.ArgumentError, ValueError):
        # It may hold a password, so it is not repeated.
        raise StoreError(
            "The store's address cannot be read. It must look like "
            "postgresql://user:password@host:5432/database or sqlite:///file."
        ) from None


def _file_of(url: sa.URL) -> Path:
    if not url.database or url.database == ":memory:":
        raise StoreError(
            "The store's address names no file. It must look like sqlite:///worth-data/worth.db."
        )
    return Path(url.database)


def _open_postgres(address: str, *, is_pooled: bool) -> Store:
    try:
        from serving.store.postgres import PostgresStore
    except ModuleNotFoundError as error:
        raise StoreError(
            f"A store on PostgreSQL needs the package {error.name}. "
            "pip install 'worth[postgres]' brings it."
        ) from None
    return PostgresStore.open(address, is_pooled=is_pooled)
