"""The Gamma-Gamma model: spend per purchase, shrunk to the company's mean."""

from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
from scipy.special import digamma, gammaln

from models.base import FloatArray, Model, check_parameter, checked_columns
from models.columns import Signals
from models.estimation import Likelihood, Score, maximise
from models.estimator import check_is_fitted

__all__ = ["GammaGammaModel"]

# The fallback trusts a customer's own mean as much as the company's after this many purchases; the
# model itself does so after (q - 1) / p, which is 0.44 on CDNOW: one purchase is a cautious round.
_FALLBACK_PURCHASES = 1.0
# Three parameters are not to be had from two customers.
_FEWEST_BUYERS = 3
# At q near 1 the spend has a tail so heavy that p * v / (q - 1) runs away from every mean observed.
_LARGEST_MEAN_RATIO = 5.0
# Logs of p, q and v to start from, money in units of the mean: the mean is 1 at each.
_STARTS = ((0.0, 1.0986, 0.6931), (2.0, 1.3863, -0.9014), (-1.0, 1.0986, 1.6931))


class GammaGammaModel(Model):
    """Gamma-Gamma model of the mean value per purchase [1]_.

    It assumes that

    1. the values of a customer's purchases are gamma distributed with shape p and rate nu;
    2. nu differs between customers by a gamma distribution of shape q and rate v;
    3. the value of a purchase does not depend on how often the customer buys.

    Where there is too little to fit, or no finite population mean (q <= 1), the model is a
    weighted mean of the customer's and the company's purchases and says so. That is as good where
    customers differ little.

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
    log_likelihood_ : float or None
        Summed over the buyers of the fit, without the priors; None in the fallback.

    References
    ----------
    .. [1] Fader, P. S. and Hardie, B. G. S. (2013), "The Gamma-Gamma Model of Monetary Value",
       http://www.brucehardie.com/notes/025/.

    Examples
    --------
    >>> import pandas as pd
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
    log_likelihood_: float | None
    _learned: ClassVar[tuple[str, ...]] = (
        *("p_", "q_", "v_", "population_mean_", "prior_purchases_"),
        *("fallback_", "fallback_reason_", "log_likelihood_"),
    )

    def fit(self, X: Signals, y: object = None) -> Self:
        """Learn how spend differs between purchases and customers, by maximum likelihood.

        Parameters
        ----------
        X : DataFrame of shape (n_customers, n_columns), or Columns
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
            If X is empty or has impossible values.
        """
        del y
        n, mean = _buyers(*_purchases(X, self, at_least=1))
        if not len(n):
            return self._fall_back(0.0, "No customer has a purchase of positive value.")
        # Money in units of the mean: starting points and priors then know no currency.
        pooled_mean = float(np.average(mean, weights=n))
        if np.ptp(mean) <= 1e-9 * pooled_mean:
            return self._fall_back(pooled_mean, "All customers spend the same per purchase.")
        if len(n) < _FEWEST_BUYERS:
            reason = f"Three buyers or more are needed to fit. Found {len(n)}."
            return self._fall_back(pooled_mean, reason)
        share = np.maximum(mean / pooled_mean, np.finfo(float).tiny)  # which may round to 0
        found = maximise(_likelihood(n, share), _STARTS)
        p, q, v = found.parameters.tolist()
        population_mean = p * v / (q - 1) if q > 1 else np.inf
        if not 1 / _LARGEST_MEAN_RATIO < population_mean < _LARGEST_MEAN_RATIO:
            return self._fall_back(
                pooled_mean,
                f"The spend has no finite mean near the one observed: q is {q:.3g}, "
                "and must be well above 1.",
            )
        self.p_, self.q_, self.v_ = p, q, v * pooled_mean
        self.population_mean_ = population_mean * pooled_mean
        self.prior_purchases_ = (q - 1) / p
        self.fallback_, self.fallback_reason_ = False, None
        self.log_likelihood_ = found.log_likelihood - len(n) * float(np.log(pooled_mean))
        return self

    def log_likelihood(self, X: Signals) -> float:
        """Sum the log-likelihood over customers with a positive value, without the priors.

        Parameters
        ----------
        X : DataFrame of shape (n_customers, n_columns), or Columns
            With columns n_purchases and mean_value, as in `fit`.

        Returns
        -------
        float
            Minus infinity in the fallback, which is no distribution.
        """
        check_is_fitted(self)
        if self.p_ is None or self.q_ is None or self.v_ is None:
            return -np.inf
        n, mean = _buyers(*_purchases(X, self))
        return _score(n, mean, np.array([self.p_, self.q_, self.v_]))[0]

    def expected_spend(self, X: Signals) -> FloatArray:
        """Expect each customer's value per purchase.

        Parameters
        ----------
        X : DataFrame of shape (n_customers, n_columns), or Columns
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

    def expected_spend_new(self) -> float:
        """Expect the value per purchase of a customer not seen before.

        Returns
        -------
        float
            Money, in [0, inf).
        """
        check_is_fitted(self)
        return self.population_mean_

    def draw_spend(
        self,
        X: Signals,
        n_purchases: npt.ArrayLike,
        random_state: int | np.random.Generator | None = None,
    ) -> FloatArray:
        """Draw the total value of purchases to come, given the parameters and the history.

        Given the history, nu is gamma(q + p n, v + n z), and the sum of m purchases is
        gamma(p m, nu). In the fallback nothing is known of the spread: each purchase is worth
        what `expected_spend` says.

        Parameters
        ----------
        X : DataFrame of shape (n_customers, n_columns), or Columns
            With columns n_purchases and mean_value, as in `fit`.
        n_purchases : int or array of shape (n_customers,) or (n_customers, n_draws)
            Purchases to come, 0 or more.
        random_state : int, Generator or None
            Seed.

        Returns
        -------
        array of shape (n_customers,) or (n_customers, n_draws)
            Money, in [0, inf); 0 without a purchase. Every number is a draw of its own.
        """
        check_is_fitted(self)
        n, mean = _purchases(X, self)
        to_come = np.asarray(n_purchases, dtype=float)
        rule = "one row per customer of numbers in the range [0, inf)"
        holds = to_come.shape[:1] in {(), (len(n),)} and bool(np.all(to_come >= 0))
        check_parameter(self, "n_purchases", n_purchases, rule=rule, holds=holds)
        to_come = np.broadcast_to(to_come, to_come.shape or n.shape)
        column = (slice(None),) + (None,) * (to_come.ndim - 1)
        if self.p_ is None or self.q_ is None or self.v_ is None:
            return to_come * self.expected_spend(X)[column]
        known = _is_known(n, mean)
        shape = self.q_ + self.p_ * np.where(known, n, 0.0)
        rate = self.v_ + np.where(known, n * np.nan_to_num(mean), 0.0)
        chance = np.random.default_rng(random_state)
        nu = chance.standard_gamma(shape[column], size=to_come.shape) / rate[column]
        total = chance.standard_gamma(self.p_ * to_come)
        spend: FloatArray = total / np.maximum(nu, np.finfo(float).tiny)
        return spend

    def _fall_back(self, population_mean: float, reason: str) -> Self:
        self.p_ = self.q_ = self.v_ = self.log_likelihood_ = None
        self.population_mean_ = population_mean
        self.prior_purchases_ = _FALLBACK_PURCHASES
        self.fallback_, self.fallback_reason_ = True, reason
        return self


