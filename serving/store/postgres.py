"""The store on PostgreSQL: many writers, and readers on as many machines as are wanted."""

import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from functools import cached_property
from selectors import EVENT_READ, DefaultSelector
from typing import TYPE_CHECKING, Any, Self, cast
from urllib.parse import quote, urlencode

import adbc_driver_postgresql.dbapi as adbc
import psycopg
import pyarrow as pa
import sqlalchemy as sa

from features.engines.postgres import prepare
from serving.store.base import Store, StoreError, pool_options
from serving.store.postgres_arrow import STAGING, as_text, drop, lay, lock_of, said_plainly
from serving.store.tables import METADATA
from serving.store.versions import VERSION_TABLE, is_current, lay_or_upgrade

if TYPE_CHECKING:
    from sqlalchemy.pool import ConnectionPoolEntry

__all__ = ["PostgresStore"]

# What an address does not say itself. A server that vanished without a word is noticed in a minute.
_CONNECTING = {
    "connect_timeout": "5",
    "application_name": "worth",
    "keepalives_idle": "20",
    "keepalives_interval": "10",
    "keepalives_count": "4",
}
# Milliseconds that a writer waits for another, as on SQLite.
_LOCK_TIMEOUT = 30_000
# Any number, the same in every program: whoever holds it lays or upgrades the tables.
_UPGRADING = 0x776F727468
# What `prepare` sets to answer for one customer quickly would be slow for all of them.
_BULK = {
    "plan_cache_mode": "auto",
    "jit": "on",
    "enable_hashjoin": "on",
    "enable_mergejoin": "on",
    "work_mem": "64MB",
}
_RIGHTS = (
    " Its user must own Worth's tables, and may make tables and schemas: GRANT CREATE ON DATABASE."
)


