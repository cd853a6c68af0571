"""How long a latent-attrition model takes to fit: ours and lifetimes', side by side.

Run with `python -m benchmarks.fitting`.
"""

import time
import warnings
from collections.abc import Callable
from statistics import median

import numpy as np
import pandas as pd

from models.attrition import BetaGeoModel, ParetoNBDModel

__all__ = ["main"]

_SEED = 1
_REPEATS = 3


def main() -> None:
    """Print the table."""
    print("| fit | customers | worth, s | lifetimes, s | lifetimes / worth |")
    print("|---|---:|---:|---:|---:|")
    for name, n_customers, draw, model, fitter in (
        ("BG/NBD", 1_000_000, _beta_geo_customers, BetaGeoModel, "BetaGeoFitter"),
        ("Pareto/NBD", 100_000, _pareto_customers, ParetoNBDModel, "ParetoNBDFitter"),
    ):
        X = draw(n_customers, np.random.default_rng(_SEED))
        ours = median(_seconds(lambda: model().fit(X)) for _ in range(_REPEATS))  # noqa: B023
        theirs = _seconds(lambda: _fit_lifetimes(fitter, X))  # noqa: B023
        print(f"| {name} | {n_customers:,} | {ours:.2f} | {theirs:.1f} | {theirs / ours:.0f} |")


def _seconds(task: Callable[[], object]) -> float:
    start = time.perf_counter()
    task()
    return time.perf_counter() - start


def _fit_lifetimes(fitter: str, X: pd.DataFrame) -> object:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        import lifetimes

        return getattr(lifetimes, fitter)().fit(X["frequency"], X["recency"], X["T"])


def _beta_geo_customers(n_customers: int, chance: np.random.Generator) -> pd.DataFrame:
    """Draw customers by the BG/NBD model: r .25, alpha 30, a .8, b 2.4; all times differ."""
    T = chance.uniform(1, 700, n_customers)
    rate, p = chance.gamma(0.25, 1 / 30, n_customers), chance.beta(0.8, 2.4, n_customers)
    x, t_x, day = np.zeros((3, n_customers))
    alive = np.ones(n_customers, dtype=bool)
    while alive.any():
        day[alive] += chance.exponential(1 / rate[alive])
        alive &= day < T
        x += alive
        t_x = np.where(alive, day, t_x)
        alive &= chance.random(n_customers) > p
    return pd.DataFrame({"frequency": x, "recency": t_x, "T": T})


def _pareto_customers(n_customers: int, chance: np.random.Generator) -> pd.DataFrame:
    """Draw customers by the Pareto/NBD model: r .55, alpha 75, s .6, beta 80; all times differ."""
    T = chance.uniform(1, 700, n_customers)
    days = np.minimum(T, chance.exponential(1 / chance.gamma(0.6, 1 / 80, n_customers)))
    x = chance.poisson(chance.gamma(0.55, 1 / 75, n_customers) * days)
    t_x = np.where(x > 0, days * chance.random(n_customers) ** (1 / np.maximum(x, 1)), 0.0)
    return pd.DataFrame({"frequency": x, "recency": t_x, "T": T})


if __name__ == "__main__":
    main()
