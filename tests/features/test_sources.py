import re
import sqlite3
import traceback
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from features.sources import RawTable, Source, SourceError, read, read_dataframe

ReadFile = Callable[..., RawTable]

FIELDS = ["customer_id", "ordered_at", "revenue", "category"]
HEADER = FIELDS[:3]
_MOMENTS = pa.list_(pa.timestamp("ms"))
TEXT = "customer_id,ordered_at,revenue\nZoë,2011-02-28,5\n007,2011-03-01,6\n"
ROWS = [("Zoë", "2011-02-28", "5"), ("007", "2011-03-01", "6")]


def rows(raw: RawTable) -> list[tuple[object, ...]]:
    return [tuple(row[field] for field in HEADER) for row in raw.rows.to_pylist()]


def malformed(raw: RawTable) -> list[tuple[int, str]]:
    return [(row["source_row"], row["reason"]) for row in raw.malformed.to_pylist()]


def refuses(*words: str) -> "pytest.RaisesExc[SourceError]":
    """Expect one clear message: all the words in this order, on one line, with an end."""
    pattern = r"\A[^\n]*" + r"[^\n]*".join(re.escape(word) for word in words) + r"[^\n]*\.\Z"
    return pytest.raises(SourceError, match=pattern)


class TestCSV:
    @pytest.mark.parametrize("encoding", ["utf-8", "UTF8", "utf-16", "gb18030", "latin-1"])
    def test_is_read_in_its_encoding(self, encoding: str, read_file: ReadFile) -> None:
        assert rows(read_file(TEXT.encode(encoding), encoding=encoding)) == ROWS

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
    @pytest.mark.parametrize("delimiter", [",", "whitespace"])
    def test_a_byte_order_mark_names_the_encoding(
        self, encoding: str, delimiter: str, read_file: ReadFile
    ) -> None:
        text = TEXT.replace(",", "\t") if delimiter == "whitespace" else TEXT
        assert rows(read_file(text.encode(encoding), delimiter=delimiter)) == ROWS

    @pytest.mark.parametrize("delimiter", [None, "whitespace"])
    @pytest.mark.parametrize("header", [None, HEADER])
    def test_may_begin_with_a_byte_order_mark(
        self, delimiter: str | None, header: list[str] | None, read_file: ReadFile
    ) -> None:
        text = TEXT.split("\n", 1)[1] if header else TEXT
        text = text.replace(",", "  ") if delimiter else text
        raw = read_file(text.encode("utf-8-sig"), delimiter=delimiter, header=header)
        assert rows(raw) == ROWS

    @pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
    def test_delimiter_is_read_off_the_header(self, delimiter: str, read_file: ReadFile) -> None:
        assert rows(read_file(TEXT.replace(",", delimiter).encode())) == ROWS

    def test_delimiter_may_be_any_whitespace_or_any_sign(self, read_file: ReadFile) -> None:
        ragged = TEXT.replace(",", " \t  ").replace("\n", " \n\n ").encode()
        assert rows(read_file(ragged, delimiter="whitespace")) == ROWS
        assert rows(read_file(TEXT.replace(",", "~").encode(), delimiter="~")) == ROWS

    def test_whitespace_leaves_commas_alone(self, read_file: ReadFile) -> None:
        raw = read_file(b"C-1 2011-02-28 5,50\n", delimiter="whitespace", header=HEADER)
        assert rows(raw) == [("C-1", "2011-02-28", "5,50")]

    def test_may_have_no_header(self, read_file: ReadFile) -> None:
        assert rows(read_file(TEXT.split("\n", 1)[1].encode(), header=HEADER)) == ROWS

    @pytest.mark.parametrize("end", ["\r\n", "\r"])
    def test_lines_may_end_otherwise(self, end: str, read_file: ReadFile) -> None:
        assert rows(read_file(TEXT.replace("\n", end).encode())) == ROWS

    def test_quoted_fields_may_hold_line_breaks_delimiters_and_quotes(
        self, read_file: ReadFile
    ) -> None:
        raw = read_file(b'customer_id,ordered_at,revenue\n"a\n,""b""",2011-02-28,5\nshort\nc,d,e\n')
        assert rows(raw) == [('a\n,"b"', "2011-02-28", "5"), ("c", "d", "e")]
        assert malformed(raw) == [(2, "row has 1 fields, not 3")]

    def test_no_column_is_guessed_even_where_the_header_is_quoted_over_two_lines(
        self, read_file: ReadFile
    ) -> None:
        raw = read_file(b'"a note,\non it",customer_id,ordered_at,revenue\nx,007,2011-02-28,5.10\n')
        assert rows(raw) == [("007", "2011-02-28", "5.10")]

    def test_empty_fields_are_null(self, read_file: ReadFile) -> None:
        assert rows(read_file(b'customer_id,ordered_at,revenue\n,"",5\n')) == [(None, None, "5")]

    @pytest.mark.parametrize("header", [None, HEADER])
    def test_malformed_rows_keep_their_number(
        self, header: list[str] | None, read_file: ReadFile
    ) -> None:
        data = b"a,b\nc,d,e\nf,g,h,i\n\nj,k,l\n"
        raw = read_file(data if header else ",".join(HEADER).encode() + b"\n" + data, header=header)
        reasons = [(1, "row has 2 fields, not 3"), (3, "row has 4 fields, not 3")]
        assert malformed(raw) == reasons
        assert raw.malformed["content"].to_pylist() == ["a,b", "f,g,h,i"]
        assert raw.rows["source_row"].to_pylist() == [2, 4]
        assert raw.n_read == 4

    def test_malformed_rows_keep_their_number_deep_in_a_file(self, read_file: ReadFile) -> None:
        lines = [f"C-{n},2011-02-28,5" for n in range(1, 100_001)]
        lines[90_000] = "short"
        raw = read_file("\n".join(lines).encode("utf-16"), header=HEADER, encoding="utf-16")
        assert raw.malformed["source_row"].to_pylist() == [90_001]
        last = raw.rows.slice(len(raw.rows) - 1).to_pylist()[0]
        assert (last["customer_id"], last["source_row"]) == ("C-100000", 100_000)

    @pytest.mark.parametrize("content", [b"", b"\n\n", b"  \n \n", b"\xef\xbb\xbf"])
    def test_an_empty_file_is_refused(self, content: bytes, read_file: ReadFile) -> None:
        with refuses("orders.csv is empty", "needs a header row and rows of data"):
            read_file(content)

    def test_a_header_alone_is_refused(self, read_file: ReadFile) -> None:
        with refuses("orders.csv has columns but not one row of data"):
            read_file(b"customer_id,ordered_at,revenue\n")

    @pytest.mark.parametrize(
        ("written", "said"), [("latin-1", "utf-8"), ("utf-16-le", "utf-8"), ("utf-8", "utf-16")]
    )
    def test_a_wrong_encoding_is_refused(
        self, written: str, said: str, read_file: ReadFile
    ) -> None:
        with refuses("orders.csv", f"not a table in {said} text", "Set encoding", "gb18030"):
            read_file(TEXT.encode(written), encoding=said)

    def test_utf_16_without_a_mark_is_recognised(self, read_file: ReadFile) -> None:
        with refuses("orders.csv has NUL signs in its first row", 'encoding = "utf-16-le"'):
            read_file(TEXT.replace("ë", "e").encode("utf-16-le"))

    def test_a_wrong_sign_in_a_malformed_row_is_refused_too(self, read_file: ReadFile) -> None:
        with refuses("orders.csv", "not a table in utf-8 text"):
            read_file(TEXT.encode() + b"short \xd0\n")

    def test_a_wrong_sign_far_down_is_refused_too(self, read_file: ReadFile) -> None:
        long = TEXT + "C-1,2011-02-28,5\n" * 100_000 + "Zoë,2011-02-28,5\n"
        with refuses("orders.csv", "not a table in utf-8 text"):
            read_file(long.replace("ë", "e", 1).encode("latin-1"))

    @pytest.mark.parametrize("encoding", ["klingon", "base64", ""])
    def test_an_unknown_encoding_is_refused(self, encoding: str, read_file: ReadFile) -> None:
        with refuses("encoding of", "orders.csv", "such as utf-8", f"Got {encoding!r}"):
            read_file(TEXT.encode(), encoding=encoding)

    def test_columns_without_a_name_are_left_out(self, read_file: ReadFile) -> None:
        assert rows(read_file(TEXT.replace("\n", ",,\n").encode())) == ROWS

    def test_a_column_that_comes_twice_is_refused(self, read_file: ReadFile) -> None:
        with refuses("orders.csv has more than one column 'revenue'", "unique"):
            read_file(b"customer_id,revenue,revenue\n1,2,3\n")