class PostgresStore(Store):
    """A store in one database of PostgreSQL.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        Connections to the database.
    """

    @classmethod
    def open(cls, url: str, *, is_pooled: bool = True) -> Self:
        """Open a store, lay its tables where it is new, and upgrade them where it is older.

        Parameters
        ----------
        url : str
            Its address: postgresql://user:password@host:5432/database.
        is_pooled : bool, default True
            Whether connections stay open between statements, until `close`.

        Returns
        -------
        PostgresStore
            Ready for use.

        Raises
        ------
        StoreError
            If the database does not answer, lacks a right, is not in UTF-8, or holds tables of
            a newer program.
        """
        store = cls(_engine(url, is_pooled=is_pooled))
        try:
            with store._closed_where_it_fails():
                store._lay_tables()
                store._sweep()
        except sa.exc.ProgrammingError as error:
            said = str(error.orig).strip().splitlines()[0]
            lacks_right = isinstance(error.orig, psycopg.errors.InsufficientPrivilege)
            raise StoreError(
                f"{store.name} cannot be opened as a store: {said}.{_RIGHTS if lacks_right else ''}"
            ) from None
        except StoreError as error:
            raise StoreError(f"{error} The store is {store.name}.") from None
        return store

    @property
    def name(self) -> str:
        """Of the database, for people; never with its password."""
        url = self.engine.url
        return f"the database {url.database} on {url.host or url.query.get('host', 'this machine')}"

    def driver(self, connection: sa.Connection) -> "psycopg.Connection[Any]":
        """Give the connection of the driver itself.

        Parameters
        ----------
        connection : sqlalchemy.Connection
            Of `reading` or `writing`.

        Returns
        -------
        psycopg.Connection
            In the same transaction.
        """
        return cast("psycopg.Connection[Any]", connection.connection.driver_connection)

    def pipelined(self, connection: sa.Connection) -> AbstractContextManager[object]:
        """Let no statement of `serving.store.statements` wait until the one before is answered.

        Parameters
        ----------
        connection : sqlalchemy.Connection
            Of `reading`, `writing` or `derived_writing`.

        Returns
        -------
        context manager
            In whose block no statement by SQLAlchemy can stand.
        """
        if not psycopg.Pipeline.is_supported():  # The machine's own libpq may be older.
            return nullcontext()
        return self.driver(connection).pipeline()

    def lock(self, connection: sa.Connection, what: str, *, is_shared: bool = False) -> None:
        """Wait until no other writing transaction holds this, and hold it until this one ends.

        Parameters
        ----------
        connection : sqlalchemy.Connection
            Of `writing` or `staged`.
        what : str
            Any name. Take several in one order everywhere, or two writers wait for each other.
        is_shared : bool, default False
            Whether others may hold it, too, if they share it.
        """
        take = "pg_advisory_xact_lock_shared" if is_shared else "pg_advisory_xact_lock"
        statement = f"SELECT {take}(hashtextextended(%s, 0))"
        self.driver(connection).execute(statement, (f"worth:{what}",))

    def is_writable(self) -> bool:
        """Tell whether a write would be kept now, by beginning one.

        Returns
        -------
        bool
            False where the server is gone, a standby or set to read-only.
        """
        is_open = sa.func.current_setting("transaction_read_only") == "off"
        try:
            with self.writing() as connection:
                return bool(connection.execute(sa.select(is_open)).scalar_one())
        except StoreError:
            return False

    def purge(self, tables: Iterable[str]) -> None:
        """Free the space of deleted rows, in the tables and in their indexes.

        What is freed is written over by later rows; until then its bytes may lie in the files, and
        a reader that began before the rows were deleted keeps them. Backups and the archived log
        are the database's own to look after.

        Parameters
        ----------
        tables : iterable of str
            From which rows were deleted.
        """
        named = ", ".join(METADATA.tables[name].name for name in sorted(set(tables)))
        if named:
            outside = self.engine.execution_options(isolation_level="AUTOCOMMIT")
            with self._said_plainly(), outside.connect() as connection:
                connection.exec_driver_sql(f"VACUUM (INDEX_CLEANUP ON) {named}")

    @contextmanager
    def staged(
        self, tables: Mapping[str, pa.Table]
    ) -> Iterator[tuple[sa.Connection, Mapping[str, sa.TableClause]]]:
        """Lay Arrow tables beside the store's own, within one writing transaction.

        One such transaction runs at a time. While it does, the connection that laid the tables
        holds a lock on their names: where it is gone, its process is, and `open` sweeps them.

        Parameters
        ----------
        tables : mapping of str to pyarrow.Table
            What to lay, by name.

        Yields
        ------
        tuple of (sqlalchemy.Connection, mapping of str to TableClause)
            The transaction and the staged tables.
        """
        mark = secrets.token_hex(8)
        names = {name: f"{mark}_{name}" for name in tables}
        with closing(self._arrow_connection()) as laid:
            try:
                with said_plainly():
                    lay(laid, {names[name]: table for name, table in tables.items()}, mark)
                with self.writing() as connection:
                    _make_bulk(connection)
                    self.lock(connection, "staged")
                    yield (
                        connection,
                        {
                            name: sa.table(
                                names[name],
                                *map(sa.column, table.schema.names),
                                schema=STAGING,
                            )
                            for name, table in tables.items()
                        },
                    )
            finally:
                with suppress(adbc.Error):  # What stays is swept at the next opening.
                    drop(laid, names.values())

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
        with said_plainly(), closing(self._arrow_connection()) as connection:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                for name, (statement, schema) in statements.items():
                    cursor.execute(as_text(statement))
                    tables[name] = cursor.fetch_arrow_table().cast(schema)
            connection.rollback()
        return tables

    @contextmanager
    def derived_writing(self) -> Iterator[sa.Connection]:
        """Open a transaction for what can be made again, which is not waited for.

        Yields
        ------
        sqlalchemy.Connection
            For any statement; committed at the end of the block.
        """
        with self.writing() as connection:
            self.driver(connection).execute("SET LOCAL synchronous_commit = off")
            yield connection

    def _arrow_connection(self) -> Any:
        _, how = self.engine.dialect.create_connect_args(self.engine.url)
        del how["context"]  # Psycopg's own; the rest is as libpq knows it, for both drivers alike.
        with said_plainly():
            return adbc.connect(f"postgresql://?{urlencode(how, quote_via=quote)}")

    @cached_property
    def _reader(self) -> sa.Engine:
        return self.engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )

    def _lay_tables(self) -> None:
        with self.reading() as connection:
            _refuse_other_encoding(connection, self.name)
            if is_current(_version(connection, self.name), name=self.name):
                return
        with self.writing() as connection:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_UPGRADING)))
            # Another process may have been faster.
            version = _version(connection, self.name)
            if not is_current(version, name=self.name):
                lay_or_upgrade(connection, version)
            if not _has_schema(connection):
                connection.exec_driver_sql(f"CREATE SCHEMA {STAGING}")

    def _sweep(self) -> None:
        """Remove what a process that is gone left staged."""
        left = sa.text(
            "SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE "
            "nspname = :schema AND relkind = 'r' AND pg_get_userbyid(relowner) = current_user"
        )
        with self.reading() as connection:
            found = [str(name) for name in connection.execute(left, {"schema": STAGING}).scalars()]
        marks = {name.split("_")[0] for name in found}
        for mark in sorted(mark for mark in marks if re.fullmatch("[0-9a-f]{16}", mark)):
            with self.writing() as connection:
                lock = sa.func.pg_try_advisory_xact_lock(lock_of(mark))
                if connection.execute(sa.select(lock)).scalar_one():
                    for name in (name for name in found if name.startswith(mark)):
                        connection.exec_driver_sql(f'DROP TABLE IF EXISTS {STAGING}."{name}"')


