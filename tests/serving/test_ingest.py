from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from features.cleaning import Company
from features.sources import Source, SourceError
from serving.audit import last_rows
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


def test_who_loads_what_stands_in_the_audit_log(store: SQLiteStore, orders: Path) -> None:
    sources = {"orders": Source(path=orders)}
    ingest(store, sources, time_zone="UTC", actor="user:ann")
    ingest(store, sources, time_zone="UTC", actor="user:bob", replace=True)

    with store.reading() as connection:
        said = [
            tuple(row[name] for name in ("actor", "action", "object", "n"))
            for row in last_rows(connection, 9)
        ]
    assert said == [
        ("user:ann", "ledger.loaded", "orders", 3),
        ("user:bob", "ledger.replaced", "orders", 3),
    ]


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


_FILES = {
    "interactions": "customer_id,contacted_at,kind,interaction_id\nA,2024-01-05,visit,V1\n",
    "payments": "payment_id,invoice_id,paid_at,amount\nP1,I1,2024-01-20,60\nP2,I2,2024-01-21,5\n",
    "invoices": "invoice_id,customer_id,issued_at,due_at,amount\n"
    "I1,A,2024-01-01,2024-01-31,100\nI2,B,2024-01-02,2024-02-01,5\n",
    "order_lines": _HEADER + _ROWS,
    "customers": "customer_id,name,marketing_consent,profiling_opt_out\nA,Ann,1,0\nB,Bob,,1\n",
}


class TestAllTables:
    @pytest.fixture
    def sources(self, tmp_path: Path) -> dict[str, Source]:
        for table, content in _FILES.items():
            (tmp_path / f"{table}.csv").write_text(content)
        return {name: Source(table=name, path=tmp_path / f"{name}.csv") for name in _FILES}

    def test_are_loaded_invoices_before_payments(
        self, store: SQLiteStore, sources: Mapping[str, Source]
    ) -> None:
        loaded = ingest(store, sources, time_zone="UTC")

        order = ["customers", "order_lines", "invoices", "payments", "interactions"]
        assert [one.source for one in loaded] == order
        assert [one.n_new for one in loaded] == [2, 3, 2, 2, 1]
        tables = store.read_ledger().tables
        assert sorted(tables["payments"]["customer_id"].to_pylist()) == ["A", "B"]
        assert tables["customers"]["marketing_consent"].to_pylist() == [1, None]
        assert tables["customers"]["profiling_opt_out"].to_pylist() == [0, 1]

    def test_twice_is_once(self, store: SQLiteStore, sources: Mapping[str, Source]) -> None:
        ingest(store, sources, time_zone="UTC")
        fingerprint = store.read_ledger().fingerprint()

        again = ingest(store, sources, time_zone="UTC")
        assert [(one.n_new, one.n_changed) for one in again] == [(0, 0)] * 5
        assert store.read_ledger().fingerprint() == fingerprint

        ingest(store, sources, time_zone="UTC", replace=True)
        assert store.read_ledger().fingerprint() == fingerprint

    @pytest.mark.parametrize(
        ("table", "old", "new"),
        [
            ("customers", "A,Ann", "A,Anna"),
            ("order_lines", "A,2024-01-01,10", "A,2024-01-01,11"),
            ("invoices", "I1,A,2024-01-01", "I1,A,2024-01-02"),
            ("payments", ",60", ",70"),
            ("interactions", "visit", "service"),
        ],
    )
    def test_a_changed_row_is_counted_and_replaces_the_one_before(
        self, store: SQLiteStore, sources: Mapping[str, Source], table: str, old: str, new: str
    ) -> None:
        ingest(store, sources, time_zone="UTC")
        path = sources[table].path
        assert path is not None
        path.write_text(_FILES[table].replace(old, new))

        loaded = {one.source: one for one in ingest(store, sources, time_zone="UTC")}

        assert (loaded[table].n_new, loaded[table].n_changed) == (0, 1)
        assert sum(one.n_changed for one in loaded.values()) == 1
        (kept,) = (row for row in _all(store, INGESTS) if row["n_changed"])
        assert kept["table_name"] == table

    @pytest.mark.parametrize("table", ["customers", "invoices", "payments", "interactions"])
    def test_another_source_of_the_same_row_replaces_it(
        self, store: SQLiteStore, sources: Mapping[str, Source], table: str
    ) -> None:
        ingest(store, sources, time_zone="UTC")
        (loaded,) = ingest(store, {"other": sources[table]}, time_zone="UTC")

        assert (loaded.n_new, loaded.n_changed) == (0, len(loaded.cleaned.rows))
        assert len(store.read_ledger().tables[table]) == len(loaded.cleaned.rows)

    def test_a_column_more_of_customers_needs_no_replace(
        self, store: SQLiteStore, sources: Mapping[str, Source]
    ) -> None:
        source = sources["customers"]
        assert source.path is not None
        ingest(store, {"crm": source}, time_zone="UTC")
        source.path.write_text("customer_id,name,region\nA,Ann,North\nB,Bob,\n")

        (loaded,) = ingest(store, {"crm": source}, time_zone="UTC")
        assert loaded.n_changed == 2

    def test_payments_without_their_invoices_change_nothing(
        self, store: SQLiteStore, sources: Mapping[str, Source]
    ) -> None:
        with pytest.raises(SourceError, match="Of 2 of them: invoice_id is not among"):
            ingest(store, {"p": sources["payments"]}, time_zone="UTC")
        assert not _all(store, INGESTS)


