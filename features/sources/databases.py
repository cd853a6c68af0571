"""Read a SQL database by its address."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import sqlalchemy as sa

from features.sources.frames import from_pandas
from features.sources.source import Source, SourceError, first_sentence

__all__ = ["read_database"]


def read_database(source: Source, name: str) -> pa.Table:
    """Read what a source's query yields.

    Parameters
    ----------
    source : Source
        With url and query.
    name : str
        What to call it in an error.

    Returns
    -------
    pyarrow.Table
        The rows.

    Raises
    ------
    SourceError
        If the database is not there, has no driver, or does not answer. It never says a password.
    """
    assert source.url is not None
    assert source.query is not None
    try:
        url = sa.make_url(source.url.get_secret_value())
    except (sa.exc.ArgumentError, ValueError):
        raise SourceError(
            f"The url of source '{name}' is not the address of a database. It is written "
            "dialect://user:password@host/database."
        ) from None
    is_sqlite_file = url.get_backend_name() == "sqlite" and url.database
    if is_sqlite_file and not Path(str(url.database)).exists():
        raise SourceError(f"There is no database {url.database}. Check the url of source '{name}'.")
    try:
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        with engine.connect() as connection:
            frame = pd.read_sql_query(sa.text(source.query), connection, dtype_backend="pyarrow")
    except (sa.exc.NoSuchModuleError, ImportError) as error:
        raise SourceError(
            f"There is no driver for the database of source '{name}' ({first_sentence(error)}). "
            "Install it beside Worth, for example psycopg for PostgreSQL."
        ) from None
    except (sa.exc.SQLAlchemyError, pd.errors.DatabaseError, ValueError, TypeError) as error:
        raise SourceError(
            f"The database of source '{name}' did not answer its query: "
            f"{_words_of_driver(error, url)}. Check url and query."
        ) from None
    return from_pandas(frame, f"the query of source '{name}'")


def _words_of_driver(error: BaseException, url: sa.URL) -> str:
    """Pass on what the driver says, but never the password of the address."""
    if isinstance(error, pd.errors.DatabaseError):
        error = error.__cause__ or error
    words = first_sentence(getattr(error, "orig", None) or error)
    return words.replace(url.password, "***") if url.password else words
