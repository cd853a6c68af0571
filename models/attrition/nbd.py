"""The NBD model: customers buy at random, at their own rates, and never leave."""

from collections.abc import Callable
from typing import ClassVar, Self

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import digamma, gammaln
from sklearn.utils.validation import check_is_fitted

from models.attrition.history import PurchaseHistory
from models.base import FloatArray, Model, check_horizon

__all__ = ["NBDModel"]

# Standard deviation of the priors on log r and log alpha. It leaves a factor of 18,000 either way
# (95 %), so 2,357 customers move r by less than 0.1 %, yet no ledger drives r or alpha to infinity.
_PRIOR_SD = 5.0
# Bounds on log r and log (alpha / scale): beyond e^12 the gamma functions lose their digits.
_LOG_BOUND = 12.0
# The prior centres alpha on the mean T, but a ledger shorter than this says nothing of a rhythm:
# without it, a company's first day would promise every customer a purchase a day.
_SHORTEST_SCALE_DAYS = 28.0


class NBDModel(Model):
    """Negative binomial model of repeat purchases [1]_.

    It assumes that

    1. while observed, a customer buys at random at rate lambda (a Poisson process);
    2. lambda differs between customers by a gamma distribution of shape r and rate alpha;
    3. nobody ever leaves.

    Where customers do leave, it overrates those long silent: `BetaGeoModel` is then better, and
    falls back to this one where no leaving can be seen. The fit has weak log-normal priors, so
    that it gives finite parameters on any valid data, a ledger without repeat purchases included.

    Attributes
    ----------
    r_ : float
        Shape of the purchase rates, in (0, inf).
    alpha_ : float
        Rate of the purchase rates, in days, in (0, inf).

    References
    ----------
    .. [1] Ehrenberg, A. S. C. (1959), "The Pattern of Consumer Purchases", Applied Statistics 8.

    Examples
    --------
    >>> customers = pd.DataFrame({"frequency": [0, 2], "recency": [0, 30], "T": [90, 40]})
    >>> model = NBDModel().fit(customers)
    >>> once, thrice = model.expected_purchases(customers, horizon_days=30)
    >>> bool(once < thrice)
    True
    """

    r_: float
    alpha_: float
    _learned: ClassVar[tuple[str, ...]] = ("r_", "alpha_")

    def fit(self, X: pd.DataFrame, y: object = None) -> Self:
        """Learn the distribution of purchase rates by penalised maximum likelihood.

        Parameters
        ----------
        X : DataFrame of shape (n_customers, n_columns)
            With columns frequency, recency, T.
        y : object
            Ignored.

        Returns
        -------
        Self
            The fitted model.

        Raises
        ------
        ValueError
            If X is empty or not a purchase history.
        """
        del y
        history = PurchaseHistory.of(X, self, at_least=1).collapsed()
        mean_T = float(np.average(history.T, weights=history.weight))
        scale = max(mean_T, _SHORTEST_SCALE_DAYS)
        bounds = [(-_LOG_BOUND, _LOG_BOUND)] * 2
        loss: Callable[..., tuple[float, FloatArray]] = _loss
        found = minimize(
            loss,
            np.zeros(2),
            args=(history, scale),
            method="L-BFGS-B",
            jac=True,
            bounds=bounds,
            options={"ftol": 1e-14, "gtol": 1e-9, "maxiter": 500},
        )
        self.r_ = float(np.exp(found.x[0]))
        self.alpha_ = float(scale * np.exp(found.x[1]))
        return self

    def expected_purchases(self, X: pd.DataFrame, horizon_days: float) -> FloatArray:
        """Expect each customer's number of purchases within the horizon.

        Parameters
        ----------
        X : DataFrame of shape (n_customers, n_columns)
            With columns frequency, recency, T.
        horizon_days : float
            Days to look ahead, in [0, inf).

        Returns
        -------
        array of shape (n_customers,)
            Purchase days, in [0, inf).
        """
        history = self._history(X, horizon_days)
        return (self.r_ + history.x) / (self.alpha_ + history.T) * horizon_days

    def p_alive(self, X: pd.DataFrame) -> FloatArray:
        """Say that everyone is alive, as this model assumes.

        Parameters
        ----------
        X : DataFrame of shape (n_customers, n_columns)
            With columns frequency, recency, T.

        Returns
        -------
        array of shape (n_customers,)
            Ones.
        """
        return np.ones(len(self._history(X).x))

    def p_no_purchase(self, X: pd.DataFrame, horizon_days: float) -> FloatArray:
        """Give the probability of no purchase within the horizon.

        Parameters
        ----------
        X : DataFrame of shape (n_customers, n_columns)
            With columns frequency, recency, T.
        horizon_days : float
            Days to look ahead, in [0, inf).

        Returns
        -------
        array of shape (n_customers,)
            Probabilities in [0, 1].
        """
        history = self._history(X, horizon_days)
        silence = -np.log1p(horizon_days / (self.alpha_ + history.T))
        return np.exp((self.r_ + history.x) * silence)

    def log_likelihood(self, X: pd.DataFrame) -> float:
        """Sum the log-likelihood over customers, without the priors.

        Parameters
        ----------
        X : DataFrame of shape (n_customers, n_columns)
            With columns frequency, recency, T.

        Returns
        -------
        float
            Comparable with that of the other attrition models, in days.
        """
        history = self._history(X).collapsed()
        return float(history.weight @ _log_likelihood(history, self.r_, self.alpha_))

    def _history(self, X: pd.DataFrame, horizon_days: float = 0.0) -> PurchaseHistory:
        check_is_fitted(self)
        check_horizon(self, horizon_days)
        return PurchaseHistory.of(X, self)


def _log_likelihood(history: PurchaseHistory, r: float, alpha: float) -> FloatArray:
    """Log of Gamma(r + x) / Gamma(r) * alpha^r / (alpha + T)^(r + x), for each row."""
    x, T = history.x, history.T
    likelihood: FloatArray = (
        gammaln(r + x) - gammaln(r) - x * np.log(alpha + T) - r * np.log1p(T / alpha)
    )
    return likelihood


def _loss(theta: FloatArray, history: PurchaseHistory, scale: float) -> tuple[float, FloatArray]:
    """Minus the mean log posterior of theta = (log r, log (alpha / scale)), and its gradient."""
    r, alpha = float(np.exp(theta[0])), float(scale * np.exp(theta[1]))
    x, T, weight = history.x, history.T, history.weight
    by_r = digamma(r + x) - digamma(r) - np.log1p(T / alpha)
    by_alpha = r / alpha - (r + x) / (alpha + T)
    gradient = np.array([r * (weight @ by_r), alpha * (weight @ by_alpha)])
    log_prior = -0.5 * float(theta @ theta) / _PRIOR_SD**2
    value = float(weight @ _log_likelihood(history, r, alpha)) + log_prior
    n = weight.sum()
    return -value / n, -(gradient - theta / _PRIOR_SD**2) / n
