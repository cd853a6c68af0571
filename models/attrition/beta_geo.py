"""The BG/NBD model: customers buy at random and may leave after each purchase."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import digamma, gammaln

from models.attrition.history import IntArray, PurchaseHistory
from models.attrition.model import AttritionModel
from models.attrition.process import PurchaseProcess, softplus
from models.attrition.quadrature import beta_nodes
from models.base import FloatArray

__all__ = ["BetaGeoModel", "BetaGeoProcess"]

# Gauss-Jacobi nodes for the mean over p: exact to 1e-9 for horizons up to ten times alpha + T; at a
# hundred times, too low by 5e-4 for light buyers and by 5e-2 at 5,000 purchases.
_N_NODES = 48
# A draw of p may round to 0, of which numpy draws no waiting time.
_SMALLEST_P = 1e-15


@dataclass(frozen=True)
class BetaGeoProcess(PurchaseProcess):
    """Purchases at a rate lambda, each repeat purchase the last with probability p.

    These are the equations of `BetaGeoModel`. Of a customer alive at T, p is beta(a, b + k),
    where k is how often the customer stayed.

    Parameters
    ----------
    r, alpha : float
        Shape and rate (days) of the purchase rates, in (0, inf).
    a, b : float
        Parameters of the dropout probability, in (0, inf).
    """

    a: float
    b: float

    # How often a customer might have left before the first repeat purchase.
    first_chances: ClassVar[int] = 0

    @property
    def dropout(self) -> float:
        """Mean probability of leaving at a purchase."""
        return self.a / (self.a + self.b)

    def log_odds_left(self, history: PurchaseHistory) -> FloatArray:
        """Log of the odds of having left; minus infinity where there was no chance to.

        Parameters
        ----------
        history : PurchaseHistory
            Customers.

        Returns
        -------
        array of shape (n_rows,)
            In [-inf, inf).
        """
        quiet = np.log1p((history.T - history.t_x) / (self.alpha + history.t_x))
        return self._log_odds(history.x, quiet)

    def log_count(self, x: FloatArray) -> FloatArray:
        """Log-likelihood's terms that depend on x alone: buying, and staying each time.

        Parameters
        ----------
        x : array of shape (n_counts,)
            Repeat purchase days, whole numbers.

        Returns
        -------
        array of shape (n_counts,)
            In (-inf, inf).
        """
        a, b, k = self.a, self.b, x + self.first_chances
        staying = gammaln(b + k) - gammaln(b) - (gammaln(a + b + k) - gammaln(a + b))
        stayed: FloatArray = super().log_count(x) + staying
        return stayed

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
        a, b, k = self.a, self.b, x + self.first_chances
        by_a = digamma(a + b) - digamma(a + b + k)
        by_b = by_a + digamma(b + k) - digamma(b)
        return np.vstack([super().count_score(x), by_a, by_b])

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
        x, t_x, T, weight = history.x, history.t_x, history.T, history.weight
        quiet = np.log1p((T - t_x) / (self.alpha + t_x))
        bonus, left = softplus(self._log_odds(x, quiet))
        left *= weight
        value, gradient = super().row_score(history)
        sooner = (T - t_x) / ((self.alpha + T) * (self.alpha + t_x))
        by_r = gradient[0] + left @ quiet
        by_alpha = gradient[1] - left @ ((self.r + x) * sooner)
        by_b = -(left @ (1 / (self.b + self._stays(x) - 1)))
        score = np.array([by_r, by_alpha, left.sum() / self.a, by_b])
        return value + float(weight @ bonus), score

    def rate_if_alive(self, history: PurchaseHistory, ahead: FloatArray) -> FloatArray:
        """Expect purchases a day of customers alive at T, at times ahead of it.

        Parameters
        ----------
        history : PurchaseHistory
            Customers.
        ahead : array of shape (n_rows, n_times)
            Days after T, in [0, inf).

        Returns
        -------
        array of shape (n_rows, n_times)
            Purchases a day, in [0, inf).
        """
        share = ahead / (self.alpha + history.T)[:, None]  # (n_rows, n_times)
        staying = np.zeros(share.shape)
        for x in np.unique(history.x):
            rows = np.flatnonzero(history.x == x)
            for p, weight in zip(*self._p_nodes(x), strict=True):
                staying[rows] += weight * np.exp(-(self.r + x + 1) * np.log1p(p * share[rows]))
        return super().rate_if_alive(history, ahead) * staying

    def purchases_if_alive(self, history: PurchaseHistory, horizon: FloatArray) -> FloatArray:
        """Expect the purchases of customers alive at T: Eq 10 from [1] as a mean over p.

        Given lambda and p, they are (1 - exp(-lambda p t)) / p. Over lambda ~ gamma(r + x,
        alpha + T) that is (1 - (1 + p t / (alpha + T))^-(r + x)) / p, which is smooth, positive
        and bounded; its mean over p ~ beta(a, b + k) needs no hypergeometric function, which
        overflows at high x and cancels where a is near 1.

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
        expected = np.empty(len(history))
        share = horizon / (self.alpha + history.T)
        for x in np.unique(history.x):
            rows = np.flatnonzero(history.x == x)
            p, weight = self._p_nodes(x)  # (_N_NODES,)
            reach = np.log1p(np.outer(share[rows], p))
            expected[rows] = -np.expm1(-(self.r + x) * reach) @ (weight / p)
        return np.minimum(expected, super().purchases_if_alive(history, horizon))

    def probabilities_if_alive(
        self, history: PurchaseHistory, horizon: FloatArray, most: int
    ) -> FloatArray:
        """Give P(N = 0 .. most) of customers alive at T: Eq 8 from [1], given the past.

        N is n if the customer stays n - 1 times and either leaves at the n-th of more purchases,
        or would make n in all.

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
        events = super().probabilities_if_alive(history, horizon, most)
        more = np.maximum(1 - np.cumsum(events, axis=1), 0.0)  # P(more than n)
        a, b = self.a, self.b + self._survived(history.x)
        n = np.arange(most + 1.0)
        # P(staying n times), and the share of p that leaves at the n-th chance: beta functions.
        leaves = (a / (a + b[:, None] + n))[:, :most]  # at the next chance, having stayed n times
        stays = np.cumprod(np.hstack([np.ones((len(b), 1)), 1 - leaves]), axis=1)
        events[:, 1:] *= stays[:, :-1]
        events[:, 1:] += more[:, 1:] * stays[:, :-1] * leaves
        return events

    def draw_if_alive(
        self,
        history: PurchaseHistory,
        horizon: FloatArray,
        n_draws: int,
        chance: np.random.Generator,
    ) -> IntArray:
        """Draw the purchases within the horizon (n_rows, n_draws) of customers alive at T.

        Given that a customer is alive, lambda and p are independent, gamma and beta: the draws
        are exact.

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
        events = super().draw_if_alive(history, horizon, n_draws, chance)
        b = (self.b + self._survived(history.x))[:, None]
        p = chance.beta(self.a, b, size=events.shape)
        return np.minimum(events, chance.geometric(np.maximum(p, _SMALLEST_P)))

    def _survived(self, x: FloatArray) -> FloatArray:
        """How often a customer alive at T did not leave."""
        return x + self.first_chances

    def _stays(self, x: FloatArray) -> FloatArray:
        """How often a customer could have left, 1 in place of 0 for the formulas' sake."""
        return np.maximum(x + self.first_chances, 1.0)

    def _log_odds(self, x: FloatArray, quiet: FloatArray) -> FloatArray:
        odds = np.log(self.a / (self.b + self._stays(x) - 1)) + (self.r + x) * quiet
        return odds if self.first_chances else np.where(x > 0, odds, -np.inf)

    def _p_nodes(self, x: float) -> tuple[FloatArray, FloatArray]:
        return beta_nodes(self.a, self.b + x + self.first_chances, _N_NODES)


