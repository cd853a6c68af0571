"""From signals to scores: of everyone in a batch, or of a few customers inside a request."""

from collections.abc import Mapping

import pandas as pd

from features.pipeline import signals_digest
from models.tier import Policy
from models.value.discounting import discount_factor
from serving.champion import Champion

__all__ = [
    "ScoringError",
    "forecast_customer",
    "forecast_customers",
    "score_customers",
    "tier_values",
]

# Columns of the forecast that are money to come, by their names in a score.
_DISCOUNTED: Mapping[str, str] = {
    "clv_expected": "expected_value",
    "clv_lower": "value_lower",
    "clv_upper": "value_upper",
    "clv_median": "value_median",
    "clv_low": "value_low",
    "clv_high": "value_high",
}


class ScoringError(ValueError):
    """Raised where a model cannot score what this program computes."""


def forecast_customers(
    signals: pd.DataFrame, champion: Champion, *, discount_rate: float
) -> pd.DataFrame:
    """Forecast customers by their signals, as a score tells it; their tier comes after.

    Parameters
    ----------
    signals : DataFrame of shape (n_customers, n_signals), indexed by customer_id
        Of those who may be scored.
    champion : Champion
        The model.
    discount_rate : float
        Annual, for what is to come.

    Returns
    -------
    DataFrame of shape (n_customers, 11), indexed by customer_id
        The columns of the table `scores`, without set_id, tier and tier_since; money discounted.

    Raises
    ------
    ScoringError
        If the model learned from other definitions of the signals.
    """
    facts = champion.bundle.facts
    _check_signals(champion)
    forecast = champion.bundle.forecast(signals)
    factor = discount_factor(facts["horizon_days"], discount_rate)
    columns = {
        "historic_value": signals[facts["value_basis"]],
        "expected_purchases": forecast["expected_purchases"],
        "p_alive": forecast["p_alive"],
        "churn_probability": forecast["churn_probability"],
        "days_since_last_purchase": signals["days_since_last_purchase"].astype("int32"),
    }
    money = {name: forecast[column] * factor for name, column in _DISCOUNTED.items()}
    return pd.DataFrame(columns | money)


def forecast_customer(
    signals: Mapping[str, float | str | None], champion: Champion, *, discount_rate: float
) -> dict[str, float | int | None]:
    """Forecast one customer, as `forecast_customers` does for a row of their signals, but sooner.

    Parameters
    ----------
    signals : mapping of str to float, str or None
        The customer's.
    champion : Champion
        The model.
    discount_rate : float
        Annual, for what is to come.

    Returns
    -------
    dict of str to float, int or None
        By column of `forecast_customers`.

    Raises
    ------
    ScoringError
        If the model learned from other definitions of the signals.
    """
    facts = champion.bundle.facts
    _check_signals(champion)
    forecast = champion.bundle.forecast_one(signals)
    factor = discount_factor(facts["horizon_days"], discount_rate)
    days = signals["days_since_last_purchase"]
    assert isinstance(days, float)  # every customer with signals has bought
    historic = signals[facts["value_basis"]]
    return {
        "historic_value": historic if isinstance(historic, float) else None,
        "expected_purchases": forecast["expected_purchases"],
        "p_alive": forecast["p_alive"],
        "churn_probability": forecast["churn_probability"],
        "days_since_last_purchase": int(days),
        **{name: forecast[column] * factor for name, column in _DISCOUNTED.items()},
    }


def _check_signals(champion: Champion) -> None:
    if champion.bundle.facts["signals_digest"] != signals_digest():
        raise ScoringError(
            f"Version {champion.version} of the model learned from other definitions of the "
            "signals than this program computes. 'worth train' makes one that fits."
        )


def score_customers(
    signals: pd.DataFrame, champion: Champion, *, discount_rate: float, policy: Policy
) -> pd.DataFrame:
    """Score all customers of a company by their signals.

    Parameters
    ----------
    signals : DataFrame of shape (n_customers, n_signals), indexed by customer_id
        Of those who may be scored.
    champion : Champion
        The model.
    discount_rate : float
        Annual, for what is to come.
    policy : Policy
        What makes a tier.

    Returns
    -------
    DataFrame of shape (n_customers, 12), indexed by customer_id
        The columns of the table `scores`, without set_id and tier_since.

    Raises
    ------
    ScoringError
        If the model learned from other definitions of the signals.
    """
    scores = forecast_customers(signals, champion, discount_rate=discount_rate)
    value = tier_values(signals, scores, policy)
    return scores.assign(tier=policy.assign(value.to_frame(policy.value_column)))


def tier_values(signals: pd.DataFrame, scores: pd.DataFrame, policy: Policy) -> pd.Series:
    """Take what a tier is made of.

    Parameters
    ----------
    signals : DataFrame of shape (n_customers, n_signals), indexed by customer_id
        The customers'.
    scores : DataFrame of shape (n_customers, n_columns), indexed like signals
        With the column clv_expected.
    policy : Policy
        What makes a tier.

    Returns
    -------
    Series of shape (n_customers,)
        Money; where the policy goes by expected value, as it is published: discounted.
    """
    if policy.value_column == "expected_value":
        return scores["clv_expected"]
    return signals[policy.value_column]
