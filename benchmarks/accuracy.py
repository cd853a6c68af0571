"""Our champion and the peers side by side on public ledgers, out of time: `make bench-accuracy`.

Prints the table of the README, how often outcomes lay outside our bounds, and figure by figure
whether ours is at least as good as the best peer's. CDNOW's sample ships with lifetimes; the others
are taken from `../shared/data` where it stands beside the repository. Names, or parts of names, of
ledgers as arguments leave out the others.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from math import isnan, nan
from pathlib import Path

import pandas as pd

from benchmarks.peers import PYMC, Task, has_pymc_marketing, peers, task_of
from features.cleaning import FIELDS, clean
from features.ledger import Ledger, day_of
from features.sources import Source, read
from training.backtest import Backtest, backtest
from training.measure import measure
from training.panel import outcomes_for
from worth.demo import DEMO_SOURCE

__all__ = ["CDNOW_ALL", "MARKETING_ANALYTICS", "ONLINE_RETAIL", "Case", "ledger_of"]

_SHARED = Path(__file__).parents[1].parent / "shared" / "data"
ONLINE_RETAIL = Source(
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
CDNOW_ALL = Source(
    path=_SHARED / "cdnow" / "cdnow_master.parquet",
    columns={"ordered_at": "date", "quantity": "number_of_cds", "revenue": "dollar_value"},
)
MARKETING_ANALYTICS = Source(
    path=_SHARED / "marketing_analytics_purchases" / "purchases.parquet",
    columns={"ordered_at": "date_of_purchase", "revenue": "purchase_amount"},
)


@dataclass(frozen=True)
class Case:
    """One ledger, and the window to forecast on it."""

    name: str
    source: Source
    as_of: date
    horizon_days: int

    @property
    def title(self) -> str:
        """What the first column of the table says."""
        return f"{self.name}, {self.as_of}, {self.horizon_days}"

    @property
    def why_not(self) -> str:
        """Why the ledger cannot be had here; empty where it can."""
        path = self.source.path
        return "" if path and path.exists() else f"{path} is not there"


_CASES = (
    Case("CDNOW 1/10 sample", DEMO_SOURCE, date(1997, 9, 30), 273),
    Case("CDNOW, all", CDNOW_ALL, date(1997, 9, 30), 273),
    Case("CDNOW, all", CDNOW_ALL, date(1998, 3, 31), 90),
    Case("Online Retail", ONLINE_RETAIL, date(2011, 9, 9), 91),
    Case("Marketing analytics", MARKETING_ANALYTICS, date(2014, 12, 31), 365),
)


@dataclass(frozen=True)
class Figure:
    """One column of the table.

    Parameters
    ----------
    title : str
        Its heading.
    cost : callable
        Turns the figure into what is the better the smaller.
    noise : float
        With a few thousand customers, differences up to this may be chance; 0 where not known.
    is_share : bool
        Whether it is written in per cent, with its sign.
    """

    title: str
    cost: Callable[[float], float] = abs
    noise: float = 0.0
    is_share: bool = False

    def text(self, value: float) -> str:
        """Write the figure."""
        if isnan(value):
            return "…"
        return f"{value:+.1%}" if self.is_share else f"{value:.3f}"

    def loss(self, value: float) -> float:
        """Give its cost as precisely as it is printed."""
        return self.cost(round(value, 3))


def _negative(value: float) -> float:
    return -value


_FIGURES = {
    "value_gini": Figure("Gini", _negative, 0.01),
    "value_tweedie": Figure("Tweedie"),
    "value_decile_mape": Figure("decile MAPE"),
    "value_wape": Figure("WAPE", noise=0.015),
    "value_bias": Figure("bias", is_share=True),
    "purchases_mae": Figure("purchases MAE"),
    "purchases_r2": Figure("purchases R2", _negative),
    "churn_auc": Figure("churn AUC", _negative, 0.005),
    "churn_brier": Figure("Brier"),
}
_OURS = "**Worth**"
# With more customers the noise that the figures name is no excuse.
_FEW_THOUSAND = 5_000


@dataclass(frozen=True)
class Result:
    """What came out for one case: figures by model, ours first."""

    case: Case
    ours: Backtest
    figures: dict[str, dict[str, float]]
    seconds: dict[str, float]


def main() -> None:
    """Run every case, and print the tables."""
    if not has_pymc_marketing():
        print(f"Left out: {PYMC}; it is not installed and in no lock of ours")
        print("(`uv pip install --python .venv/bin/python pymc-marketing` adds it).\n")
    print("| ledger, as of, days | model | " + " | ".join(f.title for f in _FIGURES.values())
          + " | seconds |")  # fmt: skip
    print("|---|---|" + "---:|" * (len(_FIGURES) + 1))
    results = []
    for case in _CASES:
        if sys.argv[1:] and not any(name in case.title for name in sys.argv[1:]):
            continue
        if case.why_not:
            print(f"| {case.title} | left out: {case.why_not} |")
            continue
        results.append(_run(case))
        _print_figures(results[-1])
    _print_bounds(results)
    _print_verdicts(results)


def ledger_of(case: Case) -> Ledger:
    """Read and clean a case's order lines.

    Parameters
    ----------
    case : Case
        Whose file is there.

    Returns
    -------
    Ledger
        With order lines alone.
    """
    raw = read(case.source, name=case.name, fields=list(FIELDS["order_lines"]))
    return Ledger({"order_lines": clean(raw, case.source).rows})


def _run(case: Case) -> Result:
    ledger = ledger_of(case)
    as_of, days = day_of(case.as_of), case.horizon_days
    start = time.perf_counter()
    ours = backtest(ledger, as_of=as_of, horizon_days=days, basis="revenue")
    seconds = {_OURS: time.perf_counter() - start}
    outcomes = outcomes_for(
        ours.predictions.index, ledger, origin=as_of, days=days, basis="revenue"
    )
    figures = {_OURS: measure(ours.predictions, outcomes)}
    task = task_of(ledger, as_of=as_of, days=days)
    for name, forecast in peers().items():
        start = time.perf_counter()
        figures[name] = _judged(forecast, task, outcomes)
        seconds[name] = time.perf_counter() - start
    return Result(case, ours, figures, seconds)


def _judged(
    forecast: Callable[[Task], pd.DataFrame], task: Task, outcomes: pd.DataFrame
) -> dict[str, float]:
    """Measure a peer over the very customers that ours is measured over."""
    found = forecast(task).reindex(outcomes.index)
    knows_churn = "churn_probability" in found
    figures = measure(found if knows_churn else found.assign(churn_probability=0.5), outcomes)
    if not knows_churn:
        figures |= {name: nan for name in figures if name.startswith("churn_")}
    return figures


def _print_figures(result: Result) -> None:
    for name, figures in result.figures.items():
        model = f"{_OURS} ({result.ours.fitted.bundle.name})" if name == _OURS else name
        cells = [figure.text(figures[key]) for key, figure in _FIGURES.items()]
        row = [result.case.title, model, *cells, f"{result.seconds[name]:.1f}"]
        print("| " + " | ".join(row) + " |", flush=True)


def _print_bounds(results: list[Result]) -> None:
    print("\nShares of customers above our upper and below our lower bound, 10 % each if they are")
    print("right (nobody is below a bound of 0), overall and in thirds by expected value:\n")
    print("| ledger, as of, days | above | low | middle | high | below | low | middle | high "
          "| won |")  # fmt: skip
    print("|---|" + "---:|" * 8 + "---|")
    for result in results:
        shares = result.ours.metrics or {}
        cells = [
            f"{shares[f'share_{side}{third}']:.1%}"
            for side in ("above", "below")
            for third in ("", "_low", "_middle", "_high")
        ]
        facts = result.ours.fitted.bundle.facts
        won = ", ".join(f"{question}: {name}" for question, name in facts["winners"].items())
        won = f"{won}; attrition: {facts['attrition']}"
        print(f"| {result.case.title} | " + " | ".join([*cells, won]) + " |")


def _print_verdicts(results: list[Result]) -> None:
    print("\nIs ours at least as good as the best peer? (noise: what is lost may be chance)\n")
    print("| ledger, as of, days | figure | ours | best peer | its name | |")
    print("|---|---|---:|---:|---|---|")
    verdicts, lost = [], []
    for result in results:
        is_small = len(result.ours.predictions) < _FEW_THOUSAND
        for key, figure in _FIGURES.items():
            noise = figure.noise if is_small else 0.0
            ours, best, name = _best_peer(result, key)
            lost_by = round(figure.loss(ours) - figure.loss(best), 3)
            verdict = "won" if lost_by <= 0 else "noise" if lost_by <= noise else "LOST"
            verdicts.append(verdict)
            cells = [result.case.title, figure.title, figure.text(ours), figure.text(best), name]
            shown = verdict if verdict == "won" else f"{verdict}, by {lost_by:.3f}"
            print("| " + " | ".join([*cells, shown]) + " |")
            if verdict == "LOST":
                lost.append(f"- {cells[0]}: {cells[1]} {cells[2]}; {name} {cells[3]}")
    counts = {verdict: verdicts.count(verdict) for verdict in ("won", "noise", "LOST")}
    print(f"\n{counts['won']} won, {counts['noise']} within noise, {counts['LOST']} lost.")
    print("\n".join(lost))


def _best_peer(result: Result, key: str) -> tuple[float, float, str]:
    """Give our figure, the best peer's and its name."""
    known = {
        name: figures[key]
        for name, figures in result.figures.items()
        if name != _OURS and not isnan(figures[key])
    }
    best = min(known, key=lambda name: _FIGURES[key].loss(known[name]))
    return result.figures[_OURS][key], known[best], best


if __name__ == "__main__":
    main()
