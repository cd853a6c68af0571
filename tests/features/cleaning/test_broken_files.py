"""A file may be broken in any way: it is refused in one sentence, or every row is accounted for."""

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.cleaning import FIELDS, Cleaned, Company, clean
from features.schema import TABLES
from features.sources import Source, SourceError, read

WHOLE = {
    "order_lines": """order_id,line_id,customer_id,ordered_at,revenue,quantity,cost,currency
O-1,1,Zoë,2011-02-28,"1,234.50",2,3.5,USD
O-1,2,Zoë,2011-02-28 10:00:00,-5,-1,2,
O-2,1,007,"Mar 1, 2011",7,1,?,GBP
""",
    "invoices": """invoice_id,customer_id,issued_at,due_at,amount,disputed,settled_at
I-1,Zoë,2011-02-01,2011-03-03,100,no,2011-03-01
I-2,007,2011-02-01,2011-03-03,-50.5,yes,
I-3,"a ""b"" c",2011-02-30,2011-03-03,1,,
""",
    "payments": """payment_id,invoice_id,customer_id,paid_at,amount
P-1,I-1,Zoë,2011-02-28,60
P-2,I-1,,2011-03-01,40
P-3,I-2,x,2011-03-01,0
""",
    "interactions": """customer_id,contacted_at,kind,topic,resolved_at,satisfaction,cost
Zoë,2011-02-28,complaint,quality,2011-03-01,0.5,3
007,2011-02-28,Visit,,,,
007,2011-02-28,fax,"two
lines",,2,
""",
    "customers": """customer_id,name,acquired_at,marketing_consent,profiling_opt_out,planned_revenue
007,"Bond, James",2011-02-28,1,0,1e6
Zoë,Zoë,,yes,,
alias,,,no,maybe,
""",
}
COMPANY = Company("EUR", {"USD": {date(2011, 1, 1): 0.8}}, {"alias": "007"})
INVOICES = pa.table({"invoice_id": ["I-1", "I-2"], "customer_id": ["Zoë", "007"], "day": [0, 0]})
N_FILES = 110

ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "gb18030", "latin-1", "cp037"]
SIGNS = [b",", b";", b"\t", b'"', b"\0", b"\n", b"\r", b"\r\n", b"\xff", b"\xc3", b"\xef\xbb\xbf",
         b"-", b"1e999", b"nan", b"\x1f", b"\x1e", b"9" * 400, "　".encode(), b"\\",
         b"'"]  # fmt: skip

# Seldom in the header: without it a file is refused, which is soon tested.
place = st.one_of(st.floats(0, 1), st.floats(0.5, 1))
mutations = st.one_of(
    st.tuples(st.just("insert"), place, st.sampled_from(SIGNS)),
    st.tuples(st.just("insert"), place, st.binary(min_size=1, max_size=3)),
    st.tuples(st.just("flip"), place, st.integers(1, 255)),
    st.tuples(st.just("cut"), place, st.none()),
    st.tuples(st.just("behead"), place, st.none()),
    st.tuples(st.just("drop"), place, st.integers(1, 20)),
    st.tuples(st.just("repeat"), place, st.integers(1, 60)),
)


def mutate(content: bytes, how: str, where: float, what: object) -> bytes:
    at = int(where * len(content))
    if how == "insert":
        assert isinstance(what, bytes)
        return content[:at] + what + content[at:]
    if how == "cut":
        return content[:at]
    if how == "behead":
        return content[content.find(b"\n") + 1 :]
    assert isinstance(what, int)
    if how == "flip":
        return (
            content[:at] + bytes(byte ^ what for byte in content[at : at + 1]) + content[at + 1 :]
        )
    if how == "drop":
        return content[:at] + content[at + what :]
    return content[: at + what] + content[at:]


def check(path: Path, table: str, **options: object) -> None:
    source = Source(table=table, path=path, **options)
    refusal = None
    try:
        raw = read(source, name="shop", fields=list(FIELDS[table]))
        cleaned = clean(raw, source, latest_day=20_000, company=COMPANY, invoices=INVOICES)
    except SourceError as error:
        refusal = str(error)
    if refusal is None:
        check_rows(cleaned, table)
    else:
        assert "\n" not in refusal


def check_rows(cleaned: Cleaned, table: str) -> None:
    assert len(cleaned.rows) + len(cleaned.rejected) == cleaned.n_read > 0
    assert cleaned.rows.schema == TABLES[table].arrow_schema
    cleaned.rows.validate(full=True)
    assert cleaned.rejected["reason"].null_count == 0
    numbers = cleaned.rejected["source_row"].to_pylist()
    assert len(set(numbers)) == len(numbers)
    names = list(zip(*(cleaned.rows[name].to_pylist() for name in TABLES[table].key), strict=True))
    assert len(set(names)) == len(names)
    keys = cleaned.rows["row_key"].to_pylist()
    assert len(set(keys)) == len(keys)
    for column in TABLES[table].columns:
        if column.required:
            assert cleaned.rows[column.name].null_count == 0


