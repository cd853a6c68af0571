"""Models with known parameters, and histories written by hand."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from models.attrition import AttritionModel

ModelOf = Callable[..., AttritionModel]
Histories = Callable[..., pd.DataFrame]


@pytest.fixture(scope="session")
def model_of() -> ModelOf:
    """Make a fitted model of a class from its parameters, by the paper's symbols."""

    def make(model: type[AttritionModel], **parameters: float) -> AttritionModel:
        learned = {f"{name}_": value for name, value in parameters.items()}
        learned |= {"fallback_": False, "fallback_reason_": None, "log_likelihood_": 0.0}
        return model.from_state({"model": model.__name__, "params": {}, "learned": learned})

    return make


@pytest.fixture(scope="session")
def histories() -> Histories:
    """Make histories from rows of frequency, recency and T."""

    def make(*rows: tuple[float, float, float]) -> pd.DataFrame:
        return pd.DataFrame(rows, columns=["frequency", "recency", "T"], dtype=float)

    return make


@pytest.fixture(scope="session")
def online_retail(shared: Path) -> pd.DataFrame:
    """UCI Online Retail to 2011-09-09, in weeks: nobody is seen to leave."""
    as_of = pd.Timestamp("2011-09-09")
    lines = pd.read_parquet(shared / "online_retail" / "online_retail.parquet")
    lines = lines.dropna(subset="CustomerID")
    lines = lines[(lines["Quantity"] > 0) & (lines["UnitPrice"] > 0)]
    lines["day"] = lines["InvoiceDate"].dt.normalize()
    lines = lines[lines["day"] <= as_of]
    days = lines.groupby("CustomerID")["day"].agg(["nunique", "min", "max"])
    recency, T = days["max"] - days["min"], as_of - days["min"]
    return pd.DataFrame(
        {"frequency": days["nunique"] - 1, "recency": recency.dt.days / 7, "T": T.dt.days / 7}
    )


@pytest.fixture(scope="session")
def cdnow_all(shared: Path) -> pd.DataFrame:
    """All 23,570 customers of CDNOW to 1997-09-30, in weeks."""
    lines = pd.read_parquet(shared / "cdnow" / "cdnow_master.parquet")
    day = (pd.to_datetime(lines["date"]) - pd.Timestamp("1997-09-30")).dt.days
    past = day[day <= 0].groupby(lines["customer_id"])
    days = past.agg(["nunique", "min", "max"])
    return pd.DataFrame(
        {
            "frequency": days["nunique"] - 1.0,
            "recency": (days["max"] - days["min"]) / 7,
            "T": -days["min"] / 7,
        }
    )