class TestParquet:
    def test_keeps_its_types(self, tmp_path: Path) -> None:
        table = pa.table({"customer_id": [7], "ordered_at": [date(2011, 2, 28)], "revenue": [5.5]})
        pq.write_table(table, tmp_path / "orders.PARQUET")
        raw = read(Source(path=tmp_path / "orders.PARQUET"), name="shop", fields=FIELDS)
        assert rows(raw) == [(7, date(2011, 2, 28), 5.5)]

    def test_dictionary_columns_become_plain(self, tmp_path: Path) -> None:
        names = pa.array(["a", None, "a"]).dictionary_encode()
        pq.write_table(pa.table({"customer_id": names}), tmp_path / "orders.pq")
        raw = read(Source(path=tmp_path / "orders.pq"), name="shop", fields=FIELDS)
        assert raw.rows["customer_id"].type == pa.string()
        assert raw.rows["customer_id"].to_pylist() == ["a", None, "a"]

    def test_what_is_none_is_refused(self, read_file: ReadFile) -> None:
        with refuses("orders.parquet is not a Parquet file, or is cut off"):
            read_file(TEXT.encode(), "orders.parquet")

    def test_a_truncated_or_damaged_file_is_refused(
        self, tmp_path: Path, read_file: ReadFile
    ) -> None:
        numbers = np.random.default_rng(0).random(50_000)
        pq.write_table(pa.table({"revenue": numbers}), tmp_path / "whole.parquet")
        whole = (tmp_path / "whole.parquet").read_bytes()
        damaged = whole[:4] + bytes(1000) + whole[1004:]
        for content in (whole[:3], whole[: len(whole) // 2], damaged):
            with refuses("orders.parquet is not a Parquet file, or is cut off"):
                read_file(content, "orders.parquet")

    def test_damaged_texts_and_names_are_refused(self, tmp_path: Path, read_file: ReadFile) -> None:
        pq.write_table(pa.table({"revenue": ["Zurich"]}), tmp_path / "w.pq", compression="none")
        whole = (tmp_path / "w.pq").read_bytes()
        for old, new in ((b"Zurich", b"Z\xffrich"), (b"revenue", b"rev\xffnue")):
            with refuses("orders.parquet is not a Parquet file, or is cut off"):
                read_file(whole.replace(old, new), "orders.parquet")

    def test_numbers_and_moments_of_rare_types_are_read(self, tmp_path: Path) -> None:
        table = pa.table(
            {
                "revenue": pa.array([1.5], pa.float16()),
                "ordered_at": pa.array([2**62], pa.timestamp("ms")),
            }
        )
        pq.write_table(table, tmp_path / "orders.pq")
        raw = read(Source(path=tmp_path / "orders.pq"), name="shop", fields=FIELDS)
        assert raw.rows["revenue"].to_pylist() == [1.5]
        assert raw.rows["ordered_at"].type == pa.string()

    def test_what_duckdb_cannot_hold_is_refused_and_the_next_is_read(self, tmp_path: Path) -> None:
        path = tmp_path / "orders.pq"
        source = Source(path=path)
        pq.write_table(pa.table({"revenue": [[2**62]]}, pa.schema({"revenue": _MOMENTS})), path)
        with refuses("orders.pq holds a value that cannot be read", "as text"):
            read(source, name="shop", fields=FIELDS)
        pq.write_table(pa.table({"revenue": [1]}), path)
        assert read(source, name="shop", fields=FIELDS).n_read == 1

    def test_without_rows_is_refused(self, tmp_path: Path) -> None:
        pq.write_table(pa.table({"revenue": pa.array([], pa.float64())}), tmp_path / "orders.pq")
        with refuses("orders.pq has columns but not one row of data"):
            read(Source(path=tmp_path / "orders.pq"), name="shop", fields=FIELDS)


class TestPath:
    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with refuses("There is no file", "orders.csv", "Check the path"):
            read(Source(path=tmp_path / "orders.csv"), name="shop", fields=FIELDS)

    def test_a_folder_is_refused(self, tmp_path: Path) -> None:
        with refuses(str(tmp_path), "is a folder. A source is one file"):
            read(Source(path=tmp_path), name="shop", fields=FIELDS)

    def test_a_source_without_a_place_is_refused(self) -> None:
        with refuses("Source 'shop' has neither a path nor a url", "Give it one"):
            read(Source(), name="shop", fields=FIELDS)


class TestMapping:
    def test_names_the_columns_after_the_fields(self, read_file: ReadFile) -> None:
        mapping = {"customer_id": "who", "ordered_at": "revenue", "revenue": "paid"}
        raw = read_file(b"who,revenue,paid,more\n7,2011-02-28,5,x\n", columns=mapping)
        assert rows(raw) == [("7", "2011-02-28", "5")]
        assert raw.rows.schema.names == [*HEADER, "source_row", "source_content"]

    def test_a_column_it_lacks_is_named_with_the_nearest(self, read_file: ReadFile) -> None:
        with refuses(
            "Source 'shop' maps revenue to column 'Umstaz'", "orders.csv does not have",
            "did you mean 'Umsatz'?", "It has: Kunde, Umsatz",
        ):  # fmt: skip
            read_file(b"Kunde,Umsatz\n1,2\n", columns={"revenue": "Umstaz"})

    def test_no_nearest_is_made_up(self, read_file: ReadFile) -> None:
        with pytest.raises(SourceError, match=r"does not have\. It has: a, b\."):
            read_file(b"a,b\n1,2\n", columns={"revenue": "Umsatz"})

    def test_a_field_nobody_knows_is_named_with_the_nearest(self, read_file: ReadFile) -> None:
        with refuses(
            "Source 'shop' maps an unknown field 'custmer_id'", "did you mean 'customer_id'?",
            "Known fields:", "revenue",
        ):  # fmt: skip
            read_file(b"a,b\n1,2\n", columns={"custmer_id": "a"})

    @pytest.mark.parametrize("text", ["7,2011-02-28,5\n8,2011-03-01,6\n", "a~b\n1~2\n"])
    def test_a_file_without_a_header_or_of_another_delimiter_is_told_the_way_out(
        self, text: str, read_file: ReadFile
    ) -> None:
        with refuses("If that is a row of data, header = [...]", "delimiter"):
            read_file(text.encode(), columns={"revenue": "Umsatz"})

    def test_a_file_of_one_endless_line_is_named_in_short(self, read_file: ReadFile) -> None:
        with refuses("It has: ", "and 960 more") as refusal:
            header = ",".join(f"{n:0>90}" for n in range(1000))
            read_file(f"{header}\n1\n".encode(), columns={"revenue": "x"})
        assert len(str(refusal.value)) < 3000

    def test_none_of_the_columns_may_be_ours(self, read_file: ReadFile) -> None:
        """Cleaning says what is missing."""
        raw = read_file(b"a,b\n1,2\n3,4\n")
        assert raw.rows["source_row"].to_pylist() == [1, 2]

    def test_the_digest_covers_columns_that_are_not_mapped(self, read_file: ReadFile) -> None:
        digests = read_file(b"revenue,more\n1,a\n1,b\n1,a\n").rows["source_content"].to_pylist()
        assert digests[0] == digests[2] != digests[1]

    def test_the_digest_tells_null_from_a_word_and_one_field_from_two(self) -> None:
        frame = pd.DataFrame({"a": [None, "NULL", "1', 'b': '2"], "b": ["x", "x", "3"]})
        digests = read_dataframe(frame, name="shop", fields=FIELDS).rows["source_content"]
        assert len(set(digests.to_pylist())) == 3


class TestConstants:
    def test_are_the_same_in_every_row(self, read_file: ReadFile) -> None:
        raw = read_file(TEXT.encode(), constants={"category": "shoes"})
        assert raw.rows["category"].to_pylist() == ["shoes", "shoes"]

    def test_of_an_unknown_field_are_refused(self, read_file: ReadFile) -> None:
        with refuses("has a constant for an unknown field 'catgory'", "did you mean 'category'?"):
            read_file(TEXT.encode(), constants={"catgory": "shoes"})

    def test_beside_a_column_are_refused(self, read_file: ReadFile) -> None:
        with refuses("'shop' has a constant for revenue, and a column 'revenue' too", "leave it"):
            read_file(TEXT.encode(), constants={"revenue": "5"})


class TestAttributes:
    def test_are_kept_under_names_of_our_own(self) -> None:
        frame = pd.DataFrame({"customer_id": ["a"], "x'; --": [1]})
        raw = read_dataframe(frame, name="crm", fields=["customer_id"], attributes=["x'; --"])
        assert raw.attributes == {"x'; --": "attribute_0"}
        assert raw.rows["attribute_0"].to_pylist() == [1]

    def test_named_twice_are_refused(self) -> None:
        frame = pd.DataFrame({"customer_id": ["a"], "b": [1]})
        with refuses("attributes of source 'crm' has more than one column 'b'"):
            read_dataframe(frame, name="crm", fields=["customer_id"], attributes=["b", "b"])


class TestDatabase:
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        connection = sqlite3.connect(tmp_path / "shop.db")
        connection.execute("CREATE TABLE orders (who TEXT, ordered_at TEXT, revenue REAL)")
        connection.execute("INSERT INTO orders VALUES ('007', '2011-02-28', 5.5), (NULL, 'x', 6)")
        connection.commit()
        connection.close()
        return f"sqlite:///{tmp_path / 'shop.db'}"

    def ask(self, url: str, query: str, **columns: str) -> RawTable:
        return read(Source(url=url, query=query, columns=columns), name="shop", fields=FIELDS)

    def test_gives_the_rows_of_its_query(self, url: str) -> None:
        raw = self.ask(url, "SELECT * FROM orders ORDER BY revenue", customer_id="who")
        assert rows(raw) == [("007", "2011-02-28", 5.5), (None, "x", 6.0)]

    @pytest.mark.parametrize(
        ("query", "words"),
        [
            ("SELECT * FROM sales", "no such table: sales"),
            ("SELEC", 'near "SELEC": syntax error'),
            ("SELECT * FROM orders WHERE who = :who", "bind parameter 'who'"),
            ("DELETE FROM orders", "does not return rows"),
        ],
    )
    def test_a_wrong_query_is_refused(self, url: str, query: str, words: str) -> None:
        with refuses("database of source 'shop' did not answer its query", words, "Check"):
            self.ask(url, query)

    def test_columns_of_one_name_are_refused(self, url: str) -> None:
        with refuses("the query of source 'shop' has more than one column 'who'"):
            self.ask(url, "SELECT who, who FROM orders")

    def test_a_query_without_rows_is_refused(self, url: str) -> None:
        with refuses("the query of source 'shop' has columns but not one row"):
            self.ask(url, "SELECT * FROM orders WHERE revenue > 100")

    def test_a_missing_file_is_named_and_not_made(self, tmp_path: Path) -> None:
        with refuses("There is no database", "none.db", "Check the url of source 'shop'"):
            self.ask(f"sqlite:///{tmp_path / 'none.db'}", "SELECT 1")
        assert not (tmp_path / "none.db").exists()

    def test_a_file_that_is_no_database_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "shop.db").write_bytes(b"no database" * 100)
        with refuses("did not answer its query: file is not a database"):
            self.ask(f"sqlite:///{tmp_path / 'shop.db'}", "SELECT * FROM orders")

    @pytest.mark.parametrize(
        ("url", "words"),
        [
            ("klingon://worf:geheim@host/shop", "no driver"),
            ("oracle+klingon://worf:geheim@host/shop", "no driver"),
            ("worf:geheim@host", "not the address of a database"),
            ("postgresql://worf:geheim@host:port/shop", "not the address of a database"),
            ("sqlite://worf:geheim@host/none.db", "no database none.db"),
        ],
    )
    def test_a_wrong_address_is_refused_without_its_password(self, url: str, words: str) -> None:
        with refuses(words) as refusal:
            self.ask(url, "SELECT 1")
        assert "geheim" not in "".join(traceback.format_exception(refusal.value))

    def test_a_password_is_hidden_even_in_what_the_driver_says(self, url: str) -> None:
        with refuses("sqlite://worf:***@"):
            self.ask(url.replace("sqlite:///", "sqlite://worf:geheim@/"), "SELECT 1")

    def test_a_source_never_shows_its_address(self) -> None:
        source = Source(url="postgresql://worf:geheim@host/shop", query="SELECT 1")
        assert "geheim" not in f"{source!r} {source} {source.model_dump_json()}"


class TestDataframe:
    def read(self, frame: pd.DataFrame, **columns: str) -> RawTable:
        return read_dataframe(frame, name="shop", fields=FIELDS, columns=columns)

    def test_nulls_of_every_kind_are_null(self) -> None:
        frame = pd.DataFrame(
            {
                "customer_id": ["a", None, np.nan],
                "ordered_at": pd.to_datetime(["2011-02-28", None, pd.NaT]),
                "revenue": [5.0, np.nan, None],
                "category": pd.array([1, pd.NA, None], dtype="Int64"),
            }
        )
        raw = self.read(frame).rows.select(FIELDS).to_pylist()
        assert raw[0]["customer_id"] == "a"
        assert all(value is None for row in raw[1:] for value in row.values())

    def test_its_index_is_no_column(self) -> None:
        raw = self.read(pd.DataFrame({"revenue": [1.0]}, index=pd.Index(["a"], name="customer_id")))
        assert raw.rows.schema.names == ["revenue", "source_row", "source_content"]

    def test_moments_with_a_zone_stay_the_same_moments(self) -> None:
        moment = pd.Timestamp("2011-02-28 23:30", tz="America/New_York")
        raw = self.read(pd.DataFrame({"ordered_at": [moment, None]}))
        assert raw.rows["ordered_at"].to_pylist() == [moment, None]

    def test_mixed_types_in_a_column_are_refused(self) -> None:
        frame = pd.DataFrame({"customer_id": pd.Series([7, "7"], dtype=object)})
        with refuses("dataframe 'shop' has a column of mixed types", "customer_id", "text"):
            self.read(frame)

    def test_columns_of_one_name_are_refused(self) -> None:
        frame = pd.DataFrame([["a", "b"]], columns=["customer_id", "customer_id"])
        with refuses("dataframe 'shop' has more than one column 'customer_id'"):
            self.read(frame)

    def test_without_rows_is_refused(self) -> None:
        with refuses("dataframe 'shop' has columns but not one row of data"):
            self.read(pd.DataFrame({"customer_id": []}))

    def test_a_column_it_lacks_is_named(self) -> None:
        with refuses("maps revenue to column 'paid', which dataframe 'shop' does not have"):
            self.read(pd.DataFrame({"customer_id": ["a"]}), revenue="paid")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"table": "orders"}, "one of order_lines, invoices"),
        ({"delimiter": ",,"}, "one character"),
        ({"path": "a", "url": "b", "query": "c"}, "a path or a url, not both"),
        ({"url": "sqlite://"}, "url and query go together"),
        ({"query": "SELECT 1"}, "url and query go together"),
        ({"decimal": ",", "thousands": ","}, "two different signs"),
        ({"colums": {}}, "colums"),
    ],
)
def test_a_source_that_contradicts_itself_is_refused(
    settings: dict[str, object], words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        Source.model_validate(settings)
