from collections.abc import Mapping
from datetime import date
from math import isnan

import pandas as pd
import pyarrow as pa
import pytest

from features.ledger import Ledger, day_of
from features.schema import TABLES
from models.value.discounting import discount_factor
from training.monitoring import Forecast, Monitoring, expect, monitor

_AS_OF = day_of(date(2024, 3, 1))
_DAYS = 40


def _ledger(rows: list[tuple[str, int, float]], opted_out: tuple[str, ...] = ()) -> Ledger:
    """Orders by customer, day after the forecast's and revenue."""
    lines = pa.Table.from_pylist(
        [
            {
                "customer_id": who,
                "order_id": f"{n}",
                "row_key": f"{n}".encode(),
                "day": _AS_OF + day,
                "revenue": revenue,
            }
            for n, (who, day, revenue) in enumerate(rows)
        ]
    )
    for name in ("product_id", "category", "quantity", "cost", "discount", "channel"):
        lines = lines.append_column(name, pa.nulls(len(lines)))
    tables = {"order_lines": lines}
    if opted_out:
        people = [
            {"customer_id": who, "row_key": who.encode(), "profiling_opt_out": 1}
            for who in opted_out
        ]
        tables["customers"] = pa.Table.from_pylist(people, schema=TABLES["customers"].arrow_schema)
    return Ledger(tables)


def _forecast(scores: Mapping[str, tuple[float, float, float]], **changes: object) -> Forecast:
    """Expected purchases, churn probability and discounted value by customer."""
    frame = pd.DataFrame.from_dict(
        scores, orient="index", columns=["expected_purchases", "churn_probability", "clv_expected"]
    ).astype("float64")
    frame.index = pd.Index(frame.index, dtype="str", name="customer_id")
    frame = frame.assign(
        clv_lower=float("nan"),
        clv_upper=float("nan"),
        days_since_last_purchase=5,
        tier=["A"] + ["C"] * (len(frame) - 1) if len(frame) else [],
    )
    facts = {"basis": "revenue", "discount_rate": 0.0, "horizon_days": _DAYS} | changes
    return Forecast(as_of=_AS_OF, scores=frame.assign(**facts.pop("bounds", {})), **facts)  # type: ignore[arg-type]


_BEFORE = [("A", -90, 10.0), ("A", -5, 30.0), ("B", -30, 8.0), ("C", -60, 5.0)]
_SCORES = {"A": (1.5, 0.2, 40.0), "B": (0.5, 0.6, 10.0), "C": (0.1, 0.9, 2.0)}


