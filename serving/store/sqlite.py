"""The store on SQLite: one file, many readers, one writer at a time."""

import os
import re
import sqlite3
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Self

import adbc_driver_sqlite.dbapi as adbc
import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from serving.store.base import Store, StoreError
from serving.store.tables import METADATA, SCHEMA_VERSION

__all__ = ["SQLiteStore"]

# Seconds that a writer waits for another; publishing a million scores takes less.
_BUSY_TIMEOUT = 30
# ADBC hands out this many rows at a time; its own 1,024 make a ledger of many small pieces.
_BATCH_ROWS = 65_536
_STAGING_FILE = re.compile(r"staging-(\d+)-[0-9a-f]{32}\.db")
_EXAMPLES = {
    pa.string(): "''",
    pa.int64(): "0",
    pa.int32(): "0",
    pa.int8(): "0",
    pa.float64(): "0.0",
    pa.binary(): "x''",
}


class SQLiteStore(Store):
    """A store in one SQLite file, in write-ahead mode.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        Connections to the file.
    """

    @classmethod
    def open(cls, path: Path, *, is_pooled: bool = False) -> Self:
        """Open a store, and lay its tables where it is new.

        Parameters
        ----------
        path : Path
            The file. Its folder is made where there is none.
        is_pooled : bool, default False
            Whether connections stay open between statements. Only for a process that never reads
            or stages whole tables: ADBC must find none of them open.

        Returns
        -------
        SQLiteStore
            Ready for use.

        Raises
        ------
        StoreError
            If the file is no store, or an older or newer program's.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            store = cls(_engine(path, is_pooled=is_pooled))
            store._lay_tables()
        except StoreError as error:
            raise StoreError(f"{error} Its file is {path}; WORTH_HOME names its folder.") from None
        except (OSError, sa.exc.DatabaseError) as error:
            cause = getattr(error, "orig", None) or error
            raise StoreError(
                f"{path} cannot be opened as a store: {cause}. Point WORTH_HOME to a folder that "
                "this user may write to."
            ) from None
        store._sweep()
        return store

    @property
    def path(self) -> Path:
        """The file."""
        return Path(str(self.engine.url.database))

    @contextmanager
    def staged(
        self, tables: Mapping[str, pa.Table]
    ) -> Iterator[tuple[sa.Connection, Mapping[str, sa.TableClause]]]:
        """Lay Arrow tables beside the store's own, within one writing transaction.

        ADBC brings an SQLite library of its own, and two of them in one process must not have the
        same file open: closing it in one drops the locks of the other (sqlite.org/howtocorrupt,
        2.2.1). So ADBC writes a file apart, which is then attached.

        Parameters
        ----------
        tables : mapping of str to pyarrow.Table
            What to lay, by name.

        Yields
        ------
        tuple of (sqlalchemy.Connection, mapping of str to TableClause)
            The transaction and the staged tables.
        """
        file = self.path.with_name(f"staging-{os.getpid()}-{uuid.uuid4().hex}.db")
        try:
            with (
                _adbc_said_plainly(),
                closing(adbc.connect(str(file))) as connection,
                connection.cursor() as cursor,
            ):
                for name, table in tables.items():
                    cursor.adbc_ingest(name, table, mode="create")
                connection.commit()
            yield from self._attached(file, tables)
        finally:
            file.unlink(missing_ok=True)

    def _attached(
        self, file: Path, tables: Mapping[str, pa.Table]
    ) -> Iterator[tuple[sa.Connection, Mapping[str, sa.TableClause]]]:
        staged = {
            name: sa.table(name, *map(sa.column, table.schema.names), schema="staging")
            for name, table in tables.items()
        }
        writer = self.engine.execution_options(is_writing=True)
        with self._said_plainly(), writer.connect() as connection:
            # Not within the transaction: SQLite attaches none there.
            driver: Any = connection.connection.driver_connection
            driver.execute("ATTACH DATABASE ? AS staging", (str(file),))
            try:
                with connection.begin():
                    yield connection, staged
            finally:
                driver.execute("DETACH DATABASE staging")

    def read_tables(
        self, statements: Mapping[str, tuple[sa.Select[tuple[object, ...]], pa.Schema]]
    ) -> dict[str, pa.Table]:
        """Read whole results as Arrow, all from one state of the store.

        Parameters
        ----------
        statements : mapping of str to (Select, pyarrow.Schema)
            What to read, and the types it is to have.

        Returns
        -------
        dict of str to pyarrow.Table
            The results by name.
        """
        tables = {}
        with _adbc_said_plainly(), closing(adbc.connect(str(self.path))) as connection:
            with connection.cursor() as cursor:
                cursor.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT * 1000}")
                cursor.fetchall()
            for name, (statement, schema) in statements.items():
                with connection.cursor() as cursor:
                    cursor.adbc_statement.set_options(
                        **{"adbc.sqlite.query.batch_rows": str(_BATCH_ROWS)}
                    )
                    cursor.execute(_with_example(statement, schema))
                    tables[name] = cursor.fetch_arrow_table().slice(1).cast(schema)
        return tables

    def _lay_tables(self) -> None:
        # Read first: a store that is laid can be opened while another process writes.
        with self.reading() as connection:
            version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        if version > SCHEMA_VERSION:
            raise StoreError(
                f"{self.path} was written by a newer Worth (its tables are version {version}, "
                f"this program knows {SCHEMA_VERSION}). Update Worth."
            )
        if version == SCHEMA_VERSION:
            return
        if version > 0:
            raise StoreError(
                f"{self.path} was written by an older Worth (its tables are version {version}, "
                f"this program's {SCHEMA_VERSION}). Choose another WORTH_HOME and load the "
                "sources again."
            )
        with self.writing() as connection:
            METADATA.create_all(connection)
            connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def _sweep(self) -> None:
        """Remove what a process that was killed left staged."""
        for file in self.path.parent.glob("staging-*.db*"):
            staged_by = _STAGING_FILE.match(file.name)
            if staged_by and not _is_running(int(staged_by[1])):
                file.unlink(missing_ok=True)


@contextmanager
def _adbc_said_plainly() -> Iterator[None]:
    try:
        yield
    except adbc.Error as error:
        raise StoreError(f"The store did not answer: {error}.") from None


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _with_example(statement: sa.Select[tuple[object, ...]], schema: pa.Schema) -> str:
    """Put a row of every type on top: ADBC reads a column's type off the first rows alone."""
    example = ", ".join(f"{_EXAMPLES[field.type]} AS {field.name}" for field in schema)
    compiled = statement.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
    return f"SELECT {example} UNION ALL {compiled}"


def _engine(path: Path, *, is_pooled: bool) -> sa.Engine:
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)),
        connect_args={"timeout": _BUSY_TIMEOUT},
        poolclass=sa.QueuePool if is_pooled else sa.NullPool,
    )

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        # The driver's own idea of when a transaction begins would let a reader see two states.
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")  # What was acknowledged outlives the power.

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        is_writing = connection.get_execution_options().get("is_writing", False)
        # A writer that begins as a reader may find that it can no longer write.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writing else "BEGIN")

    return engine
