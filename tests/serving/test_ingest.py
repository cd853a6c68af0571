from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from features.sources import Source, SourceError
from serving.ingest import Loaded, ingest
from serving.store import SQLiteStore
from serving.store.tables import INGESTS, REJECTED_ROWS

_HEADER = "customer_id,ordered_at,revenue,line_id,gross,order_id\n"
_ROWS = "A,2024-01-01,10,1,12,X\nA,2024-01-02,20,2,24,Y\nB,2024-01-02,30,3,36,Z\n"


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    path = tmp_path / "orders.csv"
    path.write_text(_HEADER + _ROWS)
    return path


def _load(store: SQLiteStore, **source: Any) -> Loaded:
    (loaded,) = ingest(store, {"orders": Source(**source)}, time_zone="UTC")
    return loaded


def _all(store: SQLiteStore, table: sa.Table) -> list[Mapping[str, Any]]:
    with store.reading() as connection:
        return [dict(row._mapping) for row in connection.execute(sa.select(table))]


def _revenues(store: SQLiteStore) -> list[float]:
    return sorted(store.read_ledger().order_lines["revenue"].to_pylist())


@pytest.mark.parametrize("table", ["customers", "interactions", "invoices", "payments"])
def test_a_source_of_another_table_is_refused(store: SQLiteStore, orders: Path, table: str) -> None:
    with pytest.raises(SourceError, match=f"'orders' fills the table {table}, which this version"):
        _load(store, path=orders, table=table)


def test_a_faulty_source_leaves_those_before_it_loaded(store: SQLiteStore, orders: Path) -> None:
    faulty = orders.with_name("faulty.csv")
    faulty.write_text("customer_id,ordered_at\nC,2024-01-01\n")
    sources = {"good": Source(path=orders), "faulty": Source(path=faulty)}

    with pytest.raises(SourceError, match="'faulty' has no column for revenue"):
        ingest(store, sources, time_zone="UTC")

    assert [row["source"] for row in _all(store, INGESTS)] == ["good"]
    assert _revenues(store) == [10, 20, 30]


def test_every_row_is_counted(store: SQLiteStore, orders: Path) -> None:
    orders.write_text(_HEADER + _ROWS + "C,yesterday,1,4,1,W\n")

    loaded = _load(store, path=orders)

    assert (loaded.cleaned.n_read, loaded.n_new) == (4, 3)
    (kept,) = _all(store, INGESTS)
    assert (kept["n_read"], kept["n_rejected"], kept["n_new"]) == (4, 1, 3)


def test_a_source_without_a_clean_row_is_refused(store: SQLiteStore, orders: Path) -> None:
    orders.write_text(_HEADER + "A,2024-01-01,ten,1,12,X\nA,2024-01-01,eleven,2,12,X\n")

    with pytest.raises(SourceError, match=r"Not one of the 2 rows .* Of 2 of them: revenue is not"):
        _load(store, path=orders)

    assert not _all(store, INGESTS)


def test_a_rejected_row_is_kept_with_its_place_and_reason(store: SQLiteStore, orders: Path) -> None:
    orders.write_text(_HEADER + "A,2024-01-01,ten,1,12,X\n" + _ROWS)

    _load(store, path=orders)

    (rejected,) = _all(store, REJECTED_ROWS)
    assert (rejected["source"], rejected["source_row"]) == ("orders", 1)
    assert rejected["reason"] == "revenue is not a number"
    assert '"ten"' in rejected["content"]


def test_the_rejected_rows_of_every_load_are_kept_once(store: SQLiteStore, orders: Path) -> None:
    orders.write_text(_HEADER + "A,2024-01-01,ten,9,12,X\n" + _ROWS)
    _load(store, path=orders)
    orders.write_text(_HEADER + "A,2024-02-01,eleven,9,12,X\n" + _ROWS)
    for _ in range(2):
        _load(store, path=orders)

    contents = [row["content"] for row in _all(store, REJECTED_ROWS)]
    assert ['"ten"' in contents[0], '"eleven"' in contents[1]] == [True, True]
    assert len(contents) == 2