class BetaGeoModel(AttritionModel):
    """Beta-geometric / NBD model of repeat purchases [1]_, with a way out where nobody leaves.

    It assumes that

    1. while alive, a customer buys at random at rate lambda (a Poisson process);
    2. lambda differs between customers by a gamma distribution of shape r and rate alpha;
    3. after each repeat purchase the customer leaves with probability p, for good;
    4. p differs between customers by a beta distribution with parameters a and b;
    5. lambda and p are independent.

    A customer who bought once is alive for certain under 3. Judge silence by `p_no_purchase`,
    not by `1 - p_alive`.

    Where leaving cannot be told from buying rarely, the model is the NBD model (a = 0) and says
    so. NBD is as good there, and on any ledger where p is near 0.

    Attributes
    ----------
    r_, alpha_ : float
        Shape and rate (days) of the purchase rates, in (0, inf).
    a_, b_ : float
        Parameters of the dropout probability, in (0, inf); 0 and 1 in the fallback.
    fallback_ : bool
        Whether this is the NBD model.
    fallback_reason_ : str or None
        Why, in a sentence.
    log_likelihood_ : float
        Summed over the customers of the fit, without the priors.

    References
    ----------
    .. [1] Fader, P. S., Hardie, B. G. S. and Lee, K. L. (2005), "Counting Your Customers the Easy
       Way: An Alternative to the Pareto/NBD Model", Marketing Science 24 (2), 275-284.

    Examples
    --------
    >>> import pandas as pd
    >>> customers = pd.DataFrame({"frequency": [0, 2], "recency": [0, 30], "T": [90, 40]})
    >>> model = BetaGeoModel().fit(customers)
    >>> model.fallback_reason_
    'Two customers or more must have bought again to tell leaving from buying rarely. Found 1.'
    """

    a_: float
    b_: float

    _process = BetaGeoProcess
    _parameters = ("r", "alpha", "a", "b")
    _starts = ((0.0, 1.0), (-1.5, 0.0), (0.5, 3.0))
    _no_dropout = (0.0, 1.0)
    _learned = ("r_", "alpha_", "a_", "b_", *AttritionModel._outcome)
