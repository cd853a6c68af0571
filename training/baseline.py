"""The baseline without any model: what happened last time happens again."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from features.ledger import Ledger
from training.panel import ValueBasis, outcomes_for, signals_of

__all__ = ["naive_forecast"]


def naive_forecast(
    ledger: Ledger, signals: pd.DataFrame, *, origin: int, days: int, basis: ValueBasis
) -> pd.DataFrame:
    """Forecast that each customer repeats the last `days`, and churns by how long they are silent.

    Parameters
    ----------
    ledger : Ledger
        The clean tables. Rows after `origin` are not looked at.
    signals : DataFrame of shape (n_customers, n_signals)
        As known on `origin`.
    origin : int
        The last day known, in days since 1970-01-01.
    days : int
        How far to forecast, and how far to look back.
    basis : {"gross_margin", "revenue"}
        What value counts.

    Returns
    -------
    DataFrame of shape (n_customers, 3), indexed like `signals`
        Columns expected_purchases, churn_probability and expected_value.
    """
    last_window = outcomes_for(signals.index, ledger, origin=origin - days, days=days, basis=basis)
    return pd.DataFrame(
        {
            "expected_purchases": last_window["purchases"],
            "churn_probability": _churn_by_silence(ledger, signals, origin, days, basis),
            "expected_value": last_window["value"],
        }
    )


def _churn_by_silence(
    ledger: Ledger, signals: pd.DataFrame, origin: int, days: int, basis: ValueBasis
) -> NDArray[np.float64]:
    """Learn from the last window how silence and churn go together."""
    before = signals_of(ledger, origin - days, columns=["days_since_last_purchase"])
    came = outcomes_for(before.index, ledger, origin=origin - days, days=days, basis=basis)
    lapsed = (came["purchases"] == 0).to_numpy()
    is_mixed = lapsed.any() and not lapsed.all()
    model = LogisticRegression().fit(_silence(before), lapsed) if is_mixed else None
    if model is None or model.coef_[0, 0] <= 0:
        # Too little to learn from: as likely as not after a silence as long as the window.
        silent_days = signals["days_since_last_purchase"].to_numpy(dtype=float)
        return np.asarray(silent_days / (silent_days + days))
    return np.asarray(model.predict_proba(_silence(signals))[:, 1])


def _silence(signals: pd.DataFrame) -> NDArray[np.float64]:
    days = signals[["days_since_last_purchase"]].to_numpy(dtype=float)
    return np.asarray(np.log1p(days))
