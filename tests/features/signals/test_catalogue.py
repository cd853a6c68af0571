import math

import pandas as pd
import pytest

from features.schema import TABLES
from features.signals.catalogue import CATALOGUE, FAMILIES, Signal, as_typed

ALL = [pytest.param(signal, id=name) for name, signal in CATALOGUE.items()]


def test_no_name_is_taken_twice_and_families_stand_together() -> None:
    assert all(signal.name == name for name, signal in CATALOGUE.items())
    assert sorted((s.family for s in CATALOGUE.values()), key=FAMILIES.index) == [
        signal.family for signal in CATALOGUE.values()
    ]


@pytest.mark.parametrize("signal", ALL)
def test_every_signal_says_what_it_and_its_null_mean(signal: Signal) -> None:
    assert signal.meaning[0].isupper() or signal.meaning[0].isdigit()
    assert signal.meaning.endswith(".")
    assert signal.null_means
    assert bool(signal.values) == (signal.unit == "class")
    assert signal.values or signal.low < signal.high


@pytest.mark.parametrize("signal", ALL)
def test_units_are_part_of_the_name(signal: Signal) -> None:
    by_ending = {"_days": "days", "_rate": "rate", "_share": "share", "_ratio": "ratio"}
    for ending, unit in by_ending.items():
        if signal.name.endswith(ending) and not signal.name.startswith("n_"):
            assert signal.unit == unit
    assert signal.name.startswith("is_") == (signal.unit == "flag")
    if signal.unit in {"share", "flag"}:
        assert (signal.low, signal.high) == (0, 1)


@pytest.mark.parametrize("signal", ALL)
def test_what_a_signal_needs_is_in_the_ledger(signal: Signal) -> None:
    for need in signal.needs:
        table, _, column = need.rpartition(".")
        assert column in TABLES[table or "order_lines"].names


def test_any_engines_types_become_the_same() -> None:
    rows = pd.DataFrame({name: [None, 1] for name in CATALOGUE}, dtype=object)
    rows = rows.assign(customer_id=["a", "b"], lifecycle=["new", None])
    typed = as_typed(rows)
    assert [*typed.columns] == [*CATALOGUE]
    assert typed.index.name == "customer_id"
    assert (typed.drop(columns="lifecycle").dtypes == "float64").all()
    assert math.isnan(typed.loc["a", "frequency"])
    assert typed["lifecycle"].isna().tolist() == [False, True]
