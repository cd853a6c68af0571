"""Our champion and the peers side by side on public ledgers, out of time: `make bench`.

Prints the table of the README. CDNOW ships with lifetimes; the others are taken from
`../shared/data` where it stands beside the repository.
"""

import time
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import date
from io import StringIO
from pathlib import Path

import pandas as pd

from features.cleaning import FIELDS, clean
from features.ledger import Ledger, day_of
from features.sources import Source, read
from training.backtest import backtest
from training.baseline import naive_forecast
from training.panel import outcomes_for
from training.tournament import measure
from worth.demo import DEMO_SOURCE

_SHARED = Path(__file__).parents[1].parent / "shared" / "data"
_ONLINE_RETAIL = Source(
    path=_SHARED / "online_retail" / "online_retail.parquet",
    cancelled_prefix="C",
    columns={
        "order_id": "InvoiceNo",
        "customer_id": "CustomerID",
        "ordered_at": "InvoiceDate",
        "quantity": "Quantity",
        "unit_price": "UnitPrice",
    },
)
_CDNOW_ALL = Source(
    path=_SHARED / "cdnow" / "cdnow_master.parquet",
    columns={"ordered_at": "date", "quantity": "number_of_cds", "revenue": "dollar_value"},
)
_FIGURES = {
    "purchases_mae": "purchases MAE",
    "value_gini": "Gini",
    "value_tweedie": "Tweedie",
    "value_wape": "WAPE",
    "value_bias": "bias",
    "churn_auc": "churn AUC",
    "churn_brier": "Brier",
}


@dataclass(frozen=True)
class Case:
    """One ledger, and the window to forecast on it."""

    name: str
    source: Source
    as_of: date
    horizon_days: int


_CASES = (
    Case("CDNOW 1/10 sample", DEMO_SOURCE, date(1997, 9, 30), 273),
    Case("CDNOW, all", _CDNOW_ALL, date(1998, 3, 31), 90),
    Case("Online Retail", _ONLINE_RETAIL, date(2011, 9, 9), 91),
)


def main() -> None:
    """Run every case and print one row a model."""
    print("| ledger, as of, days | model | " + " | ".join(_FIGURES.values()) + " | seconds |")
    print("|---|---|" + "---:|" * (len(_FIGURES) + 1))
    for case in _CASES:
        if case.source.path is None or not case.source.path.exists():
            print(f"| {case.name} | left out: its data are not beside this checkout |")
            continue
        for row in _rows(case):
            print(row, flush=True)


def _rows(case: Case) -> list[str]:
    raw = read(case.source, name=case.name, fields=list(FIELDS["order_lines"]))
    ledger = Ledger({"order_lines": clean(raw, case.source).rows})
    as_of, days = day_of(case.as_of), case.horizon_days
    start = time.perf_counter()
    ours = backtest(ledger, as_of=as_of, horizon_days=days, basis="revenue")
    seconds = {f"**Worth ({ours.fitted.bundle.name})**": time.perf_counter() - start}
    forecasts = {next(iter(seconds)): ours.predictions}
    signals = ours.fitted.signals
    peers: dict[str, Callable[[], pd.DataFrame]] = {
        "naive: the last window": lambda: naive_forecast(
            ledger.up_to(as_of), signals, origin=as_of, days=days, basis="revenue"
        ),
        "lifetimes BG/NBD + Gamma-Gamma": lambda: _lifetimes("BetaGeoFitter", signals, days),
        "lifetimes Pareto/NBD + Gamma-Gamma": lambda: _lifetimes("ParetoNBDFitter", signals, days),
    }
    for name, forecast in peers.items():
        start = time.perf_counter()
        forecasts[name] = forecast()
        seconds[name] = time.perf_counter() - start
    outcomes = outcomes_for(signals.index, ledger, origin=as_of, days=days, basis="revenue")
    title = f"{case.name}, {case.as_of}, {days}"
    return [
        f"| {title} | {name} | {_figures(measure(forecast, outcomes))} | {seconds[name]:.1f} |"
        for name, forecast in forecasts.items()
    ]


def _figures(metrics: dict[str, float]) -> str:
    return " | ".join(
        f"{metrics[name]:+.0%}" if name == "value_bias" else f"{metrics[name]:.3f}"
        for name in _FIGURES
    )


def _lifetimes(fitter: str, signals: pd.DataFrame, days: int) -> pd.DataFrame:
    """Forecast as the documentation of lifetimes does, with a penalty where it needs one."""
    with warnings.catch_warnings(), redirect_stdout(StringIO()):
        warnings.simplefilter("ignore")
        import lifetimes

        # In weeks, where its optimiser does best.
        x, t_x, age = signals["frequency"], signals["recency"] / 7, signals["T"] / 7
        for penalty in (0.0, 0.001, 0.01, 0.1, 1.0):
            try:
                purchases_model = getattr(lifetimes, fitter)(penalizer_coef=penalty).fit(
                    x, t_x, age
                )
                break
            except lifetimes.utils.ConvergenceError:
                continue
        repeat = signals[(x > 0) & (signals["monetary_value"] > 0)]
        spend_model = lifetimes.GammaGammaFitter().fit(
            repeat["frequency"], repeat["monetary_value"]
        )
        purchases = purchases_model.conditional_expected_number_of_purchases_up_to_time(
            days / 7, x, t_x, age
        )
        spend = spend_model.conditional_expected_average_profit(
            x, signals["monetary_value"].fillna(0.0)
        )
        p_alive = purchases_model.conditional_probability_alive(x, t_x, age)
    forecast = pd.DataFrame(
        {
            "expected_purchases": purchases,
            "churn_probability": 1.0 - pd.Series(p_alive, index=signals.index),
            "expected_value": purchases * spend,
        },
        index=signals.index,
    )
    return forecast.fillna(0.0)  # Heavy buyers overflow in its hypergeometric functions.


if __name__ == "__main__":
    main()
