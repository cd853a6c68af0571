"""Value from latent attrition: purchases to come, times spend, times value per unit of spend."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd

from models.attrition import ATTRITION_MODELS, AttritionModel
from models.attrition.history import HISTORY_COLUMNS
from models.base import FloatArray, Model, check_horizon, check_parameter, checked_columns
from models.columns import Columns, Signals
from models.estimator import check_is_fitted
from models.spend.gamma_gamma import GammaGammaModel

__all__ = ["LatentValueModel"]

VALUE_COLUMNS = ("revenue", "gross_margin")
_SPEND_COLUMNS = {"n_purchase_days": "n_purchases", "mean_purchase_revenue": "mean_value"}


class LatentValueModel(Model):
    """Expected value over a horizon: a model of attrition for purchases, Gamma-Gamma for spend.

    It assumes what its model of attrition and `GammaGammaModel` assume, and that

    1. the first purchase day is worth what later ones are: spend is fitted on all of them;
    2. the value of a unit of purchase revenue (what is left after returns, or after the cost of
       the goods) stays as it was: the customer's own rate, shrunk to the company's with the
       weight of one mean customer's purchase revenue.

    Parameters
    ----------
    value_column : {"revenue", "gross_margin"}
        What value is: revenue net of returns, or gross margin. Money, may be null for some.
    attrition : str
        Which model of attrition, by its name in `models.attrition.ATTRITION_MODELS`.

    Attributes
    ----------
    attrition_ : AttritionModel
        How customers buy and leave.
    spend_ : GammaGammaModel
        What they spend per purchase day.
    rate_ : float
        The company's value per unit of purchase revenue.
    prior_revenue_ : float
        Purchase revenue at which a customer's own rate counts half, in money.

    Examples
    --------
    >>> customers = pd.DataFrame(
    ...     {"frequency": [0, 1], "recency": [0, 30], "T": [90, 40], "n_purchase_days": [1, 2],
    ...      "mean_purchase_revenue": [10.0, 10.0], "purchase_revenue": [10.0, 20.0],
    ...      "revenue": [10.0, 14.0]},
    ...     index=["C-1", "C-2"],
    ... )
    >>> model = LatentValueModel().fit(customers)
    >>> model.rate_
    0.8
    >>> model.forecast(customers, horizon_days=90).columns.tolist()
    ['expected_purchases', 'p_alive', 'churn_probability', 'expected_value']
    """

    attrition_: AttritionModel
    spend_: GammaGammaModel
    rate_: float
    prior_revenue_: float
    _learned = ("rate_", "prior_revenue_")

    def __init__(self, value_column: str = "revenue", attrition: str = "pareto_nbd") -> None:
        self.value_column = value_column
        self.attrition = attrition

    @property
    def required_columns(self) -> tuple[str, ...]:
        """The signals needed, in no special order."""
        return (*HISTORY_COLUMNS, *_SPEND_COLUMNS, "purchase_revenue", self.value_column)

    def fit(self, X: pd.DataFrame, y: object = None) -> Self:
        """Learn purchases, spend and the value of spend.

        Parameters
        ----------
        X : DataFrame of shape (n_customers, n_columns)
            With the columns `required_columns`: frequency, recency, T (days), n_purchase_days
            (the first included), mean_purchase_revenue (per purchase day, before returns),
            purchase_revenue (the sum, before returns) and the value column.
        y : object
            Ignored.

        Returns
        -------
        Self
            The fitted model.

        Raises
        ------
        ValueError
            If X is empty, lacks a column or has impossible values, or the value is null for all.
        """
        del y
        rule = f"one of {list(VALUE_COLUMNS)}"
        holds = self.value_column in VALUE_COLUMNS
        check_parameter(self, "value_column", self.value_column, rule=rule, holds=holds)
        rule = f"one of {list(ATTRITION_MODELS)}"
        holds = self.attrition in ATTRITION_MODELS
        check_parameter(self, "attrition", self.attrition, rule=rule, holds=holds)
        signals = self._signals(X, at_least=1)
        value = signals[self.value_column]
        unknown = np.isnan(value)
        if unknown.all():
            raise ValueError(f"{self.value_column} is null for all {len(X):,} customers.")
        bought = signals["purchase_revenue"]
        known = bought[~unknown].sum()
        self.rate_ = float(np.nansum(value) / known) if known > 0 else 1.0
        self.prior_revenue_ = float(bought.mean())
        self.attrition_ = ATTRITION_MODELS[self.attrition]().fit(signals)
        self.spend_ = GammaGammaModel().fit(signals.renamed(_SPEND_COLUMNS))
        return self

    def forecast(self, X: pd.DataFrame, horizon_days: float) -> pd.DataFrame:
        """Expect what each customer does and is worth within the horizon.

        Parameters
        ----------
        X : DataFrame of shape (n_customers, n_columns)
            With the columns `required_columns`.
        horizon_days : float
            Days to look ahead, in [0, inf).

        Returns
        -------
        DataFrame of shape (n_customers, 4), indexed like X
            Columns expected_purchases (purchase days), p_alive, churn_probability (of no purchase
            within the horizon, in [0, 1]) and expected_value (money, not discounted).
        """
        return pd.DataFrame(self.expect(X, [horizon_days])[horizon_days], index=X.index)

    def expect(self, X: Signals, horizons: Sequence[float]) -> dict[float, dict[str, FloatArray]]:
        """Expect as `forecast` does, in arrays, within several horizons.

        Parameters
        ----------
        X : DataFrame of shape (n_customers, n_columns), or Columns
            With the columns `required_columns`.
        horizons : sequence of float
            Days to look ahead, each in [0, inf).

        Returns
        -------
        dict of float to dict of str to array of shape (n_customers,)
            By horizon and column.
        """
        check_is_fitted(self)
        for days in horizons:
            check_horizon(self, days)
        signals = self._signals(X)
        outlook = self.attrition_.outlook(signals)
        spend, rate = self._unit_value(signals)
        found = {}
        for days in horizons:
            horizon = np.full(len(signals), float(days))
            purchases = outlook.expected_purchases(horizon)
            found[days] = {
                "expected_purchases": purchases,
                "p_alive": outlook.p_alive,
                "churn_probability": outlook.p_no_purchase(horizon),
                "expected_value": purchases * spend * rate,
            }
        return found

    def draw(
        self, X: pd.DataFrame, horizon_days: float, *, n_draws: int, random_state: int
    ) -> tuple[FloatArray, FloatArray]:
        """Draw what customers may do within the horizon, from the posterior predictive.

        Parameters
        ----------
        X : DataFrame of shape (n_customers, n_columns)
            With the columns `required_columns`.
        horizon_days : float
            Days to look ahead, in [0, inf).
        n_draws : int
            Draws per customer, 1 or more.
        random_state : int
            Seed.

        Returns
        -------
        tuple of two arrays of shape (n_customers, n_draws)
            Purchase days, and value (money).
        """
        check_is_fitted(self)
        check_horizon(self, horizon_days)
        signals = self._signals(X)
        chance = np.random.default_rng(random_state)
        purchases = self.attrition_.draw_purchases(
            signals, horizon_days, n_draws=n_draws, random_state=chance
        )
        spend = self.spend_.draw_spend(
            signals.renamed(_SPEND_COLUMNS), purchases, random_state=chance
        )
        return purchases.astype(float), spend * self._value_rate(signals)[:, None]

    def value_rate(self, X: Signals) -> FloatArray:
        """Value each customer's unit of purchase revenue, shrunk to the company's rate.

        Parameters
        ----------
        X : DataFrame of shape (n_customers, n_columns)
            With the columns `required_columns`.

        Returns
        -------
        array of shape (n_customers,)
            Value per unit of purchase revenue; the company's where the customer's is null.
        """
        check_is_fitted(self)
        return self._value_rate(self._signals(X))

    def unit_value(self, X: Signals) -> tuple[FloatArray, FloatArray]:
        """Value each customer's purchase: what is spent, and the value of a unit of it.

        Parameters
        ----------
        X : DataFrame of shape (n_customers, n_columns), or Columns
            With the columns `required_columns`.

        Returns
        -------
        (array of shape (n_customers,), array of shape (n_customers,))
            Expected spend per purchase, in money, and `value_rate`.
        """
        check_is_fitted(self)
        return self._unit_value(self._signals(X))

    def to_state(self) -> dict[str, Any]:
        """Write the fitted model as data that JSON can hold.

        Returns
        -------
        dict
            As `Model.to_state`, and keys attrition and spend with the states of the parts.
        """
        state = super().to_state()
        return state | {"attrition": self.attrition_.to_state(), "spend": self.spend_.to_state()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Restore a fitted model from what `to_state` wrote.

        Parameters
        ----------
        state : mapping
            Result of `to_state`, straight or read back from JSON.

        Returns
        -------
        Self
            A fitted model that predicts exactly what the original did.
        """
        model = super().from_state(state)
        model.attrition_ = ATTRITION_MODELS[model.attrition].from_state(state["attrition"])
        model.spend_ = GammaGammaModel.from_state(state["spend"])
        return model

    def _signals(self, X: Signals, at_least: int = 0) -> Columns:
        return checked_columns(
            X,
            self.required_columns,
            self,
            nullable=["mean_purchase_revenue", self.value_column],
            signed=[self.value_column],
            at_least=at_least,
        )

    def _unit_value(self, signals: Columns) -> tuple[FloatArray, FloatArray]:
        spend = self.spend_.expected_spend(signals.renamed(_SPEND_COLUMNS))
        return spend, self._value_rate(signals)

    def _value_rate(self, signals: Columns) -> FloatArray:
        value = signals[self.value_column]
        weight = signals["purchase_revenue"] + self.prior_revenue_
        own = value + self.prior_revenue_ * self.rate_
        known = ~np.isnan(value) & (weight > 0)
        rate = np.full(len(signals), self.rate_)
        rate[known] = own[known] / weight[known]
        return rate
