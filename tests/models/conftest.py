"""Customers that several model tests share."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest


def _data_of_lifetimes() -> Path:
    """Find it without an import: lifetimes warns then, and its datasets need pkg_resources."""
    package = find_spec("lifetimes")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).parent / "datasets"


_CDNOW = _data_of_lifetimes()


@pytest.fixture(scope="session")
def cdnow() -> pd.DataFrame:
    """The 2,357 customers of the BG/NBD paper, time in weeks."""
    names = {"x": "frequency", "t_x": "recency", "zbar": "monetary_value"}
    summary = _CDNOW / "cdnow_customers_summary_with_transactions.csv"
    return pd.read_csv(summary, index_col="ID").rename(columns=names)


@pytest.fixture(scope="session")
def cdnow_days() -> pd.DataFrame:
    """Their days with a purchase to the end of June 1998, in days since 1970-01-01."""
    lines = pd.read_csv(_CDNOW / "CDNOW_sample.txt", sep=r"\s+", header=None, usecols=[1, 2])
    day = pd.to_datetime(lines[2].astype("str"), format="%Y%m%d") - pd.Timestamp(0)
    days = pd.DataFrame({"customer_id": lines[1], "day": day.dt.days})
    return days.drop_duplicates()


@pytest.fixture(scope="session")
def signals() -> pd.DataFrame:
    """Customers drawn from the model's own assumptions, with all signals it needs."""
    return simulated_signals(600, seed=1)


def simulated_signals(n_customers: int, seed: int) -> pd.DataFrame:
    chance = np.random.default_rng(seed)
    rate, dropout = chance.gamma(0.8, 1 / 40, n_customers), chance.beta(1.0, 4.0, n_customers)
    rows = [_history(chance, *customer) for customer in zip(rate, dropout, strict=True)]
    frame = pd.DataFrame(rows, columns=["frequency", "recency", "T"])
    frame.index = pd.Index([f"C-{i:04}" for i in range(n_customers)], name="customer_id")
    frame["n_purchase_days"] = frame["frequency"] + 1
    frame["mean_purchase_revenue"] = chance.gamma(6.0, 4 / chance.gamma(4.0, 1.0, n_customers))
    frame["purchase_revenue"] = frame["n_purchase_days"] * frame["mean_purchase_revenue"]
    frame["revenue"] = frame["purchase_revenue"] * chance.uniform(0.8, 1.0, n_customers)
    frame["gross_margin"] = (0.4 * frame["revenue"]).where(chance.random(n_customers) > 0.1)
    return frame


def _history(
    chance: np.random.Generator, rate: float, dropout: float
) -> tuple[float, float, float]:
    T, day, days = float(chance.integers(1, 400)), 0.0, set()
    while (day := day + chance.exponential(1 / rate)) < T:
        days.add(np.ceil(day))
        if chance.random() < dropout:
            break
    return len(days), max(days, default=0.0), T
