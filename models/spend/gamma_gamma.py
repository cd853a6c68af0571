"""The Gamma-Gamma model: spend per purchase, shrunk to the company's mean."""

from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from models.base import FloatArray, Model, check_penalties, checked_frame
from models.lifetimes_fit import converged_parameters

__all__ = ["GammaGammaModel"]

# The fallback trusts a customer's own mean as much as the company's after this many purchases; the
# model itself does so after (q - 1) / p, which is 0.44 on CDNOW: one purchase is a cautious round.
_FALLBACK_PURCHASES = 1.0
# At q near 1 the spend has a tail so heavy that p * v / (q - 1) runs away from every mean observed.
_LARGEST_MEAN_RATIO = 5.0


class GammaGammaModel(Model):
    """Gamma-Gamma model of the mean value per purchase [1]_.

    It assumes that

    1. the values of a customer's purchases are gamma distributed with shape p and rate nu;
    2. nu differs between customers by a gamma distribution of shape q and rate v;
    3. the value of a purchase does not depend on how often the customer buys.

    Where the fit fails, or gives no finite population mean (q <= 1), the model is a weighted mean
    of the customer's and the company's purchases and says so. That is as good where customers
    differ little.

    Parameters
    ----------
    penalties : sequence of float
        Weights of a squared penalty on the parameters, each in [0, inf), tried in this order
        until one converges.

    Attributes
    ----------
    p_, q_, v_ : float or None
        Shape of the purchases; shape and rate (money) of nu. In (0, inf), q above 1. None in the
        fallback.
    population_mean_ : float
        Expected value per purchase of a customer of whom nothing is known, in [0, inf).
    prior_purchases_ : float
        Purchases after which the customer's own mean counts half: (q - 1) / p, in (0, inf).
    fallback_ : bool
        Whether this is the weighted mean.
    fallback_reason_ : str or None
        Why, in a sentence.
    penalty_ : float or None
        The penalty that converged; None in the fallback.

    References
    ----------
    .. [1] Fader, P. S. and Hardie, B. G. S. (2013), "The Gamma-Gamma Model of Monetary Value",
       http://www.brucehardie.com/notes/025/.

    Examples
    --------
    >>> customers = pd.DataFrame({"n_purchases": [1, 3], "mean_value": [20.0, 20.0]})
    >>> model = GammaGammaModel().fit(customers)
    >>> model.expected_spend(customers).tolist()
    [20.0, 20.0]
    """

    p_: float | None
    q_: float | None
    v_: float | None
    population_mean_: float
    prior_purchases_: float
    fallback_: bool
    fallback_reason_: str | None
    penalty_: float | None
    _learned: ClassVar[tuple[str, ...]] = (
        *("p_", "q_", "v_", "population_mean_", "prior_purchases_"),
        *("fallback_", "fallback_reason_", "penalty_"),
    )

    def __init__(self, penalties: Sequence[float] = (0.0, 0.001, 0.01, 0.1)) -> None:
        self.penalties = penalties

    def fit(self, X: pd.DataFrame, y: object = None) -> Self:
        """Learn how spend differs between purchases and customers, by maximum likelihood.

        Parameters
        ----------
        X : DataFrame of shape (n_customers, n_columns)
            With columns n_purchases (purchases, in [0, inf)) and mean_value (mean money per
            purchase, in [0, inf), null where unknown). Customers without a positive value are
            left out.
        y : object
            Ignored.

        Returns
        -------
        Self
            The fitted model.

        Raises
        ------
        ValueError
            If X is empty or has impossible values, or a penalty is out of range.
        """
        del y
        check_penalties(self, self.penalties)
        n, mean = _purchases(X, self, at_least=1)
        known = _is_known(n, mean)
        if not known.any():
            return self._fall_back(0.0, "No customer has a purchase of positive value.")
        pooled_mean = float(np.average(mean[known], weights=n[known]))
        if np.ptp(mean[known]) <= 1e-9 * pooled_mean:
            return self._fall_back(pooled_mean, "All customers spend the same per purchase.")
        # Money in units of the mean: starting point and penalties then know no currency.
        converged = converged_parameters(
            "GammaGammaFitter",
            self.penalties,
            accept=_has_plausible_mean,
            frequency=n[known],
            monetary_value=mean[known] / pooled_mean,
        )
        if converged is None:
            reason = f"No penalty of {list(self.penalties)} gave a finite population mean."
            return self._fall_back(pooled_mean, reason)
        p, q, v = (converged.parameters[name] for name in ("p", "q", "v"))
        self.p_, self.q_, self.v_ = p, q, v * pooled_mean
        self.population_mean_ = p * self.v_ / (q - 1)
        self.prior_purchases_ = (q - 1) / p
        self.fallback_, self.fallback_reason_, self.penalty_ = False, None, converged.penalty
        return self

    def expected_spend(self, X: pd.DataFrame) -> FloatArray:
        """Expect each customer's value per purchase.

        Parameters
        ----------
        X : DataFrame of shape (n_customers, n_columns)
            With columns n_purchases and mean_value, as in `fit`.

        Returns
        -------
        array of shape (n_customers,)
            Money, in [0, inf); the population mean where nothing positive is known.
        """
        check_is_fitted(self)
        n, mean = _purchases(X, self)
        # Eq 5 from [1], p.3, with both terms of the weight divided by p.
        own = np.where(_is_known(n, mean), n / (n + self.prior_purchases_), 0.0)
        spend: FloatArray = (1 - own) * self.population_mean_ + own * np.nan_to_num(mean)
        return spend

    def _fall_back(self, population_mean: float, reason: str) -> Self:
        self.p_ = self.q_ = self.v_ = self.penalty_ = None
        self.population_mean_ = population_mean
        self.prior_purchases_ = _FALLBACK_PURCHASES
        self.fallback_, self.fallback_reason_ = True, reason
        return self


def _purchases(X: pd.DataFrame, owner: object, at_least: int = 0) -> tuple[FloatArray, FloatArray]:
    columns = ["n_purchases", "mean_value"]
    frame = checked_frame(X, columns, owner, nullable=["mean_value"], at_least=at_least)
    return frame["n_purchases"].to_numpy(), frame["mean_value"].to_numpy()


def _is_known(n: FloatArray, mean: FloatArray) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    return (n > 0) & (mean > 0)  # false for NaN


def _has_plausible_mean(parameters: dict[str, float]) -> bool:
    """Whether the population mean is finite and near the pooled mean, which is 1 here."""
    p, q, v = (parameters[name] for name in ("p", "q", "v"))
    return q > 1 and 1 / _LARGEST_MEAN_RATIO < p * v / (q - 1) < _LARGEST_MEAN_RATIO
