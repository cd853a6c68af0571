"""The store on SQLite: one file, many readers, one writer at a time."""

import os
import re
import shutil
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Self, cast

import adbc_driver_sqlite.dbapi as adbc
import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from serving.store.base import Store, StoreError, pool_options
from serving.store.tables import SCHEMA_VERSION
from serving.store.versions import is_current, lay_or_upgrade

__all__ = ["SQLiteStore"]

# Seconds that a writer waits for another; publishing a million scores takes less.
_BUSY_TIMEOUT = 30
# Seconds that the question whether the store can be written to waits: its asker has others to ask.
_PATIENCE = 2
# Below this a write may still succeed, but not many more.
_LEAST_FREE_BYTES = 16 * 2**20
# ADBC hands out this many rows at a time; its own 1,024 make a ledger of many small pieces.
_BATCH_ROWS = 65_536
# One page of the least size; an empty file becomes a store, and SQLite takes a few letters for one.
_LEAST_BYTES = 512
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
            _refuse_short_file(path)
            store = cls(_engine(path, is_pooled=is_pooled))
            with store._closed_where_it_fails():
                store._lay_tables()
        except OSError as error:
            raise StoreError(
                f"{path} cannot be opened as a store: {error}. Point WORTH_HOME to a folder that "
                "this user may write to."
            ) from None
        except StoreError as error:
            raise StoreError(f"{error} Its file is {path}; WORTH_HOME names its folder.") from None
        store._sweep()
        return store

    @property
    def path(self) -> Path:
        """The file."""
        return Path(str(self.engine.url.database))

    def lock(self, connection: sa.Connection, what: str, *, is_shared: bool = False) -> None:
        """Do nothing: a writing transaction is the only one.

        Parameters
        ----------
        connection : sqlalchemy.Connection
            Of `writing` or `staged`.
        what : str
            Any name.
        is_shared : bool, default False
            Whether others may hold it, too.
        """
        del connection, what, is_shared

    def driver(self, connection: sa.Connection) -> sqlite3.Connection:
        """Give the connection of the driver itself.

        Parameters
        ----------
        connection : sqlalchemy.Connection
            Of `reading` or `writing`.

        Returns
        -------
        sqlite3.Connection
            In the same transaction.
        """
        return cast(sqlite3.Connection, connection.connection.driver_connection)

    def is_writable(self) -> bool:
        """Tell whether a write would be kept now, by beginning one.

        Returns
        -------
        bool
            False where the file is gone, locked by another writer or read-only, or its disk full.
        """
        address = f"{self.path.absolute().as_uri()}?mode=rw"
        try:
            with closing(sqlite3.connect(address, uri=True, timeout=_PATIENCE)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.rollback()
            return shutil.disk_usage(self.path.parent).free > _LEAST_FREE_BYTES
        except (sqlite3.Error, OSError):
            return False

    def purge(self, tables: Iterable[str]) -> None:
        """Write the file anew without what was deleted, and empty the write-ahead log.

        Parameters
        ----------
        tables : iterable of str
            From which rows were deleted; SQLite writes all of them.

        Raises
        ------
        StoreError
            If a reader holds on to the log for half a minute.
        """
        del tables
        with self._said_plainly(), self.engine.connect() as connection:
            driver = self.driver(connection)
            with _driver_said_plainly():
                driver.execute("VACUUM")
                is_busy, *_ = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if is_busy:
            raise StoreError(
                f"What was deleted is not yet out of {self.path}: a reader holds on to it. Purge "
                "again when it has ended."
            )

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
        self._refuse_pooled()
        file = self.path.with_name(f"staging-{os.getpid()}-{uuid.uuid4().hex}.db")
        try:
            with (
                _driver_said_plainly(),
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
        with self._said_plainly(), self._writer.connect() as connection:
            # Not within the transaction: SQLite attaches none there.
            driver = self.driver(connection)
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
        self._refuse_pooled()
        tables = {}
        with _driver_said_plainly(), closing(adbc.connect(str(self.path))) as connection:
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

    @cached_property
    def _writer(self) -> sa.Engine:
        return self.engine.execution_options(is_writing=True)

    def _lay_tables(self) -> None:
        # Read first: a store that is laid can be opened while another process writes.
        with self.reading() as connection:
            if is_current(_version(connection), name=str(self.path)):
                return
        with self.writing() as connection:
            # Another process may have been faster.
            version = _version(connection)
            if not is_current(version, name=str(self.path)):
                lay_or_upgrade(connection, version)
                # Read without Alembic, and by programs of before there were migrations.
                connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def _refuse_pooled(self) -> None:
        if not isinstance(self.engine.pool, sa.NullPool):
            raise TypeError(
                "A store that was opened with is_pooled=True cannot read or stage whole tables: "
                "ADBC would drop the locks of its open connections. Open it once more without."
            )

    def _sweep(self) -> None:
        """Remove what a process that was killed left staged."""
        for file in self.path.parent.glob("staging-*.db*"):
            staged_by = _STAGING_FILE.match(file.name)
            if staged_by and not _is_running(int(staged_by[1])):
                file.unlink(missing_ok=True)


def _refuse_short_file(path: Path) -> None:
    # SQLite refuses a longer one itself. Never read: closing it would drop the locks of all of
    # this process's connections to it (sqlite.org/howtocorrupt, 2.2).
    if path.exists() and 0 < path.stat().st_size < _LEAST_BYTES:
        raise OSError("file is not a database")


def _version(connection: sa.Connection) -> int:
    return int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())


@contextmanager
def _driver_said_plainly() -> Iterator[None]:
    try:
        yield
    except (adbc.Error, sqlite3.Error) as error:
        # ADBC repeats the statement, in which there may be personal data.
        said = str(error).partition("\nquery:")[0]
        raise StoreError(f"The store did not answer: {said}.") from None


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
        **pool_options(is_pooled),
        hide_parameters=True,
    )

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        # The driver's own idea of when a transaction begins would let a reader see two states.
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")  # What was acknowledged outlives the power.
        connection.execute("PRAGMA secure_delete = ON")  # What was erased is overwritten.

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        driver: Any = connection.connection.driver_connection
        options = connection.get_execution_options()
        is_writing = options.get("is_writing", False)
        if is_writing:
            level = "NORMAL" if options.get("is_derived", False) else "FULL"
            driver.execute(f"PRAGMA synchronous = {level}")
        # A writer that begins as a reader may find that it can no longer write.
        driver.execute("BEGIN IMMEDIATE" if is_writing else "BEGIN")

    return engine
