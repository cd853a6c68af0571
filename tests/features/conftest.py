"""Files, raw tables and ledgers that several feature tests make."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from features.cleaning import FIELDS, Cleaned, Company
from features.cleaning import clean as run_cleaning
from features.ledger import Ledger
from features.schema import TABLES
from features.sources import RawTable, Source, read, read_dataframe

ReadFile = Callable[..., RawTable]
Clean = Callable[..., Cleaned]
LedgerAt = Callable[..., Ledger]

# What is the same in every row of a table, where a test does not say otherwise.
_USUAL: Mapping[str, Mapping[str, object]] = {
    "order_lines": {"customer_id": "C-1", "ordered_at": "2011-02-28", "revenue": 10.0},
    "invoices": {
        "customer_id": "C-1",
        "invoice_id": "I-1",
        "issued_at": "2011-02-01",
        "due_at": "2011-03-03",
        "amount": 100.0,
    },
    "payments": {"invoice_id": "I-1", "paid_at": "2011-02-28", "amount": 100.0},
    "interactions": {"customer_id": "C-1", "contacted_at": "2011-02-28", "kind": "visit"},
    "customers": {"customer_id": "C-1"},
}


@pytest.fixture
def read_file(tmp_path: Path) -> ReadFile:
    """Read some bytes as a source named "shop"."""

    def make(content: bytes, file: str = "orders.csv", **source: object) -> RawTable:
        (tmp_path / file).write_bytes(content)
        described = Source(path=tmp_path / file, **source)
        return read(described, name="shop", fields=list(FIELDS[described.table]))

    return make


@pytest.fixture(scope="session")
def clean() -> Clean:
    """Clean columns as a source named "shop"; what is not given is the same in every row."""

    def make(
        columns: Mapping[str, Sequence[object]] | pd.DataFrame,
        *,
        time_zone: str = "UTC",
        latest_day: int | None = None,
        company: Company | None = None,
        invoices: pa.Table | None = None,
        without: Sequence[str] = (),
        **source: object,
    ) -> Cleaned:
        described = Source(**source)
        raw = read_dataframe(
            _frame(columns, described.table).drop(columns=list(without)),
            name="shop",
            fields=list(FIELDS[described.table]),
            columns=described.columns,
            constants=described.constants,
            attributes=described.attributes,
        )
        cleaned = run_cleaning(
            raw,
            described,
            time_zone=time_zone,
            latest_day=latest_day,
            company=company or Company(),
            invoices=invoices,
        )
        assert cleaned.n_read == raw.n_read == len(cleaned.rows) + len(cleaned.rejected)
        return cleaned

    return make


def _frame(columns: Mapping[str, Sequence[object]] | pd.DataFrame, table: str) -> pd.DataFrame:
    if isinstance(columns, pd.DataFrame):
        return columns
    n_rows = len(next(iter(columns.values())))
    usual = {field: [value] * n_rows for field, value in _USUAL[table].items()}
    return pd.DataFrame(usual | dict(columns))


@pytest.fixture(scope="session")
def ledger_at() -> LedgerAt:
    """Make a ledger from rows that name their day by its number."""

    def make(
        lines: Sequence[Mapping[str, object]], interactions: Sequence[Mapping[str, object]] = ()
    ) -> Ledger:
        usual = {"customer_id": "C", "revenue": 10.0}
        numbered = [
            usual | {"order_id": f"O{n}", "row_key": b"%d" % n} | dict(line)
            for n, line in enumerate(lines)
        ]
        contacts = [
            {"customer_id": "C", "row_key": b"%d" % n, "interaction_id": f"I{n}", "kind": "visit"}
            | dict(contact)
            for n, contact in enumerate(interactions)
        ]
        return Ledger(
            {
                name: pa.Table.from_pylist(rows, schema=TABLES[name].arrow_schema)
                for name, rows in (("order_lines", numbered), ("interactions", contacts))
            }
        )

    return make