class TestByHand:
    @pytest.fixture
    def found(self) -> Monitoring:
        # A buys twice, B not at all, C once; N is new, and the last order lies beyond the horizon.
        after = [("A", 3, 20.0), ("A", 20, 25.0), ("C", 40, 6.0), ("N", 9, 9.0), ("A", 41, 99.0)]
        return monitor(_ledger(_BEFORE + after), _forecast(_SCORES))

    def test_the_window_is_the_horizon(self, found: Monitoring) -> None:
        assert (found.days_seen, found.is_complete) == (_DAYS, True)
        assert found.actual["value"].to_dict() == {"A": 45.0, "B": 0.0, "C": 6.0}
        assert found.actual["purchases"].to_dict() == {"A": 2.0, "B": 0.0, "C": 1.0}

    def test_the_figures_are_those_of_the_tournament(self, found: Monitoring) -> None:
        model = found.figures["model"]
        assert model["value_bias"] == pytest.approx(52 / 51 - 1)
        assert model["purchases_mae"] == pytest.approx((0.5 + 0.5 + 0.9) / 3)
        assert model["churn_brier"] == pytest.approx((0.2**2 + 0.4**2 + 0.9**2) / 3)
        # The order A, B, C where A, C, B were perfect: areas of 45, 45, 51 over 45, 51, 51.
        areas = [2 * sum(curve) / 51 / 3 - 1 for curve in ((45, 45, 51), (45, 51, 51))]
        assert model["value_gini"] == pytest.approx(areas[0] / areas[1])

    def test_the_baseline_repeats_the_window_before(self, found: Monitoring) -> None:
        assert found.naive["expected_value"].to_dict() == {"A": 30.0, "B": 8.0, "C": 0.0}

    def test_tiers_and_tenths_are_means_of_their_customers(self, found: Monitoring) -> None:
        assert found.by_tier.loc["A"].tolist() == [1, 40.0, 45.0, 45 / 40]
        assert found.by_tier.loc["C"].tolist() == [2, 6.0, 3.0, 0.5]
        assert found.by_decile["mean_predicted"].tolist() == [2.0, 10.0, 40.0]

    def test_the_ratio_of_totals_has_no_range_with_so_few_buyers(self, found: Monitoring) -> None:
        assert found.calibration.ratio == pytest.approx(51 / 52)
        assert isnan(found.calibration.lower)
        assert found.verdict.action == "keep"
        assert "too little to judge by: 2 customers bought" in found.verdict.reasons[0]

    def test_newcomers_share_the_revenue_of_the_window(self, found: Monitoring) -> None:
        assert found.newcomers == {"n_customers": 1, "revenue_share": pytest.approx(9 / 60)}

    def test_signals_that_grow_with_the_calendar_are_left_out(self, found: Monitoring) -> None:
        assert "frequency" in found.drift.index
        growing = {"first_purchase_day", "last_purchase_day", "T", "tenure_days"}
        assert not growing & set(found.drift.index)
        # Frequencies 1, 0, 0 then; of A, B, C and N now 4, 0, 1, 0: edges 0 and 1.
        assert found.drift["psi"].is_monotonic_decreasing


class TestExpect:
    def test_money_is_no_longer_discounted(self) -> None:
        forecast = _forecast(_SCORES, discount_rate=0.3)

        expected = expect(forecast.scores, forecast, _DAYS)

        undone = 40.0 / discount_factor(_DAYS, 0.3)
        assert expected.loc["A", "expected_value"] == pytest.approx(undone)
        assert expected.loc["A", "churn_probability"] == 0.2

    def test_a_part_of_the_horizon_expects_its_share(self) -> None:
        bounds = {"clv_lower": [1.0, 0.0, 0.0], "clv_upper": [60.0, 20.0, 5.0]}
        forecast = _forecast(_SCORES, bounds=bounds)

        expected = expect(forecast.scores, forecast, 10)

        # Four times a quarter of the horizon without a purchase is the whole of it without.
        assert expected.loc["A"].tolist()[:3] == pytest.approx([1.5 / 4, 0.2**0.25, 10.0])
        assert expected[["value_lower", "value_upper"]].isna().all(axis=None)


def test_a_running_forecast_says_that_it_is_scaled() -> None:
    found = monitor(_ledger([*_BEFORE, ("A", 10, 10.0)]), _forecast(_SCORES))

    assert (found.days_seen, found.is_complete) == (10, False)
    assert found.remarks == (
        "10 of 40 days have passed: what was expected is scaled to 25%, and intervals cannot be "
        "judged yet.",
    )
    assert found.calibration.ratio == pytest.approx(10 / 13)


def test_coverage_is_taken_where_there_are_bounds() -> None:
    bounds = {"clv_lower": [50.0, 0.0, float("nan")], "clv_upper": [60.0, 0.0, 5.0]}
    after = [("A", 3, 20.0), ("N", 50, 1.0)]

    found = monitor(_ledger(_BEFORE + after), _forecast(_SCORES, bounds=bounds))

    assert found.coverage == {"n_customers": 2, "inside": 0.5, "below": 0.5, "above": 0.0}
    assert monitor(_ledger(_BEFORE + after), _forecast(_SCORES)).coverage == {}


