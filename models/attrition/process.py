"""How one customer's purchases come about: the mathematics that all attrition models share."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import digamma, gammaln

from models.attrition.chunks import in_chunks
from models.attrition.history import IntArray, PurchaseHistory
from models.attrition.quadrature import legendre_nodes
from models.base import FloatArray

__all__ = ["LONGEST_LOG_WAIT", "PurchaseProcess", "softplus"]

# numpy's Poisson draws fail near 2^63; nobody buys 1e18 times.
_LARGEST_MEAN = 1e18
# Times ahead at which discounted purchases are summed: exact to 1e-9.
_N_TIMES = 48
# exp(300) is a wait of 1e130 days, and still a number when alpha multiplies it.
LONGEST_LOG_WAIT = 300.0


@dataclass(frozen=True)
class PurchaseProcess:
    """Purchases at a rate lambda ~ gamma(r, alpha) until the customer leaves: here, never.

    While alive, buying is a Poisson process, so of a customer alive at T only x and T matter:
    lambda is then gamma(r + x, alpha + T). A child says how customers leave. As it is, this is
    the NBD model.

    Parameters
    ----------
    r, alpha : float
        Shape and rate (days) of the purchase rates, in (0, inf).
    """

    r: float
    alpha: float

    # Parameters that are times; the others have no unit.
    times: ClassVar[tuple[str, ...]] = ("alpha",)
    # Rows that are computed at a time: with all their nodes they should fit the cache.
    chunk_rows: ClassVar[int] = 8_192

    @property
    def dropout(self) -> float:
        """How much customers leave at all: far below 1 where nobody is seen to."""
        return 0.0

    def log_odds_left(self, history: PurchaseHistory) -> FloatArray:
        """Log of the odds of having left by T, minus infinity where that cannot be.

        Parameters
        ----------
        history : PurchaseHistory
            Customers.

        Returns
        -------
        array of shape (n_rows,)
            In [-inf, inf).
        """
        return np.full(len(history), -np.inf)

    def log_count(self, x: FloatArray) -> FloatArray:
        """Give the log-likelihood's terms that depend on x alone.

        Parameters
        ----------
        x : array of shape (n_counts,)
            Repeat purchase days, whole numbers.

        Returns
        -------
        array of shape (n_counts,)
            In (-inf, inf).
        """
        ways: FloatArray = gammaln(self.r + x) - gammaln(self.r)
        return ways

    def log_silence(self, history: PurchaseHistory, log_odds: FloatArray) -> FloatArray:
        """Give the log-likelihood's terms that depend on T and t_x.

        Parameters
        ----------
        history : PurchaseHistory
            Customers.
        log_odds : array of shape (n_rows,)
            Their `log_odds_left`, which takes longer than all the rest.

        Returns
        -------
        array of shape (n_rows,)
            In (-inf, inf).
        """
        # The powers of alpha and alpha + T are taken out: no overflow.
        buying = -history.x * np.log(self.alpha + history.T)
        buying -= self.r * np.log1p(history.T / self.alpha)
        silent: FloatArray = buying + softplus(log_odds)[0]
        return silent

    def count_score(self, x: FloatArray) -> FloatArray:
        """Differentiate `log_count` by the parameters (n_parameters, n_counts).

        Parameters
        ----------
        x : array of shape (n_counts,)
            Repeat purchase days, whole numbers.

        Returns
        -------
        array of shape (n_parameters, n_counts)
            By parameter.
        """
        return np.stack([digamma(self.r + x) - digamma(self.r), np.zeros(len(x))])

    def row_score(self, history: PurchaseHistory) -> tuple[float, FloatArray]:
        """Weighted sum of `log_silence`, and its derivatives by the parameters.

        Parameters
        ----------
        history : PurchaseHistory
            Customers.

        Returns
        -------
        (float, array of shape (n_parameters,))
            The sum and its derivatives.
        """
        r, alpha, x, T, weight = self.r, self.alpha, history.x, history.T, history.weight
        silence = np.log1p(T / alpha)
        value = weight @ (-x * (np.log(alpha) + silence) - r * silence)
        by_alpha = weight @ ((r * T / alpha - x) / (alpha + T))
        return float(value), np.array([-(weight @ silence), by_alpha])

    def score(self, history: PurchaseHistory) -> tuple[float, FloatArray]:
        """Sum the log-likelihood over customers, with its derivatives.

        Parameters
        ----------
        history : PurchaseHistory
            Customers.

        Returns
        -------
        (float, array of shape (n_parameters,))
            Sum over customers, and its derivatives by the parameters.
        """
        # Gamma functions are dear, and customers share their x.
        x, customers = history.counts
        value, gradient = float(self.log_count(x) @ customers), self.count_score(x) @ customers
        for part_value, part_gradient in in_chunks(self.row_score, history, self.chunk_rows):
            value += part_value
            gradient = gradient + part_gradient
        return value, gradient

    def rate_if_alive(self, history: PurchaseHistory, ahead: FloatArray) -> FloatArray:
        """Expect purchases a day of customers alive at T, at times ahead of it.

        Parameters
        ----------
        history : PurchaseHistory
            Customers alive at T.
        ahead : array of shape (n_rows, n_times)
            Days after T, in [0, inf).

        Returns
        -------
        array of shape (n_rows, n_times)
            In [0, (r + x) / (alpha + T)].
        """
        rate = (self.r + history.x) / (self.alpha + history.T)
        return np.broadcast_to(rate[:, None], ahead.shape)

    def purchases_if_alive(self, history: PurchaseHistory, horizon: FloatArray) -> FloatArray:
        """Expect the purchases within the horizon of customers alive at T.

        Parameters
        ----------
        history : PurchaseHistory
            Customers.
        horizon : array of shape (n_rows,)
            Days after T, in [0, inf).

        Returns
        -------
        array of shape (n_rows,)
            In [0, inf).
        """
        return (self.r + history.x) / (self.alpha + history.T) * horizon

    def discounted_if_alive(
        self, history: PurchaseHistory, horizon: FloatArray, daily: float
    ) -> FloatArray:
        """Expect the discounted purchases within the horizon of customers alive at T.

        The integral of exp(-daily * t) times the rate at t, in w = log (1 + t / c): c is the
        customer's own alpha + T or the discount's time constant, whichever is less.

        Parameters
        ----------
        history : PurchaseHistory
            Customers alive at T.
        horizon : array of shape (n_rows,)
            Days, in [0, inf).
        daily : float
            Continuous discount rate a day, in (0, inf).

        Returns
        -------
        array of shape (n_rows,)
            In [0, inf).
        """
        nodes, weights = legendre_nodes(_N_TIMES)
        near = np.minimum(self.alpha + history.T, 1 / daily)[:, None]
        width = np.log1p(horizon[:, None] / near)
        ahead = near * np.expm1(width * nodes)  # (n_rows, n_times)
        mass = np.exp(-daily * ahead) * (near + ahead) * width * weights
        discounted: FloatArray = (mass * self.rate_if_alive(history, ahead)).sum(axis=1)
        return discounted

    def probabilities_if_alive(
        self, history: PurchaseHistory, horizon: FloatArray, most: int
    ) -> FloatArray:
        """Give P(N = 0 .. most) within the horizon (n_rows, most + 1) of customers alive at T.

        Parameters
        ----------
        history : PurchaseHistory
            Customers.
        horizon : array of shape (n_rows,)
            Days after T, in [0, inf).
        most : int
            The largest number asked about, 0 or more.

        Returns
        -------
        array of shape (n_rows, most + 1)
            Each in [0, 1].
        """
        columns = [self.log_events(history, horizon, n) for n in range(most + 1)]
        probabilities: FloatArray = np.exp(np.stack(columns, axis=1))
        return probabilities

    def draw_if_alive(
        self,
        history: PurchaseHistory,
        horizon: FloatArray,
        n_draws: int,
        chance: np.random.Generator,
    ) -> IntArray:
        """Draw the purchases within the horizon (n_rows, n_draws) of customers alive at T.

        Parameters
        ----------
        history : PurchaseHistory
            Customers.
        horizon : array of shape (n_rows,)
            Days after T, in [0, inf).
        n_draws : int
            Draws per customer, 1 or more.
        chance : Generator
            Where chance comes from.

        Returns
        -------
        array of shape (n_rows, n_draws)
            Whole numbers, 0 or more.
        """
        days = np.broadcast_to(horizon[:, None], (len(history), n_draws))
        return self.draw_events(history, days, chance)

    def median_wait_if_alive(self, history: PurchaseHistory) -> FloatArray:
        """Days to the next purchase, which half of those alive who will buy again take at most.

        Of customers who can only leave at a purchase the wait is Pareto II distributed with
        shape r + x and scale alpha + T.

        Parameters
        ----------
        history : PurchaseHistory
            Customers alive at T.

        Returns
        -------
        array of shape (n_rows,)
            In (0, inf).
        """
        log_wait = np.minimum(np.log(2) / (self.r + history.x), LONGEST_LOG_WAIT)
        wait: FloatArray = (self.alpha + history.T) * np.expm1(log_wait)
        return wait

    def log_events(self, history: PurchaseHistory, horizon: FloatArray, n: int) -> FloatArray:
        """Log of the probability that one who stays buys n times within the horizon.

        Negative binomial of size r + x.

        Parameters
        ----------
        history : PurchaseHistory
            Customers alive at T.
        horizon : array of shape (n_rows,) or (n_rows, n_times)
            Days, in [0, inf).
        n : int
            How many, 0 or more.

        Returns
        -------
        array of the shape of horizon
            In [-inf, 0].
        """
        column = (slice(None),) + (None,) * (horizon.ndim - 1)
        size, scale = (self.r + history.x)[column], (self.alpha + history.T)[column]
        ways = gammaln(size + n) - gammaln(size) - gammaln(n + 1)
        log_probability: FloatArray = ways - size * np.log1p(horizon / scale)
        if n:
            with np.errstate(divide="ignore"):
                log_probability += n * np.log(horizon / (scale + horizon))
        return np.minimum(log_probability, 0.0)

    def draw_events(
        self, history: PurchaseHistory, days: FloatArray, chance: np.random.Generator
    ) -> IntArray:
        """Draw the purchases (n_rows, n_draws) within as many days of customers who stay.

        Parameters
        ----------
        history : PurchaseHistory
            Customers.
        days : array of shape (n_rows, n_draws)
            Days, in [0, inf).
        chance : Generator
            Where chance comes from.

        Returns
        -------
        array of shape (n_rows, n_draws)
            Whole numbers, 0 or more.
        """
        shape, rate = self.r + history.x, self.alpha + history.T
        pace = chance.standard_gamma(shape[:, None], size=days.shape) / rate[:, None]
        return chance.poisson(np.minimum(pace * days, _LARGEST_MEAN)).astype(np.int64)


def softplus(z: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Log of 1 + exp(z), and its derivative: quicker than numpy's logaddexp and scipy's expit.

    Parameters
    ----------
    z : array
        Any numbers; minus infinity gives 0.

    Returns
    -------
    (array, array)
        Of the shape of z, in [0, inf) and in [0, 1].

    Examples
    --------
    >>> value, slope = softplus(np.array([-np.inf, 0.0, 1000.0]))
    >>> value.round(3).tolist(), slope.tolist()
    ([0.0, 0.693, 1000.0], [0.0, 0.5, 1.0])
    """
    small = np.exp(-np.abs(z))
    return np.maximum(z, 0.0) + np.log1p(small), np.where(z > 0, 1.0, small) / (1 + small)
