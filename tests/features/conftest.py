"""Files, raw tables and ledgers that several feature tests make."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from features.cleaning import FIELDS, Cleaned, clean_order_lines
from features.ledger import Ledger
from features.schema import TABLES
from features.sources import RawTable, Source, read, read_dataframe

ReadFile = Callable[..., RawTable]
Clean = Callable[..., Cleaned]
LedgerAt = Callable[..., Ledger]

_FIELDS = list(FIELDS["order_lines"])


@pytest.fixture
def read_file(tmp_path: Path) -> ReadFile:
    """Read some bytes as a source named "shop"."""

    def make(content: bytes, file: str = "orders.csv", **source: object) -> RawTable:
        (tmp_path / file).write_bytes(content)
        return read(Source(path=tmp_path / file, **source), name="shop", fields=_FIELDS)

    return make


@pytest.fixture(scope="session")
def clean() -> Clean:
    """Clean columns as a source named "shop"; what is not given is the same in every row."""

    def make(
        columns: Mapping[str, Sequence[object]] | pa.Table | pd.DataFrame,
        *,
        time_zone: str = "UTC",
        latest_day: int | None = None,
        **source: object,
    ) -> Cleaned:
        described = Source(**source)
        raw = read_dataframe(
            _frame(columns), name="shop", fields=_FIELDS, columns=described.columns
        )
        cleaned = clean_order_lines(raw, described, time_zone=time_zone, latest_day=latest_day)
        assert cleaned.n_read == raw.n_read == len(cleaned.rows) + len(cleaned.rejected)
        return cleaned

    return make


def _frame(columns: Mapping[str, Sequence[object]] | pd.DataFrame) -> pd.DataFrame:
    if isinstance(columns, pd.DataFrame):
        return columns
    n_rows = len(next(iter(columns.values())))
    usual = {"customer_id": "C-1", "ordered_at": "2011-02-28", "revenue": 10.0}
    return pd.DataFrame({f: [value] * n_rows for f, value in usual.items()} | dict(columns))


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
