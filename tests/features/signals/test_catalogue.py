import math
from collections.abc import Iterable
from importlib.resources import files

import pandas as pd
import pyarrow as pa
import pytest
import sqlglot
from sqlglot import exp

from features.engines.duckdb import compute_signals
from features.ledger import Ledger
from features.schema import TABLES
from features.signals.catalogue import CATALOGUE, FAMILIES, Signal, as_typed, as_values
from features.signals.signal import NEVER

ALL = [pytest.param(signal, id=name) for name, signal in CATALOGUE.items()]
CLASSES = [name for name, signal in CATALOGUE.items() if signal.unit == "class"]
NEEDS = sorted({need for signal in CATALOGUE.values() for need in signal.needs})


def _written(name: str) -> exp.Expr:
    text = files("features.signals").joinpath(f"{name}.sql").read_text(encoding="utf-8")
    return sqlglot.parse_one(text, dialect="duckdb")


def _column(need: str) -> tuple[str, str]:
    table, _, column = need.rpartition(".")
    return table or "order_lines", column


class TestWords:
    def test_no_name_is_taken_twice_and_families_stand_together(self) -> None:
        assert all(signal.name == name for name, signal in CATALOGUE.items())
        assert sorted((s.family for s in CATALOGUE.values()), key=FAMILIES.index) == [
            signal.family for signal in CATALOGUE.values()
        ]

    @pytest.mark.parametrize("language", ["label", "label_zh"])
    def test_no_label_is_given_twice(self, language: str) -> None:
        labels = {getattr(signal, language) for signal in CATALOGUE.values()}
        assert len(labels) == len(CATALOGUE)

    @pytest.mark.parametrize("signal", ALL)
    def test_every_signal_has_labels_and_says_what_it_and_its_null_mean(
        self, signal: Signal
    ) -> None:
        assert signal.label[0].isupper()
        assert signal.label.isascii()
        assert any("\u4e00" <= letter <= "\u9fff" for letter in signal.label_zh)
        assert signal.meaning[0].isupper() or signal.meaning[0].isdigit()
        assert signal.meaning.endswith(".")
        assert signal.null_means
        assert signal.unit == "class" or (signal.low < signal.high and not signal.values)

    @pytest.mark.parametrize("signal", ALL)
    def test_units_are_part_of_the_name(self, signal: Signal) -> None:
        by_ending = {"_days": "days", "_rate": "rate", "_share": "share", "_ratio": "ratio"}
        for ending, unit in by_ending.items():
            if signal.name.endswith(ending) and not signal.name.startswith("n_"):
                assert signal.unit == unit
        assert signal.name.startswith("is_") == (signal.unit == "flag")
        if signal.unit in {"share", "flag"}:
            assert (signal.low, signal.high) == (0, 1)


class TestText:
    @pytest.mark.parametrize("family", FAMILIES)
    def test_of_a_family_selects_its_signals_in_the_catalogues_order(self, family: str) -> None:
        names = [name for name, signal in CATALOGUE.items() if signal.family == family]
        assert _written(family).named_selects == ["customer_id", *names]

    def test_no_part_of_any_family_is_called_like_another(self) -> None:
        """Spark's text has them all in one place."""
        names = [cte.alias for family in FAMILIES for cte in _written(family).find_all(exp.CTE)]
        names += ["known_purchases", "known_purchase_days", *(f"known_{name}" for name in TABLES)]
        assert len(names) == len({*names, *TABLES}) - len(TABLES)

    @pytest.mark.parametrize("family", FAMILIES)
    def test_has_no_number_with_a_point_but_doubles(self, family: str) -> None:
        """Spark reads 1.0 as a decimal and rounds what is computed with it."""
        for literal in _written(family).find_all(exp.Literal):
            if not (literal.is_string or literal.is_int):
                assert isinstance(literal.parent, exp.Cast)
                assert literal.parent.to.this == exp.DataType.Type.DOUBLE


