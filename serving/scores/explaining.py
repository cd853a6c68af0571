"""Reasons in money for a score that is published, or for one that is being made."""

from dataclasses import asdict
from functools import lru_cache
from typing import Any

import pandas as pd

from features.ledger import date_of
from features.pipeline import signals_digest
from features.signals.catalogue import CATALOGUE, as_typed
from models.bundle import Bundle
from models.value.discounting import discount_factor
from models.value.explanation import BASE, Explainer, Factor, factors_of, to_cents
from serving.champion import Champion
from serving.signals.computing import SignalValues

__all__ = ["NoReasonsError", "digest_of", "explain", "explain_score"]

_MEANINGS = {name: signal.meaning for name, signal in CATALOGUE.items()}
# The champion, the one before it and a shadow.
_MODELS_KEPT = 4
# Engines add money up in different orders; further apart than this, the rows are others.
_SAME_MONEY, _SAME_SHARE = 0.005, 1e-6


class NoReasonsError(ValueError):
    """Raised where a value cannot be explained; it says why, to be shown in place of reasons."""


def explain_score(row: Any, signals: SignalValues | None, champion: Champion | None) -> Any:
    """Explain a published score.

    Parameters
    ----------
    row : object
        With the columns of `current_scores` as attributes.
    signals : dict of str to float, str or None, or None
        The customer's, as of the score's day; None for one without a purchase.
    champion : Champion or None
        What is loaded.

    Returns
    -------
    dict
        The fields of `Explanation`. They add up to the published value.

    Raises
    ------
    NoReasonsError
        If another model made the score, or it was made from other rows or signals.
    """
    if champion is None:
        raise NoReasonsError("No model is loaded, so there is nothing to ask for reasons.")
    if digest_of(champion.bundle) != row.model_digest:
        raise NoReasonsError(
            f"Version {row.model_version} of the model made this score, and version "
            f"{champion.version} is loaded, whose reasons would be others. They are there again "
            "when the loaded version has scored the customer."
        )
    if row.signals_digest != signals_digest():
        raise NoReasonsError(
            "The score was made from other definitions of the signals than this program computes. "
            "They are there again after the next 'worth score'."
        )
    if signals is None:
        raise NoReasonsError(f"The ledger holds no purchase by {date_of(row.as_of)} any more.")
    factor = discount_factor(row.horizon_days, row.discount_rate)
    now = champion.bundle.forecast_one(signals)["expected_value"] * factor
    if abs(now - row.clv_expected) > _SAME_MONEY + _SAME_SHARE * abs(now):
        raise NoReasonsError(
            f"What the ledger holds up to {date_of(row.as_of)} has changed since this score was "
            "made, and gives another value. Reasons are there again after the next score."
        )
    return explain(row.customer_id, signals, champion, expected=row.clv_expected, factor=factor)


def explain(
    customer_id: str,
    signals: SignalValues,
    champion: Champion,
    *,
    expected: float,
    factor: float,
) -> dict[str, Any]:
    """Explain a value that the champion makes of signals.

    Parameters
    ----------
    customer_id : str
        Who.
    signals : dict of str to float, str or None
        The customer's.
    champion : Champion
        What made the value.
    expected : float
        The value, discounted.
    factor : float
        By which it was.

    Returns
    -------
    dict
        The fields of `Explanation`.

    Raises
    ------
    NoReasonsError
        If the model does not say who is typical.
    """
    explainer = _explainer_of(champion.bundle)
    if explainer is None:
        raise NoReasonsError(
            f"Version {champion.version} of the model does not say who is typical, beside whom "
            "others are explained. 'worth train' makes one that does."
        )
    row = as_typed(pd.DataFrame([{"customer_id": customer_id} | signals]))
    explained = to_cents(explainer.explain(row, factor=factor), [expected]).iloc[0]
    factors = factors_of(explained, signals, _MEANINGS, typical=explainer.reference)
    return {
        "base": float(explained[BASE]),
        "contributions": [_labelled(found) for found in factors],
        "total": round(expected, 2) + 0.0,
    }


def _labelled(factor: Factor) -> dict[str, Any]:
    """Join what the model says of a signal with what people call it."""
    signal = CATALOGUE.get(factor.signal)
    label = (signal.label, signal.label_zh) if signal else ("Other signals", "其他信号")
    return {**asdict(factor), "label": label[0], "label_zh": label[1]}


@lru_cache(maxsize=_MODELS_KEPT)
def digest_of(bundle: Bundle) -> str:
    """Give a bundle's digest, which takes long to find the first time.

    Parameters
    ----------
    bundle : Bundle
        Any.

    Returns
    -------
    str
        "sha256:" and 64 hexadecimal digits.
    """
    return bundle.digest


@lru_cache(maxsize=_MODELS_KEPT)
def _explainer_of(bundle: Bundle) -> Explainer | None:
    """Make a bundle's explainer once: it walks the trees for its reference."""
    state = bundle.facts.get("explainer")
    return Explainer.from_state(bundle.forecaster, state) if state else None
