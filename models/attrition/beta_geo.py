"""The BG/NBD model: customers buy at random and may leave after each purchase."""

from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np
import pandas as pd
from scipy.linalg import eigh_tridiagonal
from scipy.special import betaln, expit, gammaln
from sklearn.utils.validation import check_is_fitted

from models.attrition.history import PurchaseHistory
from models.attrition.nbd import NBDModel
from models.base import FloatArray, Model, check_horizon, check_penalties
from models.lifetimes_fit import converged_parameters

__all__ = ["BetaGeoModel"]

# Gauss-Jacobi nodes for the mean over p: exact to 1e-9 for horizons up to ten times alpha + T; at a
# hundred times, too low by 5e-4 for light buyers and by 5e-2 at 5,000 purchases.
_N_NODES = 48
# A mean dropout probability below this takes 10,000 purchases to lose a customer: nobody leaves.
_SMALLEST_DROPOUT = 1e-4
# Akaike: a and b must earn one unit of log-likelihood each over the NBD model, which has neither.
_SMALLEST_GAIN = 2.0


class BetaGeoModel(Model):
    """Beta-geometric / NBD model of repeat purchases [1]_, with a way out where nobody leaves.

    It assumes that

    1. while alive, a customer buys at random at rate lambda (a Poisson process);
    2. lambda differs between customers by a gamma distribution of shape r and rate alpha;
    3. after each repeat purchase the customer leaves with probability p, for good;
    4. p differs between customers by a beta distribution with parameters a and b;
    5. lambda and p are independent.

    A customer who bought once is alive for certain under 3. Judge silence by `p_no_purchase`,
    not by `1 - p_alive`.

    Where the fit does not converge, or leaving cannot be told from buying rarely, the model is
    the NBD model (a = 0) and says so. NBD is as good there, and on any ledger where p is near 0.

    Parameters
    ----------
    penalties : sequence of float
        Weights of a squared penalty on the parameters, each in [0, inf), tried in this order
        until one converges.

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
    penalty_ : float or None
        The penalty that converged; None in the fallback.

    References
    ----------
    .. [1] Fader, P. S., Hardie, B. G. S. and Lee, K. L. (2005), "Counting Your Customers the Easy
       Way: An Alternative to the Pareto/NBD Model", Marketing Science 24 (2), 275-284.

    Examples
    --------
    >>> customers = pd.DataFrame({"frequency": [0, 2], "recency": [0, 30], "T": [90, 40]})
    >>> model = BetaGeoModel().fit(customers)
    >>> model.fallback_reason_
    'Two customers or more must have bought again to tell leaving from buying rarely. Found 1.'
    """

    r_: float
    alpha_: float
    a_: float
    b_: float
    fallback_: bool
    fallback_reason_: str | None
    penalty_: float | None
    _learned: ClassVar[tuple[str, ...]] = (
        *("r_", "alpha_", "a_", "b_"),
        *("fallback_", "fallback_reason_", "penalty_"),
    )

    def __init__(self, penalties: Sequence[float] = (0.0, 0.001, 0.01, 0.1)) -> None:
        self.penalties = penalties

    def fit(self, X: pd.DataFrame, y: object = None) -> Self:
        """Learn how customers buy and leave, by maximum likelihood.

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
            If X is empty or not a purchase history, or a penalty is out of range.
        """
        del y
        check_penalties(self, self.penalties)
        history = PurchaseHistory.of(X, self, at_least=1).collapsed()
        n_repeaters = int(history.weight[history.x > 0].sum())
        if n_repeaters < 2:
            return self._fall_back(
                X,
                "Two customers or more must have bought again to tell leaving from buying rarely. "
                f"Found {n_repeaters}.",
            )
        converged = converged_parameters(
            "BetaGeoFitter",
            self.penalties,
            frequency=history.x,
            recency=history.t_x,
            T=history.T,
            weights=history.weight,
        )
        if converged is None:
            return self._fall_back(X, f"No penalty of {list(self.penalties)} converged.")
        found = converged.parameters
        self.r_, self.alpha_, self.a_, self.b_ = (found[name] for name in ("r", "alpha", "a", "b"))
        self.fallback_, self.fallback_reason_, self.penalty_ = False, None, converged.penalty
        doubt = self._doubt(X)
        return self._fall_back(X, doubt) if doubt else self

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
            Purchase days, in [0, (r + frequency) / (alpha + T) * horizon_days].
        """
        history = self._history(X, horizon_days)
        rate = (self.r_ + history.x) / (self.alpha_ + history.T)
        if self.fallback_:
            return rate * horizon_days
        return self._p_alive(history) * self._purchases_if_alive(history, horizon_days)

    def p_alive(self, X: pd.DataFrame) -> FloatArray:
        """Give the probability that each customer has not left by as_of.

        Parameters
        ----------
        X : DataFrame of shape (n_customers, n_columns)
            With columns frequency, recency, T.

        Returns
        -------
        array of shape (n_customers,)
            Probabilities in [0, 1]; 1 for those who bought once, and for all in the fallback.
        """
        return self._p_alive(self._history(X))

    def p_no_purchase(self, X: pd.DataFrame, horizon_days: float) -> FloatArray:
        """Give the probability of no purchase within the horizon: churn.

        An alive customer can only leave at a purchase, so silence is having left, or being alive
        with no event of the purchase process.

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
        return 1.0 + self._p_alive(history) * np.expm1((self.r_ + history.x) * silence)

    def log_likelihood(self, X: pd.DataFrame) -> float:
        """Sum the log-likelihood over customers, without the penalty.

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
        x, T = history.x, history.T
        # The likelihood of [1] with the powers of alpha and alpha + T taken out: no overflow.
        buying = gammaln(self.r_ + x) - gammaln(self.r_) - x * np.log(self.alpha_ + T)
        likelihood = buying - self.r_ * np.log1p(T / self.alpha_)
        if not self.fallback_:
            staying = betaln(self.a_, self.b_ + x) - betaln(self.a_, self.b_)
            likelihood += staying + np.logaddexp(0.0, self._log_odds_left(history))
        return float(history.weight @ likelihood)

    def _history(self, X: pd.DataFrame, horizon_days: float = 0.0) -> PurchaseHistory:
        check_is_fitted(self)
        check_horizon(self, horizon_days)
        return PurchaseHistory.of(X, self)

    def _fall_back(self, X: pd.DataFrame, reason: str) -> Self:
        nbd = NBDModel().fit(X)
        self.r_, self.alpha_, self.a_, self.b_ = nbd.r_, nbd.alpha_, 0.0, 1.0
        self.fallback_, self.fallback_reason_, self.penalty_ = True, reason, None
        return self

    def _doubt(self, X: pd.DataFrame) -> str | None:
        """Say why the fit does not show that customers leave, if it does not."""
        dropout = self.a_ / (self.a_ + self.b_)
        if dropout < _SMALLEST_DROPOUT:
            return f"Nobody is seen to leave: the mean dropout probability is {dropout:.2g}."
        gain = self.log_likelihood(X) - NBDModel().fit(X).log_likelihood(X)
        if gain < _SMALLEST_GAIN:
            return (
                f"Leaving adds {gain:.3g} to the log-likelihood of the NBD model. "
                f"Its two parameters must add {_SMALLEST_GAIN:g}."
            )
        return None

    def _log_odds_left(self, history: PurchaseHistory) -> FloatArray:
        """Log of the odds of having left; minus infinity after a single purchase."""
        x = history.x
        quiet = np.log((self.alpha_ + history.T) / (self.alpha_ + history.t_x))
        leaving = np.log(self.a_) - np.log(self.b_ + np.maximum(x, 1) - 1)
        return np.where(x > 0, leaving + (self.r_ + x) * quiet, -np.inf)

    def _p_alive(self, history: PurchaseHistory) -> FloatArray:
        if self.fallback_:
            return np.ones(len(history.x))
        alive: FloatArray = expit(-self._log_odds_left(history))
        return alive

    def _purchases_if_alive(self, history: PurchaseHistory, horizon_days: float) -> FloatArray:
        """Expect the purchases of customers alive at T: Eq 10 from [1] as a mean over p.

        Given lambda and p, they are (1 - exp(-lambda p t)) / p. Over lambda ~ gamma(r + x,
        alpha + T) that is (1 - (1 + p t / (alpha + T))^-(r + x)) / p, which is smooth, positive
        and bounded; its mean over p ~ beta(a, b + x) needs no hypergeometric function, which
        overflows at high x and cancels where a is near 1.
        """
        expected = np.empty(len(history.x))
        for x in np.unique(history.x):
            rows = np.flatnonzero(history.x == x)
            p, weight = _beta_nodes(self.a_, self.b_ + x)  # (_N_NODES,)
            T, of_row = np.unique(history.T[rows], return_inverse=True)
            reach = np.log1p(np.outer(horizon_days / (self.alpha_ + T), p))  # (n_T, _N_NODES)
            expected[rows] = (-np.expm1(-(self.r_ + x) * reach) @ (weight / p))[of_row]
        return expected


def _beta_nodes(a: float, b: float) -> tuple[FloatArray, FloatArray]:
    """Nodes in (0, 1) and weights with sum 1 for means over a beta(a, b) distribution.

    Gauss-Jacobi quadrature by the eigenvalues of the Jacobi matrix [1]_. The weights come out as
    probabilities, so nothing overflows at a or b in the thousands.

    References
    ----------
    .. [1] Golub, G. H. and Welsch, J. H. (1969), "Calculation of Gauss Quadrature Rules",
       Mathematics of Computation 23.
    """
    k = np.arange(1.0, _N_NODES)
    u, v = b - 1.0, a - 1.0  # exponents of 1 - p and of p
    total = 2 * k + u + v
    diagonal = np.append((v - u) / (u + v + 2), (v * v - u * u) / (total * (total + 2)))
    # At k = 1 a factor of u + v + 1 cancels, which may be 0.
    rising, falling = k + u + v, total - 1
    rising[0] = falling[0] = 1.0
    square = 4 * k * (k + u) * (k + v) * rising / (total**2 * (total + 1) * falling)
    nodes, vectors = eigh_tridiagonal((1 + diagonal) / 2, np.sqrt(square) / 2)
    # Rounding may take the first node to 0 or below, where the integrand is flat but not defined.
    return np.clip(nodes, 1e-12, 1.0), vectors[0] ** 2