@pytest.mark.parametrize("header", [_HEADER, _HEADER.replace("line_id", "number")])
def test_loading_twice_is_loading_once(store: SQLiteStore, orders: Path, header: str) -> None:
    orders.write_text(header + _ROWS)
    first, fingerprint = _load(store, path=orders), store.read_ledger().fingerprint()

    again = _load(store, path=orders)

    assert (first.n_new, again.n_new) == (3, 0)
    assert store.read_ledger().fingerprint() == fingerprint


def test_a_changed_line_replaces_the_one_of_its_key(store: SQLiteStore, orders: Path) -> None:
    _load(store, path=orders)
    # Of another day and customer too, which are part of the table's key.
    orders.write_text(_HEADER + _ROWS.replace("A,2024-01-01,10,1", "B,2024-03-01,11,1"))

    assert _load(store, path=orders).n_new == 0
    assert _revenues(store) == [11, 20, 30]


@pytest.mark.parametrize("header", [_HEADER, _HEADER.replace("line_id", "number")])
def test_another_mapping_is_refused_or_replaces_the_rows(
    store: SQLiteStore, orders: Path, header: str
) -> None:
    orders.write_text(header + _ROWS)
    _load(store, path=orders)
    other = {"orders": Source(path=orders, columns={"revenue": "gross"})}

    with pytest.raises(SourceError, match="its rows would be in the ledger twice"):
        ingest(store, other, time_zone="UTC")
    assert _revenues(store) == [10, 20, 30]

    ingest(store, other, time_zone="UTC", replace=True)
    assert _revenues(store) == [12, 24, 36]


def test_a_line_key_that_appears_later_doubles_nothing(store: SQLiteStore, orders: Path) -> None:
    orders.write_text(_HEADER.replace("line_id", "number") + _ROWS)
    _load(store, path=orders)
    orders.write_text(_HEADER + _ROWS)

    with pytest.raises(SourceError, match="loaded before with other fields"):
        _load(store, path=orders)


def test_a_column_that_is_not_mapped_changes_nothing(store: SQLiteStore, orders: Path) -> None:
    rows = "customer_id,ordered_at,revenue\nA,2024-01-01,10\nA,2024-01-01,10\n"
    orders.write_text(rows)
    _load(store, path=orders)
    orders.write_text(rows.replace("\n", ",note\n"))

    assert _load(store, path=orders).n_new == 0
    assert _revenues(store) == [10, 10]


def test_sources_that_count_their_lines_alike_do_not_meet(store: SQLiteStore, orders: Path) -> None:
    sources = {"shop_a": Source(path=orders), "shop_b": Source(path=orders)}
    ingest(store, sources, time_zone="UTC")
    assert _revenues(store) == [10, 10, 20, 20, 30, 30]

    shop_a = {"shop_a": sources["shop_a"]}
    ingest(store, shop_a, time_zone="UTC", replace=True)
    assert _revenues(store) == [10, 10, 20, 20, 30, 30]


def test_a_line_that_reads_wrong_by_now_leaves_and_is_not_counted(
    store: SQLiteStore, orders: Path
) -> None:
    _load(store, path=orders)
    orders.write_text(_HEADER + _ROWS.replace(",30,", ",thirty,") + "C,2024-01-05,40,4,48,W\n")

    assert _load(store, path=orders).n_new == 1
    assert _revenues(store) == [10, 20, 40]


def test_the_day_is_the_companys(store: SQLiteStore, orders: Path) -> None:
    orders.write_text("customer_id,ordered_at,revenue\nA,2024-01-01T23:30:00Z,1\n")

    ingest(store, {"orders": Source(path=orders)}, time_zone="Asia/Shanghai")

    assert store.last_day() == 19_724  # 2024-01-02