class TestNeeds:
    @pytest.mark.parametrize("signal", ALL)
    def test_are_in_the_ledger(self, signal: Signal) -> None:
        for table, column in map(_column, signal.needs):
            assert column in TABLES[table].names
            assert table != "order_lines" or column not in _required(table)

    @pytest.mark.parametrize("need", NEEDS)
    def test_without_one_the_signals_that_name_it_are_null(self, need: str, rich: Ledger) -> None:
        signals = compute_signals(_without(rich, *_column(need)), rich.last_day)
        named = [name for name, signal in CATALOGUE.items() if need in signal.needs]
        assert signals[named].isna().all(axis=None)

    @pytest.mark.parametrize("needs", sorted({signal.needs for signal in CATALOGUE.values()}))
    def test_are_all_that_the_signals_take(self, needs: tuple[str, ...], rich: Ledger) -> None:
        signals = compute_signals(_only(rich, needs), rich.last_day)
        named = [name for name, signal in CATALOGUE.items() if signal.needs == needs]
        assert signals[named].notna().any().all()


@pytest.fixture(scope="module")
def all_signals(rich: Ledger, cdnow: Ledger, superstore: Ledger) -> list[pd.DataFrame]:
    """Those of a rich ledger and of two real ones, each on its last day."""
    return [compute_signals(ledger, ledger.last_day) for ledger in (rich, cdnow, superstore)]


class TestValues:
    def test_stand_under_the_catalogues_names(self, all_signals: list[pd.DataFrame]) -> None:
        for signals in all_signals:
            assert [*signals.columns] == [*CATALOGUE]
            assert signals.index.is_monotonic_increasing
            assert signals.index.is_unique

    @pytest.mark.parametrize("signal", ALL)
    def test_are_in_their_range_and_null_where_they_may_be(
        self, signal: Signal, all_signals: list[pd.DataFrame]
    ) -> None:
        for signals in all_signals:
            known = signals[signal.name].dropna()
            assert signal.null_means != NEVER or len(known) == len(signals)
            if signal.unit == "class":
                assert not signal.values or {*known} <= {*signal.values}
            else:
                assert known.between(signal.low, signal.high).all()

    def test_of_classes_are_all_taken_by_someone(self, rich: Ledger) -> None:
        days = range(rich.first_day + 30, rich.last_day, 200)
        frames = [compute_signals(rich, day)[CLASSES] for day in days]
        taken = pd.concat(frames)
        for name in CLASSES:
            words = CATALOGUE[name].values or ("x", "y", "z")
            assert {*taken[name].dropna()} == {*words}


class TestTypes:
    def test_of_any_engine_become_the_same(self) -> None:
        rows = pd.DataFrame({name: [None, 1] for name in CATALOGUE}, dtype=object)
        rows = rows.assign(customer_id=["a", "b"], lifecycle=["new", None])
        typed = as_typed(rows)
        assert [*typed.columns] == [*CATALOGUE]
        assert typed.index.name == "customer_id"
        assert (typed.drop(columns=CLASSES).dtypes == "float64").all()
        assert math.isnan(typed.loc["a", "frequency"])
        assert typed["lifecycle"].isna().tolist() == [False, True]

    def test_of_one_row_are_numbers_texts_and_none(self) -> None:
        row = [{"lifecycle": "new", "T": None}.get(name, 1) for name in CATALOGUE]
        values = as_values(("a", *row))
        assert [*values] == [*CATALOGUE]
        assert (values["lifecycle"], values["T"], values["revenue"]) == ("new", None, 1.0)


def _required(table: str) -> set[str]:
    return {column.name for column in TABLES[table].columns if column.required}


def _without(ledger: Ledger, table: str, column: str) -> Ledger:
    """A required column is missing only where its table is."""
    rows = ledger.tables[table]
    less = rows.slice(0, 0) if column in _required(table) else _blank(rows, [column])
    return Ledger({**ledger.tables, table: less})


def _only(ledger: Ledger, needs: Iterable[str]) -> Ledger:
    kept = [*map(_column, needs)]
    tables = {}
    for name in {"order_lines", *(table for table, _ in kept)}:
        wanted = {*_required(name), "row_key", *(column for table, column in kept if table == name)}
        rows = ledger.tables[name]
        tables[name] = _blank(rows, [c for c in rows.schema.names if c not in wanted])
    return Ledger(tables)


def _blank(rows: pa.Table, columns: Iterable[str]) -> pa.Table:
    for column in columns:
        place = rows.schema.get_field_index(column)
        field = rows.schema.field(column)
        rows = rows.set_column(place, field, pa.nulls(len(rows), field.type))
    return rows
