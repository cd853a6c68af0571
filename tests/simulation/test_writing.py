import hashlib
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from features.ledger import Ledger
from features.schema import TABLES
from serving.ingest import ingest
from serving.store import SQLiteStore
from simulation import WHOLESALER, write_company, write_ledger
from worth.wholesale import wholesale_settings

Company = dict[str, pa.Table]


def _digests(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.glob("*.parquet")
    }


def _frame_of(company: Company, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect() as connection:
        for name, table in company.items():
            connection.register(name, table)
        return connection.execute(sql).fetchall()


def test_the_same_seed_makes_the_same_company_and_another_seed_another(tmp_path: Path) -> None:
    for name, seed in (("first", 3), ("second", 3), ("other", 4)):
        write_ledger(tmp_path / name, 200, seed=seed)

    first, second, other = (_digests(tmp_path / name) for name in ("first", "second", "other"))
    assert first == second
    assert not set(first.values()) & set(other.values())


def test_leaving_tables_out_does_not_change_the_others(tmp_path: Path) -> None:
    write_ledger(tmp_path / "all", 200)
    counts = write_ledger(tmp_path / "few", 200, tables=["payments"], has_truth=False)

    assert list(counts) == ["payments"]
    assert _digests(tmp_path / "few").items() < _digests(tmp_path / "all").items()


def test_a_company_of_a_hundred_is_whole(tmp_path: Path) -> None:
    counts = write_ledger(tmp_path, 100)

    assert counts["customers"] == counts["truth"] == 100
    assert all(counts[name] > 0 for name in TABLES)


def test_a_single_customer_is_a_company(tmp_path: Path) -> None:
    assert write_ledger(tmp_path, 1)["customers"] == 1


@pytest.mark.parametrize("lines", [3.0, 10.0, 40.0])
def test_customers_have_about_as_many_lines_as_asked_for(tmp_path: Path, lines: float) -> None:
    counts = write_ledger(
        tmp_path, 20_000, lines_per_customer=lines, tables=["order_lines"], has_truth=False
    )

    assert counts["order_lines"] / 20_000 == pytest.approx(lines, rel=0.1)


def test_the_tables_are_canonical(company: Company) -> None:
    for name, table in TABLES.items():
        assert company[name].schema.equals(table.arrow_schema)
        company[name].validate(full=True)
    assert Ledger({name: company[name] for name in TABLES}).n_customers == 2_000


@pytest.mark.parametrize("name", TABLES)
def test_rows_are_sorted_and_unique_by_the_tables_key(company: Company, name: str) -> None:
    keys = company[name].select(TABLES[name].key).to_pylist()
    rows = [tuple(key.values()) for key in keys]

    assert rows == sorted(set(rows))
    assert len(pc.unique(company[name]["row_key"])) == len(company[name])
    assert set(pc.unique(pc.binary_length(company[name]["row_key"])).to_pylist()) == {16}


def test_no_day_lies_outside_the_history(company: Company) -> None:
    for name, table in TABLES.items():
        for column in table.columns:
            is_day = column.name == "day" or column.name.endswith("_day")
            if is_day and column.name != "due_day":
                days = pc.min_max(company[name][column.name]).as_py()
                assert days["min"] >= WHOLESALER.first_day
                assert days["max"] <= WHOLESALER.last_day


@pytest.mark.parametrize(
    "sql",
    [
        "FROM invoices WHERE due_day < day OR disputed_day < day OR amount <= 0",
        "FROM payments p ANTI JOIN invoices i USING (invoice_id, customer_id)",
        "FROM payments p JOIN invoices i USING (invoice_id) WHERE p.day < i.day OR p.amount <= 0",
        "FROM interactions WHERE resolved_day < day OR satisfaction NOT BETWEEN 0 AND 1",
        "FROM interactions WHERE (kind = 'complaint') <> (topic IS NOT NULL)",
        "FROM interactions WHERE resolved_day IS NOT NULL AND kind <> 'complaint'",
        "FROM interactions WHERE (kind LIKE 'campaign%') <> (campaign_id IS NOT NULL)",
        "FROM order_lines WHERE cost IS NULL OR sign(revenue) <> sign(quantity)",
        "FROM order_lines WHERE sign(cost) <> sign(quantity) OR discount < 0",
        "FROM order_lines JOIN customers USING (customer_id) WHERE day < acquired_day",
        "FROM customers WHERE (planned_revenue IS NULL) <> (kind IN ('retail', 'wholesale'))",
        """FROM (SELECT customer_id, invoice_id, SUM(amount) AS paid FROM payments GROUP BY ALL)
           JOIN invoices USING (invoice_id) WHERE paid > amount + 0.005""",
        """FROM (SELECT customer_id, MIN(day) AS first FROM order_lines GROUP BY ALL)
           JOIN customers USING (customer_id) WHERE first <> acquired_day""",
        """FROM (SELECT order_id, customer_id, SUM(revenue) AS total FROM order_lines
                 WHERE revenue > 0 GROUP BY ALL) o
           FULL JOIN invoices i ON i.invoice_id = 'I' || o.order_id[2:14]
           WHERE abs(o.total - i.amount) > 0.005 OR o.total IS NULL OR i.amount IS NULL""",
        """FROM interactions c JOIN customers USING (customer_id)
           WHERE c.kind = 'campaign_contact' AND marketing_consent = 0""",
    ],
)
def test_no_row_breaks_an_identity(company: Company, sql: str) -> None:
    assert _frame_of(company, f"SELECT COUNT(*) {sql}") == [(0,)]


def test_the_exports_load_without_a_rejected_row_as_the_very_company(tmp_path: Path) -> None:
    exported, written = tmp_path / "exported", tmp_path / "written"
    write_company(exported, 150, seed=2)
    write_ledger(written, 150, seed=2)
    settings = wholesale_settings(exported)

    store = SQLiteStore.open(tmp_path / "worth.db")
    for loaded in ingest(store, settings.sources, time_zone="UTC"):
        name = loaded.source
        expected = pq.read_table(written / f"{name}.parquet").drop_columns("row_key")
        order = [(column, "ascending") for column in expected.schema.names]
        assert len(loaded.cleaned.rejected) == 0
        assert (
            loaded.cleaned.rows.select(expected.schema.names)
            .cast(expected.schema)
            .sort_by(order)
            .equals(expected.sort_by(order))
        )
    store.close()


def test_an_unfinished_file_is_not_left_behind(tmp_path: Path) -> None:
    def stop(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_ledger(tmp_path, 100, report=stop)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Got 'orders' instead"):
        write_ledger(tmp_path, 100, tables=["orders"])
    with pytest.raises(ValueError, match="'n_customers' parameter must be"):
        write_ledger(tmp_path, 0)
    with pytest.raises(ValueError, match="'lines_per_customer' parameter must be"):
        write_ledger(tmp_path, 100, lines_per_customer=1.0)