def test_who_opted_out_or_is_gone_is_left_out_and_said() -> None:
    scores = _SCORES | {"GONE": (1.0, 0.5, 9.0)}
    rows = [*_BEFORE, ("D", -9, 1.0), ("B", 4, 8.0), ("A", 50, 1.0)]

    found = monitor(_ledger(rows, opted_out=("B",)), _forecast(scores))

    assert set(found.actual.index) == {"A", "C"}
    assert [remark.split()[0] for remark in found.remarks] == ["1", "1", "1"]
    for why in ("no longer holds them", "opted out of profiling since", "were not scored"):
        assert any(why in remark for remark in found.remarks)


def test_what_came_later_changes_neither_the_baseline_nor_what_came_before() -> None:
    early = [("A", 3, 20.0), ("C", 45, 7.0)]
    late = [*early, ("B", 30, 999.0), ("C", 60, 7.0)]

    found = [monitor(_ledger(_BEFORE + rows), _forecast(_SCORES)) for rows in (early, late)]

    pd.testing.assert_frame_equal(found[0].naive, found[1].naive)
    assert [f.actual["value"].tolist() for f in found] == [[20.0, 0.0, 0.0], [20.0, 999.0, 0.0]]


def test_an_order_that_was_loaded_late_counts_as_it_is_known_now() -> None:
    found = monitor(_ledger([*_BEFORE, ("C", 7, 4.0), ("N", 50, 1.0)]), _forecast(_SCORES))

    assert found.actual.loc["C", "value"] == 4.0


def test_of_many_customers_the_signals_of_some_are_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("training.monitoring._MOST_SAMPLED", 2)

    found = monitor(_ledger([*_BEFORE, ("A", 41, 1.0)]), _forecast(_SCORES))

    assert len(found.actual) == 3
    assert "Signals are compared on 2 of 3 customers" in found.remarks[-1]


def test_a_ledger_that_ends_on_the_day_of_the_forecast_is_refused() -> None:
    with pytest.raises(ValueError, match=r"as of 2024-03-01: the ledger ends on 2024-02-25\."):
        monitor(_ledger(_BEFORE), _forecast(_SCORES))


class TestNothingToHoldOnTo:
    def test_one_customer(self) -> None:
        rows = [("A", -90, 10.0), ("A", -5, 30.0), ("A", 41, 1.0)]

        found = monitor(_ledger(rows), _forecast({"A": _SCORES["A"]}))

        assert len(found.by_decile) == 1
        assert found.verdict.action == "keep"

    @pytest.mark.parametrize("n", [3, 60])
    def test_nobody_bought_since(self, n: int) -> None:
        names = [f"C{k}" for k in range(n)]
        rows = [(who, -9 - k, 5.0 + k) for k, who in enumerate(names)]
        # A return is no purchase, and the ledger's last day.
        rows += [(names[0], 41, -1.0)]

        found = monitor(_ledger(rows), _forecast({who: (2.0, 0.1, 9.0) for who in names}))

        assert found.actual.to_numpy().sum() == 0
        assert isnan(found.figures["model"]["value_gini"])
        assert isnan(found.newcomers["revenue_share"])
        assert found.verdict.action == ("keep" if n == 3 else "retrain")

    def test_all_opted_out(self) -> None:
        rows = [*_BEFORE, ("A", 41, 1.0)]

        found = monitor(_ledger(rows, opted_out=("A", "B", "C")), _forecast(_SCORES))

        assert found.actual.empty
        assert found.by_tier.empty
        assert found.verdict.action == "keep"

    def test_nobody_was_scored(self) -> None:
        found = monitor(_ledger([*_BEFORE, ("A", 41, 1.0)]), _forecast({}))

        assert found.actual.empty
        assert "Nobody was scored" in found.remarks[-1]

    def test_nothing_was_expected(self) -> None:
        scores = dict.fromkeys("ABC", (0.0, 1.0, 0.0))

        found = monitor(_ledger([*_BEFORE, ("A", 41, 1.0)]), _forecast(scores))

        assert isnan(found.calibration.ratio)
        assert found.by_decile["ratio"].isna().all()
