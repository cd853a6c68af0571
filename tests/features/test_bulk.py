"""Signals of ledgers in Parquet files, customer range by customer range."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.engines.duckdb import (
    LedgerFileError,
    compute_mix,
    compute_signals,
    write_signals,
)
from features.ledger import EmptyLedgerError, Ledger
from features.pipeline import signals_statement
from features.schema import TABLES
from features.signals.catalogue import CATALOGUE, as_typed
from simulation import write_ledger


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated wholesaler's canonical tables."""
    place = tmp_path_factory.mktemp("ledger")
    write_ledger(place, 400, seed=3)
    return place


@pytest.fixture(scope="module")
def ledger(folder: Path) -> Ledger:
    """The same in memory."""
    return Ledger({name: pq.read_table(folder / f"{name}.parquet") for name in TABLES})


def _read(file: Path) -> pd.DataFrame:
    return as_typed(pd.read_parquet(file)).sort_index()


@pytest.mark.parametrize("lines_at_a_time", [100, 1_000, 10**9])
def test_are_those_of_the_ledger_in_memory(
    folder: Path, ledger: Ledger, tmp_path: Path, lines_at_a_time: int
) -> None:
    said: list[str] = []
    file = tmp_path / "signals.parquet"
    n_customers, last = write_signals(
        folder, file, lines_at_a_time=lines_at_a_time, report=said.append
    )
    assert (n_customers, last) == (400, ledger.last_day)
    assert (len(said) > 1) == (lines_at_a_time < 10**9)
    pd.testing.assert_frame_equal(_read(file), compute_signals(ledger, last), rtol=1e-9)
    assert [p.name for p in tmp_path.iterdir()] == ["signals.parquet"]


def test_of_an_earlier_day(folder: Path, ledger: Ledger, tmp_path: Path) -> None:
    day = ledger.last_day - 400
    _, last = write_signals(folder, tmp_path / "s.parquet", as_of=day)
    assert last == day
    pd.testing.assert_frame_equal(
        _read(tmp_path / "s.parquet"), compute_signals(ledger, day), rtol=1e-9
    )


def test_of_order_lines_alone_know_no_invoices(folder: Path, tmp_path: Path) -> None:
    lines = pq.read_table(folder / "order_lines.parquet")
    pq.write_table(lines, tmp_path / "order_lines.parquet")
    write_signals(tmp_path, tmp_path / "s.parquet")
    signals = _read(tmp_path / "s.parquet")
    assert signals["n_invoices"].isna().all()
    assert signals["revenue"].notna().all()


def test_columns_of_the_company_s_own_may_have_any_name(folder: Path, tmp_path: Path) -> None:
    for name in TABLES:
        rows = pq.read_table(folder / f"{name}.parquet")
        for own in ("id", "number"):
            rows = rows.append_column(own, pa.nulls(len(rows), pa.int32()))
        pq.write_table(rows, tmp_path / f"{name}.parquet")
    write_signals(folder, tmp_path / "without.parquet")
    write_signals(tmp_path, tmp_path / "with.parquet")
    pd.testing.assert_frame_equal(
        _read(tmp_path / "with.parquet"), _read(tmp_path / "without.parquet"), rtol=1e-9
    )


@pytest.mark.parametrize("n", range(11))
def test_chosen_ones_are_what_they_are_among_all(
    folder: Path, ledger: Ledger, tmp_path: Path, n: int
) -> None:
    """Every signal is chosen once, together with those whose families and steps it shares."""
    names = [*CATALOGUE][n::11]
    write_signals(folder, tmp_path / "s.parquet", names=names[::-1])
    found = pd.read_parquet(tmp_path / "s.parquet").set_index("customer_id").sort_index()
    expected = compute_signals(ledger, ledger.last_day)[names]
    pd.testing.assert_frame_equal(found, expected, rtol=1e-9, check_index_type=False)


def test_what_chosen_ones_do_not_need_is_not_read() -> None:
    text = signals_statement("duckdb", names=("n_orders",))
    assert "baskets" in text
    assert not any(name in text for name in ("known_invoices", "favourites", "products"))


def test_one_that_does_not_exist_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="n_ordres"):
        write_signals(folder, tmp_path / "s.parquet", names=["n_ordres"])


class TestFaultyFolders:
    def test_without_order_lines(self, tmp_path: Path) -> None:
        with pytest.raises(LedgerFileError, match=r"There is no .*order_lines\.parquet"):
            write_signals(tmp_path, tmp_path / "s.parquet")

    def test_without_a_row(self, tmp_path: Path) -> None:
        empty = TABLES["order_lines"].arrow_schema.empty_table()
        pq.write_table(empty, tmp_path / "order_lines.parquet")
        with pytest.raises(EmptyLedgerError):
            write_signals(tmp_path, tmp_path / "s.parquet")

    def test_without_a_column(self, tmp_path: Path) -> None:
        pq.write_table(pa.table({"Client": ["a"]}), tmp_path / "order_lines.parquet")
        with pytest.raises(LedgerFileError, match=r"lacks the column 'customer_id'.* has: Client"):
            write_signals(tmp_path, tmp_path / "s.parquet")

    def test_cut_off(self, folder: Path, tmp_path: Path) -> None:
        content = (folder / "order_lines.parquet").read_bytes()
        (tmp_path / "order_lines.parquet").write_bytes(content[:-200])
        with pytest.raises(LedgerFileError, match="not a Parquet file, or is cut off"):
            write_signals(tmp_path, tmp_path / "s.parquet")


def test_the_category_mix_adds_up_and_is_what_the_signals_sum_up(ledger: Ledger) -> None:
    mix = compute_mix(ledger, ledger.last_day)
    signals = compute_signals(ledger, ledger.last_day)
    by_customer = mix.groupby("customer_id")
    pd.testing.assert_series_equal(
        by_customer["revenue_share"].max(), signals["top_category_share"], check_names=False
    )
    assert by_customer["revenue_share"].sum().round(9).eq(1).all()
    assert by_customer.size().eq(signals["n_categories"]).all()
