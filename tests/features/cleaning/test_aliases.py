from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from features.cleaning import Cleaned, Company, read_aliases
from features.sources import Source, SourceError

Clean = Callable[..., Cleaned]

COMPANY = Company(aliases={"old": "new"})


@pytest.fixture
def aliases(tmp_path: Path) -> Callable[..., dict[str, str]]:
    def make(rows: str, header: str = "alias,customer_id", **source: object) -> dict[str, str]:
        (tmp_path / "aliases.csv").write_text(f"{header}\n{rows}\n")
        return read_aliases(Source(path=tmp_path / "aliases.csv", **source))

    return make


class TestReadAliases:
    def test_chains_are_followed(self, aliases: Callable[..., dict[str, str]]) -> None:
        assert aliases("c,d\na,b\nb,c") == {"a": "d", "b": "d", "c": "d"}

    def test_columns_are_mapped(self, aliases: Callable[..., dict[str, str]]) -> None:
        columns = {"alias": "from", "customer_id": "to"}
        assert aliases(" a ,b", "from,to", columns=columns) == {"a": "b"}

    def test_who_goes_by_the_own_id_has_no_alias(
        self, aliases: Callable[..., dict[str, str]]
    ) -> None:
        assert aliases("a,a\nb,a\nb,a") == {"b": "a"}

    @pytest.mark.parametrize(
        ("rows", "words"),
        [
            ("a,b\nb,a", "runs in a circle: a -> b -> a"),
            ("x,a\na,b\nb,c\nc,a", "runs in a circle: a -> b -> c -> a"),
            ("a,b\na,c", r"gives 'a' to two customers, 'b' and 'c' \(row 2\)"),
            ("a,b\n,c", "Row 2 of .* has no alias"),
            ("a,", "Row 1 of .* has no customer_id"),
            ("a,b\na", "Row 2 of .* cannot be read: row has 1 fields, not 2"),
        ],
    )
    def test_what_cannot_be_is_refused(
        self, rows: str, words: str, aliases: Callable[..., dict[str, str]]
    ) -> None:
        with pytest.raises(SourceError, match=words):
            aliases(rows)

    def test_a_missing_column_is_named(self, aliases: Callable[..., dict[str, str]]) -> None:
        with pytest.raises(SourceError, match=r"\[aliases\] has no column for customer_id"):
            aliases("a,b", "alias,who")


class TestClean:
    @pytest.mark.parametrize("table", ["order_lines", "invoices", "interactions", "customers"])
    def test_ids_are_those_that_count(self, table: str, clean: Clean) -> None:
        cleaned = clean({"customer_id": ["old"]}, table=table, company=COMPANY)
        assert cleaned.rows["customer_id"].to_pylist() == ["new"]

    @pytest.mark.parametrize("table", ["order_lines", "invoices", "interactions", "customers"])
    def test_an_alias_makes_no_other_row(self, table: str, clean: Clean) -> None:
        keys = {
            clean({"customer_id": ["old"]}, table=table, company=company).rows["row_key"][0]
            for company in (COMPANY, Company())
        }
        assert len(keys) == 1

    def test_payments_find_the_invoice_under_the_id_that_counts(self, clean: Clean) -> None:
        invoices = pa.table(
            {"invoice_id": ["I-1"] * 2, "customer_id": ["new", "else"], "day": [0, 0]}
        )
        columns = {"customer_id": ["old"]}
        cleaned = clean(columns, table="payments", invoices=invoices, company=COMPANY)
        assert cleaned.rows["customer_id"].to_pylist() == ["new"]

    def test_settlements_go_with_them(self, clean: Clean) -> None:
        columns = {"customer_id": ["old"], "settled_at": ["2011-02-11"]}
        cleaned = clean(columns, table="invoices", company=COMPANY)
        assert cleaned.payments["customer_id"].to_pylist() == ["new"]

    def test_the_same_invoice_under_both_ids_is_one(self, clean: Clean) -> None:
        cleaned = clean({"customer_id": ["old", "new"]}, table="invoices", company=COMPANY)
        assert cleaned.counts_by_reason() == {"replaced by a later row of the same invoice_id": 1}

    def test_lines_of_both_on_one_day_are_one_order(self, clean: Clean) -> None:
        cleaned = clean({"customer_id": ["old", "new"]}, company=COMPANY)
        assert cleaned.rows["order_id"].to_pylist() == ["new 2011-02-28"] * 2
