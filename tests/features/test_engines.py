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
    single = sqlite.compute_signals(empty_database, 10, "C")
    assert [*bulk.columns] == [*single.columns] == [*CATALOGUE]
    assert len(bulk) == len(single) == 0
    assert bulk.dtypes.equals(single.dtypes)


def test_a_customer_nobody_knows_gives_no_row(empty_database: sqlite3.Connection) -> None:
    empty_database.execute(
        "INSERT INTO order_lines (customer_id, day, order_id, revenue) VALUES ('C', 1, 'O', 5)"
    )
    assert len(sqlite.compute_signals(empty_database, 10, "C' OR 1 = 1 --")) == 0
    assert sqlite.compute_signals(empty_database, 10, "C").index.tolist() == ["C"]


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