class TestSettledInvoices:
    OPEN = "I2,A,2024-01-02,2024-02-01,5,"

    @pytest.fixture
    def settled(self, tmp_path: Path) -> Source:
        path = tmp_path / "settled.csv"
        path.write_text(
            "invoice_id,customer_id,issued_at,due_at,amount,settled_at\n"
            f"I1,A,2024-01-01,2024-01-31,100,2024-01-20\n{self.OPEN}\n"
        )
        return Source(table="invoices", path=path)

    def test_are_invoices_and_payments(self, store: SQLiteStore, settled: Source) -> None:
        for _ in range(2):
            ingest(store, {"receivables": settled}, time_zone="UTC")
            tables = store.read_ledger().tables
            assert (len(tables["invoices"]), len(tables["payments"])) == (2, 1)

    def test_follow_their_source(self, store: SQLiteStore, settled: Source) -> None:
        assert settled.path is not None
        ingest(store, {"receivables": settled}, time_zone="UTC")
        header, *_ = settled.path.read_text().splitlines()
        settled.path.write_text(f"{header}\nI1,A,2024-01-01,2024-01-31,100,\n{self.OPEN}2024-02-02")

        ingest(store, {"receivables": settled}, time_zone="UTC")
        assert store.read_ledger().tables["payments"]["payment_id"].to_pylist() == ["I2"]

    def test_are_taken_out_of_both_tables(self, store: SQLiteStore, settled: Source) -> None:
        assert settled.path is not None
        ingest(store, {"receivables": settled}, time_zone="UTC")
        header, *_ = settled.path.read_text().splitlines()
        settled.path.write_text(f"{header}\n{self.OPEN}")

        ingest(store, {"receivables": settled}, time_zone="UTC", replace=True)
        tables = store.read_ledger().tables
        assert (len(tables["invoices"]), len(tables["payments"])) == (1, 0)


