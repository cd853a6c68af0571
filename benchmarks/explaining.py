"""How long a forecast and its reasons in money take: of every customer of CDNOW, and of one.

Run with `python -m benchmarks.explaining`. All parts are in: the latent forecast, two boosted ones
carried from 90 days to 182, and the bounds. Of one customer the signals are given, by name as a
store gives them or as a row of a DataFrame: to compute them is no part of it. Processor time tells
what a busy machine's clock does not.
"""

import os
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import pandas as pd

from features.cleaning import FIELDS, clean
from features.ledger import Ledger
from features.sources import read
from models.value.explanation import Explainer, reference_of, to_cents_one
from models.value.forecaster import ValueForecaster
from models.value.latent import LatentValueModel
from training.candidates import fit_boosted
from training.panel import build_panel
from worth.demo import DEMO_SOURCE

__all__ = ["main"]

_WINDOW, _HORIZON = 90, 182
_WEIGHTS = {"latent": 0.2, "boosted": 0.4, "corrected": 0.4}
_REPEATS, _REPEATS_OF_ONE = 5, 200


def main() -> None:
    """Print the table."""
    forecaster, signals = _fitted()
    explainer = Explainer(forecaster, reference_of(forecaster, signals))
    row, n_customers = signals.iloc[[0]], len(signals)
    one: dict[str, Any] = row.iloc[0].to_dict()

    def answer() -> None:
        forecast = forecaster.forecast_one(one)
        to_cents_one(explainer.explain_one(one), forecast["expected_value"])

    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}; medians\n")
    print("| task | customers | time | processor time | customers/s | a processor-second |")
    print("|---|---:|---:|---:|---:|---:|")
    for task, of_all in (
        ("forecast of all", lambda: forecaster.forecast(signals)),
        ("reasons of all", lambda: explainer.explain(signals)),
    ):
        seconds, of_processor = _measured(of_all, _REPEATS)
        print(
            f"| {task} | {n_customers:,} | {seconds:.2f} s | {of_processor:.2f} s "
            f"| {n_customers / seconds:,.0f} | {n_customers / of_processor:,.0f} |"
        )
    tasks: dict[str, Callable[[], object]] = {
        "forecast of one": lambda: forecaster.forecast_one(one),
        "forecast of one, as a DataFrame": lambda: forecaster.forecast(row),
        "reasons of one": lambda: explainer.explain_one(one),
        "reasons of one, as a DataFrame": lambda: explainer.explain(row),
        "forecast and reasons of one, in cents": answer,
    }
    for task, of_one in tasks.items():
        seconds, of_processor = _measured(of_one, _REPEATS_OF_ONE)
        print(f"| {task} | 1 | {seconds * 1e3:.1f} ms | {of_processor * 1e3:.1f} ms | | |")


def _fitted() -> tuple[ValueForecaster, pd.DataFrame]:
    raw = read(DEMO_SOURCE, name="cdnow", fields=list(FIELDS["order_lines"]))
    ledger = Ledger({"order_lines": clean(raw, DEMO_SOURCE).rows})
    signals = build_panel(ledger, ledger.last_day, 1, "revenue").signals
    past = build_panel(ledger, ledger.last_day - _WINDOW, _WINDOW, "revenue")
    latent = LatentValueModel().fit(signals)
    boosted = fit_boosted([past], latent, random_state=0)
    weights = dict.fromkeys(("value", "churn", "purchases"), _WEIGHTS)
    forecaster = ValueForecaster(latent, boosted, weights, horizon_days=_HORIZON)
    return forecaster.presume(signals, widening=1.0, random_state=0), signals


def _measured(task: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Median seconds by the clock and on the processors."""
    task()
    clock, processor = [], []
    for _ in range(repeats):
        start, of_processor = time.perf_counter(), time.process_time()
        task()
        clock.append(time.perf_counter() - start)
        processor.append(time.process_time() - of_processor)
    return median(clock), median(processor)


if __name__ == "__main__":
    main()