def _purchases(X: Signals, owner: object, at_least: int = 0) -> tuple[FloatArray, FloatArray]:
    columns = ["n_purchases", "mean_value"]
    found = checked_columns(X, columns, owner, nullable=["mean_value"], at_least=at_least)
    return found["n_purchases"], found["mean_value"]


def _is_known(n: FloatArray, mean: FloatArray) -> npt.NDArray[np.bool_]:
    return (n > 0) & (mean > 0)  # false for NaN


def _buyers(n: FloatArray, mean: FloatArray) -> tuple[FloatArray, FloatArray]:
    known = _is_known(n, mean)
    return n[known], mean[known]


def _likelihood(n: FloatArray, mean: FloatArray) -> Likelihood:
    def sample(step: int) -> tuple[float, Score]:
        some_n, some_mean = n[::step].copy(), mean[::step].copy()
        return float(len(some_n)), lambda natural: _score(some_n, some_mean, natural)

    return Likelihood(len(n), sample)


def _score(n: FloatArray, mean: FloatArray, natural: FloatArray) -> tuple[float, FloatArray]:
    """Log-likelihood of Eq 1a from [1], p.2, and its derivatives by p, q and v."""
    p, q, v = natural.tolist()
    # Gamma functions are dear, and customers share their n.
    distinct, of_row = np.unique(n, return_inverse=True)
    customers = np.bincount(of_row)
    pn = p * distinct
    ways = gammaln(pn + q) - gammaln(pn) - gammaln(q)
    own = np.log(n) + np.log(mean) - np.log(v)  # log of n z / v
    share, rest = -np.logaddexp(0.0, -own), -np.logaddexp(0.0, own)
    more = digamma(pn + q)
    by_p = customers @ (distinct * (more - digamma(pn))) + n @ share
    by_q = customers @ (more - digamma(q)) + rest.sum()
    by_v = (q * np.exp(share) - p * n * np.exp(rest)).sum() / v
    value = customers @ ways + p * (n @ share) + q * rest.sum() - np.log(mean).sum()
    return float(value), np.array([by_p, by_q, by_v])
