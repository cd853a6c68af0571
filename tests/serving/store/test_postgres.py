import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import psycopg
import pyarrow as pa
import pytest
import sqlalchemy as sa

from serving.store import StoreError, UnstorableError
from serving.store.postgres import PostgresStore
from serving.store.tables import API_KEYS, LEDGER, PUBLISHED

_NAMES = pa.table({"name": ["Ada", "Grace"]})


@pytest.fixture
def store(postgres_place: str) -> Iterator[PostgresStore]:
    with closing(PostgresStore.open(postgres_place)) as store:
        yield store


def _staged_in(store: PostgresStore) -> list[str]:
    with store.reading() as connection:
        return sa.inspect(connection).get_table_names("worth_staging")


def _setting(connection: sa.Connection, name: str) -> str:
    return connection.execute(sa.select(sa.func.current_setting(name))).scalar_one()


class TestConnections:
    def test_a_reader_may_not_write(self, store: PostgresStore) -> None:
        with store.reading() as connection:
            assert _setting(connection, "transaction_isolation") == "repeatable read"
            with pytest.raises(sa.exc.InternalError, match="read-only transaction"):
                connection.execute(sa.delete(PUBLISHED))

    def test_each_is_ready_to_answer_for_one_customer(self, store: PostgresStore) -> None:
        with store.reading() as first, store.writing() as second:
            for connection in (first, second):
                assert _setting(connection, "plan_cache_mode") == "force_generic_plan"
                assert _setting(connection, "enable_hashjoin") == "off"
                assert _setting(connection, "lock_timeout") == "30s"

    def test_one_that_ended_at_rest_is_replaced(
        self, store: PostgresStore, postgres_place: str
    ) -> None:
        with store.reading() as connection:
            before = self._number(connection)
        with closing(psycopg.connect(postgres_place, autocommit=True)) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", (before,))
        with store.reading() as connection:
            assert self._number(connection) != before

    def test_one_that_is_there_is_used_again(self, store: PostgresStore) -> None:
        with store.reading() as connection:
            before = self._number(connection)
        with store.writing() as connection:
            assert self._number(connection) == before

    def _number(self, connection: sa.Connection) -> int:
        return connection.execute(sa.select(sa.func.pg_backend_pid())).scalar_one()

    def test_a_bulk_load_is_planned_as_one(self, store: PostgresStore) -> None:
        with store.staged({"names": _NAMES}) as (connection, _):
            assert _setting(connection, "enable_hashjoin") == "on"
        with store.writing() as connection:
            assert _setting(connection, "enable_hashjoin") == "off"

    def test_a_password_is_never_shown(self, store: PostgresStore) -> None:
        url = store.engine.url.set(password="sekrit")
        shown = PostgresStore(sa.create_engine(url))
        assert "sekrit" not in f"{shown!r} {shown.name}"


class TestLocks:
    def test_one_writer_waits_for_the_other(self, store: PostgresStore) -> None:
        with ThreadPoolExecutor() as pool, ExitStack() as first:
            store.lock(first.enter_context(store.writing()), "events")
            second = pool.submit(self._take, store, "events")
            assert pool.submit(self._take, store, "audit").result(timeout=10)
            time.sleep(0.2)
            assert not second.done()
            first.close()
            assert second.result(timeout=10)

    def test_those_who_share_do_not_wait(self, store: PostgresStore) -> None:
        with store.writing() as connection:
            store.lock(connection, "events", is_shared=True)
            with ThreadPoolExecutor() as pool:
                shared = pool.submit(self._take, store, "events", is_shared=True)
                assert shared.result(timeout=10)

    def _take(self, store: PostgresStore, what: str, **how: bool) -> bool:
        with store.writing() as connection:
            store.lock(connection, what, **how)
        return True

    def test_waiting_too_long_is_said(self, store: PostgresStore) -> None:
        with store.writing() as first:
            store.lock(first, "events")
            with pytest.raises(StoreError, match="lock timeout"), store.writing() as second:
                self._take_at_once(store, second)

    def _take_at_once(self, store: PostgresStore, connection: sa.Connection) -> None:
        connection.exec_driver_sql("SET LOCAL lock_timeout = 50")
        store.lock(connection, "events")


class TestText:
    @pytest.fixture
    def store(self, new_database: Callable[..., str]) -> Iterator[PostgresStore]:
        """A store in a database that sorts as English dictionaries do."""
        icu = "template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'"
        with closing(PostgresStore.open(new_database(icu))) as store:
            yield store

    def test_it_is_sorted_by_bytes_in_any_database(self, store: PostgresStore) -> None:
        words = ["a", "B", "b", "A", "é"]
        with store.staged({"words": pa.table({"word": words})}) as (connection, staged):
            word = staged["words"].c.word
            values = sa.values(sa.column("w", sa.Text), name="v").data([(w,) for w in words])
            theirs = connection.execute(sa.select(values.c.w).order_by(values.c.w)).scalars()
            assert list(theirs) == ["a", "A", "b", "B", "é"]
            ours = connection.execute(sa.select(word).order_by(word)).scalars()
            assert list(ours) == sorted(words)
            for n, who in enumerate(words):
                connection.execute(
                    sa.insert(LEDGER["customers"]).values(customer_id=who, row_key=b"%d" % n)
                )
        who = LEDGER["customers"].c.customer_id
        with store.reading() as connection:
            assert list(connection.execute(sa.select(who).order_by(who)).scalars()) == sorted(words)

    def test_every_column_of_text_sorts_by_bytes(self, store: PostgresStore) -> None:
        other = sa.text(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = "
            "'public' AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'"
        )
        with store.reading() as connection:
            assert connection.execute(other).all() == []


