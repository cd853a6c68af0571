"""Tournaments made by hand, for what their figures alone decide."""

from collections.abc import Callable, Mapping, Sequence

import pandas as pd
import pyarrow.parquet as pq
import pytest

from features.ledger import Ledger
from features.schema import TABLES
from simulation import write_ledger
from training.panel import Panel
from training.plan import Plan
from training.tournament import BASELINE, Entry, Tournament, Trial

AS_OF = 20_000
_CAME = pd.DataFrame(
    {"purchases": [2.0, 0.0, 1.0, 0.0] * 100, "value": [30.0, 0.0, 10.0, 0.0] * 100}
)
_USUAL = {"value_tweedie": 1.0, "value_gini": 0.5, "churn_log_loss": 0.5, "purchases_poisson": 1.0}

# How many days ago a forecast was made, and by what factor more came than it said.
Window = tuple[int, float]


def _trial(window: Window, names: Sequence[str], window_days: int) -> Trial:
    days_ago, factor = window
    forecast = pd.DataFrame(
        {
            "expected_value": _CAME["value"] / factor,
            "expected_purchases": _CAME["purchases"] / factor,
            "churn_probability": 0.5,
        }
    )
    test = Panel(AS_OF - days_ago, window_days, _CAME[[]], _CAME.copy())
    return Trial(test, dict.fromkeys(names, forecast), {})


@pytest.fixture(scope="session")
def wholesaler(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    """A small company with all five tables."""
    folder = tmp_path_factory.mktemp("wholesaler")
    write_ledger(folder, 400, seed=3, has_truth=False)
    return Ledger({name: pq.read_table(folder / f"{name}.parquet") for name in TABLES})


@pytest.fixture(scope="session")
def tournament_of() -> Callable[..., Tournament]:
    """Make a tournament from its windows and what sets the figures of its entries apart."""

    def make(
        *windows: Window,
        figures: Mapping[str, Mapping[str, float]] | None = None,
        window_days: int = 90,
        horizon_days: int = 90,
    ) -> Tournament:
        entries = [
            Entry(
                name,
                {} if name == BASELINE else dict.fromkeys(name.split(" + "), 1.0),
                _USUAL | (figures or {}).get(name, {}),
            )
            for name in dict.fromkeys([BASELINE, *(figures or {"pareto_nbd": {}})])
        ]
        names = [entry.name for entry in entries]
        origins = tuple(AS_OF - days_ago for days_ago, _ in windows)
        plan = Plan(AS_OF, horizon_days, window_days, origins, origins)
        trials = tuple(_trial(window, names, window_days) for window in windows)
        return Tournament(plan, trials, tuple(entries), "pareto_nbd", ())

    return make