def _engine(url: str, *, is_pooled: bool) -> sa.Engine:
    address = sa.make_url(url).set(drivername="postgresql+psycopg")
    more = {name: value for name, value in _CONNECTING.items() if name not in address.query}
    engine = sa.create_engine(
        address.update_query_dict(more),
        hide_parameters=True,
        **pool_options(is_pooled),
    )

    @sa.event.listens_for(engine, "connect")
    def ready(connection: "psycopg.Connection[Any]", _record: "ConnectionPoolEntry") -> None:
        connection.autocommit = True
        prepare(connection)
        connection.execute(f"SET lock_timeout = {_LOCK_TIMEOUT}")
        connection.autocommit = False

    @sa.event.listens_for(engine, "checkout")
    def look(connection: "psycopg.Connection[Any]", _record: object, _fairy: object) -> None:
        if not _has_heard(connection):
            return
        try:
            engine.dialect.do_ping(cast(Any, connection))
        except psycopg.Error as error:
            raise sa.exc.DisconnectionError from error

    return engine


def _has_heard(connection: "psycopg.Connection[Any]") -> bool:
    """Tell whether anything arrived on a connection at rest, without asking the server.

    It may have been started anew since; but for the end of it, it says next to nothing unasked.
    """
    if connection.closed:
        return True
    with DefaultSelector() as selector:
        selector.register(connection, EVENT_READ)
        return bool(selector.select(0))


def _version(connection: sa.Connection, name: str) -> int:
    has_table = sa.func.to_regclass(VERSION_TABLE).is_not(None)
    if not connection.execute(sa.select(has_table)).scalar_one():
        return 0
    said = connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalar()
    if said is None or not str(said).isdecimal():
        raise StoreError(
            f"{name} holds a table {VERSION_TABLE} that Worth did not write. Choose another "
            "database."
        )
    return int(said)


def _has_schema(connection: sa.Connection) -> bool:
    known = sa.func.to_regnamespace(STAGING).is_not(None)
    return bool(connection.execute(sa.select(known)).scalar_one())


def _refuse_other_encoding(connection: sa.Connection, name: str) -> None:
    encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
    if encoding != "UTF8":
        raise StoreError(
            f"{name} keeps texts in {encoding}, and Worth needs UTF8. CREATE DATABASE ... ENCODING "
            "'UTF8' TEMPLATE template0 makes one."
        )


def _make_bulk(connection: sa.Connection) -> None:
    settings = (sa.func.set_config(name, value, True) for name, value in _BULK.items())
    connection.execute(sa.select(*settings))