class TestNul:
    def test_it_is_refused_in_a_statement(self, store: PostgresStore) -> None:
        for transaction in (store.reading, store.writing):
            with pytest.raises(UnstorableError, match="cannot contain NUL"), transaction() as c:
                c.execute(sa.select(API_KEYS).where(API_KEYS.c.prefix == "a\0b"))

    def test_it_is_refused_in_a_staged_table(self, store: PostgresStore) -> None:
        names = pa.table({"n": [1, 2], "name": ["Ada", "Gr\0ce"]})
        with (
            pytest.raises(UnstorableError, match=r"in the column name: .*take it out"),
            store.staged({"names": names}),
        ):
            pass
        assert _staged_in(store) == []


def test_a_number_beyond_its_column_is_refused(store: PostgresStore) -> None:
    key = dict.fromkeys(("prefix", "secret_hash", "scopes", "created_at"), "x")
    with (
        pytest.raises(UnstorableError, match="cannot hold this: integer out of range"),
        store.writing() as connection,
    ):
        connection.execute(sa.insert(API_KEYS).values(**key, rate_limit=2**40))


class TestStaging:
    def test_it_is_unlogged_and_gone_afterwards(self, store: PostgresStore) -> None:
        with store.staged({"names": _NAMES}) as (connection, staged):
            kind = sa.text("SELECT relpersistence FROM pg_class WHERE relname = :name")
            name = staged["names"].name
            assert connection.execute(kind, {"name": name}).scalar_one() == "u"
        assert _staged_in(store) == []

    def test_two_stage_the_same_name_one_after_the_other(self, store: PostgresStore) -> None:
        def count() -> int:
            with store.staged({"names": _NAMES}) as (connection, staged):
                rows = sa.select(sa.func.count()).select_from(staged["names"])
                return int(connection.execute(rows).scalar_one())

        with ThreadPoolExecutor() as pool:
            assert [f.result() for f in [pool.submit(count) for _ in range(4)]] == [2] * 4

    def test_what_a_killed_process_left_is_swept_and_no_more(
        self, store: PostgresStore, postgres_place: str
    ) -> None:
        stage = (
            "import os, signal, sys, pyarrow as pa; from serving.store import open_store\n"
            "with open_store(sys.argv[1]).staged({'names': pa.table({'name': ['Ada']})}):\n"
            "    os.kill(os.getpid(), signal.SIGKILL)\n"
        )
        killed = subprocess.run([sys.executable, "-c", stage, postgres_place])
        assert killed.returncode == -signal.SIGKILL
        (left,) = _staged_in(store)

        with store.staged({"names": _NAMES}) as (_, staged):
            self._open_until_swept(postgres_place, left)
            assert _staged_in(store) == [staged["names"].name]

    def _open_until_swept(self, place: str, left: str) -> None:
        # The server may take a moment to see that the process is gone.
        for _ in range(50):
            with closing(PostgresStore.open(place)) as store:
                if left not in _staged_in(store):
                    return
            time.sleep(0.1)


class TestALostServer:
    def test_one_request_fails_and_the_next_does_not(
        self, store: PostgresStore, postgres_place: str
    ) -> None:
        with (
            pytest.raises(StoreError, match="did not answer: terminating connection"),
            store.reading() as connection,
        ):
            _read_from_an_ended(connection, postgres_place)
        with store.reading() as connection:
            assert connection.execute(sa.select(API_KEYS)).all() == []

    def test_an_idle_connection_is_made_anew(
        self, store: PostgresStore, postgres_place: str
    ) -> None:
        _end_connections(postgres_place)
        with store.writing() as connection:
            assert connection.execute(sa.select(API_KEYS)).all() == []

    def test_a_staged_load_is_kept_or_said(self, store: PostgresStore, postgres_place: str) -> None:
        with pytest.raises(StoreError), store.staged({"names": _NAMES}) as (connection, _):
            _write_to_an_ended(connection, postgres_place)
        with store.reading() as connection:
            assert connection.execute(sa.select(LEDGER["customers"])).all() == []

    def test_a_server_that_is_gone_is_said(self) -> None:
        store = PostgresStore(sa.create_engine("postgresql+psycopg://worth@127.0.0.1:1/worth"))

        assert not store.is_writable()
        with pytest.raises(StoreError, match="did not answer: connection failed"):
            store.last_day()
        with pytest.raises(StoreError, match=r"did not answer: IO: .*refused"):
            store.read_ledger()


def _read_from_an_ended(connection: sa.Connection, place: str) -> None:
    _end_connections(place)
    connection.execute(sa.select(API_KEYS)).all()


def _write_to_an_ended(connection: sa.Connection, place: str) -> None:
    connection.execute(sa.insert(LEDGER["customers"]).values(customer_id="A", row_key=b""))
    _end_connections(place)


def _end_connections(place: str) -> None:
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid != pg_backend_pid()"
    with psycopg.connect(place, autocommit=True) as connection:
        connection.execute(f"{others} AND datname = current_database()")


class TestOpen:
    def test_a_user_without_the_right_is_refused(
        self, new_database: Callable[..., str], postgres_url: str
    ) -> None:
        place = sa.make_url(new_database())
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute("DROP ROLE IF EXISTS guest")
            connection.execute("CREATE ROLE guest LOGIN")
        guest = place.set(username="guest").render_as_string(hide_password=False)

        with pytest.raises(StoreError, match=r"permission denied.*GRANT CREATE ON DATABASE"):
            PostgresStore.open(guest)

    def test_a_database_in_another_encoding_is_refused(
        self, new_database: Callable[..., str]
    ) -> None:
        with pytest.raises(StoreError, match="keeps texts in LATIN1, and Worth needs UTF8"):
            PostgresStore.open(new_database("template0 ENCODING 'LATIN1'"))
