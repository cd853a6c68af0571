"""Try a model before it serves: on a few customers, their forecasts must be what can be."""

from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa

from features.ledger import EmptyLedgerError
from features.pipeline import signals_digest
from features.signals.catalogue import as_typed
from models.bundle import Bundle
from serving.store import Store
from serving.store.tables import LEDGER

__all__ = ["TrialError", "try_bundle"]

# Enough to try what is there, too few to be noticed.
_CUSTOMERS = 8
_EXPECTED = ["expected_purchases", "p_alive", "churn_probability", "expected_value"]
_SHARES = ["p_alive", "churn_probability"]
_LOWER, _UPPER = ["value_low", "value_lower"], ["value_high", "value_upper"]


class TrialError(ValueError):
    """Raised where a model is not fit to serve."""


def try_bundle(store: Store, bundle: Bundle) -> None:
    """Let a model forecast a few customers of the ledger, or the typical one it knows itself.

    Parameters
    ----------
    store : Store
        With the ledger; where it is empty, the model's own reference is forecast.
    bundle : Bundle
        The model.

    Raises
    ------
    TrialError
        If it learned from other signals than this program computes, fails, or forecasts what
        cannot be.
    """
    if bundle.facts.get("signals_digest") != signals_digest():
        raise TrialError(
            "it learned from other definitions of the signals than this program computes; "
            "'worth train' makes one that fits"
        )
    signals = _signals_of_some(store)
    if signals is None:
        signals = _reference(bundle)
    if signals is None:
        return
    try:
        forecast = bundle.forecast(signals)
    except (ValueError, KeyError, ArithmeticError) as error:
        raise TrialError(f"it cannot forecast customers of the ledger: {error}") from None
    _check(forecast)


def _check(forecast: pd.DataFrame) -> None:
    if not np.isfinite(forecast[_EXPECTED].to_numpy(dtype=float)).all():
        raise TrialError("it forecasts no numbers for customers of the ledger")
    shares = forecast[_SHARES].to_numpy(dtype=float)
    if ((shares < 0) | (shares > 1)).any():
        raise TrialError("it forecasts probabilities outside 0 and 1")
    if (forecast["expected_purchases"] < 0).any():
        raise TrialError("it forecasts fewer purchases than none")
    # Unknown, and so neither above nor below, where nothing is known of how sure the forecast is.
    lower, upper = (forecast[bounds].to_numpy(dtype=float) for bounds in (_LOWER, _UPPER))
    if (lower > upper).any():
        raise TrialError("its lower bounds of value lie above the upper ones")


def _signals_of_some(store: Store) -> pd.DataFrame | None:
    """Compute the signals of a few customers, as a request would."""
    try:
        day = store.last_day()
    except EmptyLedgerError:
        return None
    who = LEDGER["order_lines"].c.customer_id
    some = sa.select(who).distinct().order_by(who).limit(_CUSTOMERS)
    with store.reading() as connection:
        ids = connection.execute(some).scalars().all()
        driver = store.driver(connection)
        ask = _engine(connection.dialect.name).signals_of
        found = {one: ask(driver, one, day) for one in ids}
    rows = [{"customer_id": one} | values for one, values in found.items() if values is not None]
    return as_typed(pd.DataFrame(rows)) if rows else None


def _engine(dialect: str) -> Any:
    if dialect == "postgresql":
        from features.engines import postgres

        return postgres
    from features.engines import sqlite

    return sqlite


def _reference(bundle: Bundle) -> pd.DataFrame | None:
    """Take the typical customer whom the bundle explains others by; older ones know none."""
    state = bundle.facts.get("explainer") or {}
    reference = state.get("reference")
    return None if reference is None else pd.DataFrame([reference], dtype="float64")
