"""How often the total's bounds held what came, and customers' bounds: `make bench-accuracy`.

Forecasts from several past days of each ledger, none of which saw what came after. Bounds are of
80 %: they are to hold the total four times in five, and a tenth of the customers is to lie above
theirs and a tenth below. Names, or parts of names, of ledgers as arguments leave out the others.
"""

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from statistics import fmean

import pyarrow.parquet as pq

from benchmarks.accuracy import CDNOW_ALL, MARKETING_ANALYTICS, ONLINE_RETAIL, Case, ledger_of
from features.ledger import Ledger, date_of, day_of
from features.schema import TABLES
from simulation import WHOLESALER, World, write_ledger
from training.backtest import Backtest, backtest
from training.panel import outcomes_for

# Windows of one ledger do not overlap, so that each is news.
_CDNOW_DAYS = (date(1997, 7, 2), date(1997, 9, 30), date(1997, 12, 30), date(1998, 3, 30))
_RETAIL_DAYS = tuple(date(2011, 10, 10) - timedelta(days=60 * n) for n in range(4))
_MARKETING_DAYS = tuple(date(year, 12, 31) for year in range(2010, 2015))
_WHOLESALER_CUSTOMERS = 5_000
# By name: its world, the horizon, and how many windows. The first begins with one year known; the
# second is a year older, so that from each of its days two seasons lie behind.
_WHOLESALERS = {
    "simulated wholesaler": (WHOLESALER, 180, 4),
    "simulated wholesaler, two seasons behind": (
        replace(WHOLESALER, first_day=WHOLESALER.first_day - 365), 90, 3
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Rolling:
    """One ledger, and the days to forecast from."""

    name: str
    ledger: Ledger
    origins: tuple[int, ...]
    horizon_days: int


def main() -> None:
    """Run every backtest, and print what was expected and what came."""
    print("| ledger, as of, days | lower | expected | upper | came | bias | held | above | below |")
    print("|---|" + "---:|" * 5 + "---|---:|---:|")
    held, above, below = [], [], []
    for rolling in _ledgers():
        for origin in rolling.origins:
            result = backtest(
                rolling.ledger, as_of=origin, horizon_days=rolling.horizon_days, basis="revenue"
            )
            came = _came(rolling, origin, result)
            held.append(_print_row(rolling, origin, result, came))
            shares = result.metrics or {}
            above.append(shares["share_above"])
            below.append(shares["share_below"])
    if held:
        print(
            f"\nThe bounds of 80 % held {sum(held)} of {len(held)} totals ({fmean(held):.0%}). On "
            f"average {fmean(above):.1%} of the customers lay above theirs and {fmean(below):.1%} "
            "below."
        )


def _ledgers() -> Iterator[Rolling]:
    for case, days in (
        (Case("CDNOW, all", CDNOW_ALL, _CDNOW_DAYS[0], 90), _CDNOW_DAYS),
        (Case("Online Retail", ONLINE_RETAIL, _RETAIL_DAYS[-1], 60), _RETAIL_DAYS[::-1]),
        (Case("Marketing analytics", MARKETING_ANALYTICS, _MARKETING_DAYS[0], 365),
         _MARKETING_DAYS),
    ):  # fmt: skip
        if not _is_wanted(case.name):
            continue
        if case.why_not:
            print(f"| {case.name} | left out: {case.why_not} |")
            continue
        origins = tuple(day_of(day) for day in days)
        yield Rolling(case.name, ledger_of(case), origins, case.horizon_days)
    for name, of_world in _WHOLESALERS.items():
        if _is_wanted(name):
            yield _wholesaler(name, *of_world)


def _is_wanted(name: str) -> bool:
    return not sys.argv[1:] or any(part in name for part in sys.argv[1:])


def _wholesaler(title: str, world: World, horizon_days: int, n_windows: int) -> Rolling:
    with tempfile.TemporaryDirectory(prefix="worth-bench-") as name:
        folder = Path(name)
        write_ledger(folder, _WHOLESALER_CUSTOMERS, world=world, has_truth=False)
        ledger = Ledger({table: pq.read_table(folder / f"{table}.parquet") for table in TABLES})
    origins = tuple(world.last_day - n * horizon_days for n in range(n_windows, 0, -1))
    return Rolling(title, ledger, origins, horizon_days)


def _came(rolling: Rolling, origin: int, result: Backtest) -> float:
    outcomes = outcomes_for(
        result.predictions.index,
        rolling.ledger,
        origin=origin,
        days=rolling.horizon_days,
        basis="revenue",
    )
    return float(outcomes["value"].sum())


def _print_row(rolling: Rolling, origin: int, result: Backtest, came: float) -> bool:
    total = result.fitted.bundle.facts["total"]
    is_held = bool(total["lower"] <= came <= total["upper"])
    money = [f"{total[name]:,.0f}" for name in ("lower", "expected", "upper")]
    shares = result.metrics or {}
    row = [
        f"{rolling.name}, {date_of(origin)}, {rolling.horizon_days}",
        *money,
        f"{came:,.0f}",
        f"{total['expected'] / came - 1:+.1%}",
        "yes" if is_held else "NO",
        f"{shares['share_above']:.1%}",
        f"{shares['share_below']:.1%}",
    ]
    print("| " + " | ".join(row) + " |", flush=True)
    return is_held


if __name__ == "__main__":
    main()
