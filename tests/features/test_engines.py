import sqlite3
from collections.abc import Callable, Iterator

import pandas as pd
import pytest

from features.engines import duckdb, sqlite
from features.ledger import Ledger
from features.schema import TABLES
from features.signals.catalogue import CATALOGUE

LedgerAt = Callable[..., Ledger]


@pytest.fixture
def empty_database() -> Iterator[sqlite3.Connection]:
    """The canonical tables without a row."""
    connection = sqlite3.connect(":memory:")
    for name, table in TABLES.items():
        connection.execute(f"CREATE TABLE {name} ({', '.join(table.names)})")
    yield connection
    connection.close()


def test_an_empty_ledger_gives_an_empty_table_of_the_same_shape(
    empty_database: sqlite3.Connection,
) -> None:
    bulk = duckdb.compute_signals(Ledger({}), 10)
    stored = sqlite.compute_signals(empty_database, 10)
    assert [*bulk.columns] == [*stored.columns] == [*CATALOGUE]
    assert len(bulk) == len(stored) == 0
    assert bulk.dtypes.equals(stored.dtypes)


class TestOneCustomer:
    @pytest.fixture
    def database(self, empty_database: sqlite3.Connection) -> sqlite3.Connection:
        """Two customers with an order each."""
        empty_database.executemany(
            "INSERT INTO order_lines (customer_id, day, order_id, revenue) VALUES (?, ?, 'O', ?)",
            [("C", 1, 5), ("D", 2, 7)],
        )
        return empty_database

    def test_nobody_knows_has_no_signals(self, database: sqlite3.Connection) -> None:
        assert sqlite.signals_of(database, "nobody", 10) is None
        assert sqlite.signals_of(database, "C' OR 1 = 1 --", 10) is None
        assert sqlite.signals_of(database, "C", 0) is None

    def test_has_its_row_of_all_customers(self, database: sqlite3.Connection) -> None:
        everyone = sqlite.compute_signals(database, 10)
        assert everyone.index.tolist() == ["C", "D"]
        for customer, row in everyone.iterrows():
            found = sqlite.signals_of(database, str(customer), 10)
            assert found is not None
            assert found == row.astype(object).where(row.notna(), None).to_dict()

    def test_has_numbers_texts_and_nulls(self, database: sqlite3.Connection) -> None:
        found = sqlite.signals_of(database, "D", 10)
        assert found is not None
        assert [*found] == [*CATALOGUE]
        values = [found[name] for name in ("revenue", "T", "lifecycle", "gap_mean_days")]
        assert values == [7.0, 8.0, "new", None]
        assert {type(value) for value in found.values()} == {float, str, type(None)}


class TestOutcomes:
    def test_by_hand(self, ledger_at: LedgerAt) -> None:
        lines = [
            {"day": 100, "revenue": 1.0, "cost": 1.0},
            {"day": 101, "revenue": 10.0, "cost": 4.0},
            {"day": 101, "revenue": 20.0},
            {"day": 110, "revenue": 5.0, "cost": 5.0},
            {"day": 110, "revenue": -8.0, "cost": -3.0},
            {"day": 111, "revenue": 99.0, "cost": 1.0},
        ]
        outcomes = duckdb.compute_outcomes(ledger_at(lines), 100, 10)
        assert outcomes.loc["C"].to_dict() == {"purchases": 2, "revenue": 27, "gross_margin": 1}

    def test_a_return_is_no_purchase_but_counts_as_money(self, ledger_at: LedgerAt) -> None:
        outcomes = duckdb.compute_outcomes(ledger_at([{"day": 5, "revenue": -8.0}]), 1, 10)
        assert outcomes.loc["C", ["purchases", "revenue"]].tolist() == [0, -8]
        assert pd.isna(outcomes.loc["C", "gross_margin"])

    def test_who_did_nothing_has_no_row(self, ledger_at: LedgerAt) -> None:
        outcomes = duckdb.compute_outcomes(ledger_at([{"day": 1}, {"day": 20}]), 1, 10)
        assert outcomes.empty
        assert [*outcomes.columns] == ["purchases", "revenue", "gross_margin"]

    def test_windows_side_by_side_add_up(self, cdnow: Ledger) -> None:
        start = cdnow.first_day - 1
        whole = duckdb.compute_outcomes(cdnow, start, 400).sum()
        parts = duckdb.compute_outcomes(cdnow, start, 150).sum() + duckdb.compute_outcomes(
            cdnow, start + 150, 250
        ).sum()  # fmt: skip
        pd.testing.assert_series_equal(whole, parts)

    def test_add_up_with_signals(self, cdnow: Ledger) -> None:
        """What is known later is what was known earlier and what came in between."""
        then, now = (
            duckdb.compute_signals(cdnow, as_of) for as_of in (cdnow.last_day - 90, cdnow.last_day)
        )
        between = duckdb.compute_outcomes(cdnow, cdnow.last_day - 90, 90)
        assert (
            then["n_purchase_days"].sum() + between["purchases"].sum()
            == now["n_purchase_days"].sum()
        )
        assert then["revenue"].sum() + between["revenue"].sum() == pytest.approx(
            now["revenue"].sum()
        )