@pytest.mark.parametrize("table", [*TABLES])
def test_a_broken_csv(table: str, tmp_path: Path) -> None:
    @settings(max_examples=N_FILES, deadline=None)
    @given(
        encoding=st.sampled_from(ENCODINGS),
        said=st.sampled_from([None] * 3 * len(ENCODINGS) + ENCODINGS),
        broken=st.lists(mutations, min_size=1, max_size=3),
        delimiter=st.sampled_from([None] * 8 + [",", "whitespace"]),
    )
    def every(encoding: str, said: str | None, broken: list[tuple[str, float, object]],
              delimiter: str | None) -> None:  # fmt: skip
        content = WHOLE[table].encode(encoding, errors="replace")
        for mutation in broken:
            content = mutate(content, *mutation)
        path = tmp_path / "broken.csv"
        path.write_bytes(content)
        check(path, table, encoding=said or encoding, delimiter=delimiter, thousands=",")

    every()


ODD: list[Callable[[int], pa.Array]] = [
    lambda n: pa.nulls(n),
    lambda n: pa.array([[1, 2]] * n),
    lambda n: pa.array([{"a": 1}] * n),
    lambda n: pa.array([b"\xff\x00"] * n),
    lambda n: pa.array([b"\xff"] * n, pa.binary(1)),
    lambda n: pa.array([Decimal("12.50")] * n),
    lambda n: pa.array([datetime(2011, 2, 28)] * n, pa.timestamp("ns", "Asia/Tokyo")),
    lambda n: pa.array([2**62] * n, pa.timestamp("ms")),
    lambda n: pa.array([2**63 - 1, -(2**63), 0][:n], pa.timestamp("us")),
    lambda n: pa.array([2**63 - 1, -(2**63), 0][:n], pa.timestamp("ns", "UTC")),
    lambda n: pa.array([2**60] * n, pa.timestamp("us", "UTC")),
    lambda n: pa.array([-(2**31)] * n, pa.date32()),
    lambda n: pa.array([2**31 - 1] * n, pa.date32()),
    lambda n: pa.array([[2**62]] * n, pa.list_(pa.timestamp("ms"))),
    lambda n: pa.array([5] * n, pa.time64("us")),
    lambda n: pa.array([5] * n, pa.duration("ms")),
    lambda n: pa.array([2**64 - 1] * n, pa.uint64()),
    lambda n: pa.array([float("nan"), float("inf"), -0.0][:n], pa.float32()),
    lambda n: pa.array([1.5] * n, pa.float16()),
    lambda n: pa.array(["I-1"] * n, pa.large_string()),
    lambda n: pa.array(["I-1"] * n, pa.string_view()),
    lambda n: pa.array([True] * n).dictionary_encode(),
    lambda n: pa.array([[("a", 1)]] * n, pa.map_(pa.string(), pa.int8())),
    lambda n: pa.array(["a\0b", "\0", "\U0010ffff"][:n]),
    lambda n: pa.array([True, None, False][:n]),
]  # fmt: skip


@pytest.mark.parametrize("table", [*TABLES])
def test_a_broken_parquet(table: str, tmp_path: Path) -> None:
    path = tmp_path / "whole.csv"
    path.write_text(WHOLE[table])
    raw = read(Source(table=table, path=path), name="shop", fields=list(FIELDS[table]))
    whole = raw.rows.drop_columns(["source_row", "source_content"])

    @settings(max_examples=N_FILES, deadline=None)
    @given(
        odd=st.dictionaries(
            st.integers(0, whole.num_columns - 1), st.sampled_from(ODD), max_size=3
        ),
        broken=st.lists(mutations, max_size=2),
    )
    def every(odd: dict[int, Callable[[int], pa.Array]],
              broken: list[tuple[str, float, object]]) -> None:  # fmt: skip
        changed = whole
        for n, make in odd.items():
            changed = changed.set_column(n, whole.schema.names[n], make(len(whole)))
        path = tmp_path / "broken.parquet"
        pq.write_table(changed, path)
        content = path.read_bytes()
        for mutation in broken:
            content = mutate(content, *mutation)
        path.write_bytes(content)
        check(path, table)

    every()


@pytest.mark.parametrize("table", [*TABLES])
def test_a_whole_file_in_any_encoding(table: str, tmp_path: Path) -> None:
    found = []
    for encoding in ("utf-8", "utf-16", "gb18030", "latin-1"):
        path = tmp_path / f"{encoding}.csv"
        path.write_bytes(WHOLE[table].encode(encoding))
        source = Source(table=table, path=path, encoding=encoding, thousands=",")
        raw = read(source, name="shop", fields=list(FIELDS[table]))
        cleaned = clean(raw, source, company=COMPANY, invoices=INVOICES)
        check_rows(cleaned, table)
        found.append(cleaned.rows.sort_by("row_key"))
    assert len(found[0]) >= 2
    assert all(rows.equals(found[0]) for rows in found)