class TestAliases:
    COMPANY = Company(aliases={"B": "A", "C": "A"})

    def ingest(
        self, store: SQLiteStore, tmp_path: Path, company: Company, **files: str
    ) -> list[Loaded]:
        sources = {}
        for table, content in files.items():
            (tmp_path / f"{table}.csv").write_text(content)
            sources[table] = Source(table=table, path=tmp_path / f"{table}.csv")
        return ingest(store, sources, time_zone="UTC", company=company)

    def test_rows_of_the_ledger_go_to_the_customer_who_counts(
        self, store: SQLiteStore, tmp_path: Path
    ) -> None:
        self.ingest(store, tmp_path, Company(), **_FILES)
        again = self.ingest(store, tmp_path, self.COMPANY, **_FILES)

        ids = {
            name: set(table["customer_id"].to_pylist())
            for name, table in store.read_ledger().tables.items()
        }
        assert ids == {name: {"A"} for name in ids}
        assert [one.n_new for one in again] == [0] * 5
        assert [len(table) for table in store.read_ledger().tables.values()] == [3, 2, 2, 1, 1]

    def test_they_go_without_a_source_too(self, store: SQLiteStore, tmp_path: Path) -> None:
        self.ingest(store, tmp_path, Company(), **_FILES)
        said: list[str] = []
        ingest(store, {}, time_zone="UTC", company=self.COMPANY, report=said.append)

        tables = store.read_ledger().tables
        assert said == ["gave 4 rows of aliases to their customers"]
        assert tables["payments"]["customer_id"].to_pylist() == ["A", "A"]
        (customer,) = tables["customers"].to_pylist()
        assert (customer["name"], customer["profiling_opt_out"]) == ("Ann", 1)
        assert customer["marketing_consent"] == 1

    def test_one_of_several_aliases_takes_the_name(
        self, store: SQLiteStore, tmp_path: Path
    ) -> None:
        customers = "customer_id,marketing_consent\nB,1\nC,0\n"
        self.ingest(store, tmp_path, Company(), customers=customers)
        ingest(store, {}, time_zone="UTC", company=self.COMPANY)

        (customer,) = store.read_ledger().tables["customers"].to_pylist()
        assert (customer["customer_id"], customer["marketing_consent"]) == ("A", 0)

    def test_an_invoice_that_stands_under_both_stays_once(
        self, store: SQLiteStore, tmp_path: Path
    ) -> None:
        header = "invoice_id,customer_id,issued_at,due_at,amount\n"
        rows = "".join(f"I1,{who},2024-01-01,2024-01-31,100\n" for who in "ABC")
        self.ingest(store, tmp_path, Company(), invoices=header + rows)
        assert len(store.read_ledger().tables["invoices"]) == 3

        ingest(store, {}, time_zone="UTC", company=self.COMPANY)
        assert len(store.read_ledger().tables["invoices"]) == 1

    def test_a_later_load_under_another_id_loosens_no_consent(
        self, store: SQLiteStore, tmp_path: Path
    ) -> None:
        header = "customer_id,profiling_opt_out\n"
        self.ingest(store, tmp_path, self.COMPANY, customers=f"{header}A,1\n")
        self.ingest(store, tmp_path, self.COMPANY, customers=f"{header}B,0\n")
        (customer,) = store.read_ledger().tables["customers"].to_pylist()
        assert (customer["customer_id"], customer["profiling_opt_out"]) == ("A", 1)

    def test_an_id_may_loosen_its_own(self, store: SQLiteStore, tmp_path: Path) -> None:
        header = "customer_id,profiling_opt_out\n"
        for flag in (1, 0):
            self.ingest(store, tmp_path, self.COMPANY, customers=f"{header}A,{flag}\n")
        (customer,) = store.read_ledger().tables["customers"].to_pylist()
        assert customer["profiling_opt_out"] == 0


@pytest.mark.parametrize(
    "content",
    [
        b"A,2024-01-01,10\n",
        b"customer_id~ordered_at~revenue\nA~2024-01-01~10\n",
        b"PAR1\x00\x01\x02" * 40,
        bytes(range(256)) * 20,
        "customer_id,ordered_at,revenue\nZoë,2024-01-01,10\n".encode("latin-1"),
        "customer_id,ordered_at,revenue\nA,2024-01-01,10\n".encode("utf-16-le"),
    ],
)
@pytest.mark.parametrize("file", ["orders.csv", "orders.parquet"])
def test_a_faulty_file_changes_nothing(
    store: SQLiteStore, orders: Path, content: bytes, file: str
) -> None:
    _load(store, path=orders)
    faulty = orders.with_name(file)
    faulty.write_bytes(content)

    with pytest.raises(SourceError) as refusal:
        _load(store, path=faulty)

    assert "\n" not in str(refusal.value)
    assert _revenues(store) == [10, 20, 30]
    assert len(_all(store, INGESTS)) == 1


def test_signs_that_are_no_text_are_rejected_and_kept_whole(
    store: SQLiteStore, orders: Path
) -> None:
    orders.write_bytes((_HEADER + _ROWS).encode() + b"a\0b,2024-01-01,1,9,1,X\nshort\0row\n")

    loaded = _load(store, path=orders)

    assert len(loaded.cleaned.rejected) == 2
    assert "short␀row" in [row["content"] for row in _all(store, REJECTED_ROWS)]
