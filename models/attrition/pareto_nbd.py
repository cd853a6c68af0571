"""The Pareto/NBD model: customers buy at random and may leave at any time."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from scipy.special import exprel

from models.attrition.history import IntArray, PurchaseHistory
from models.attrition.model import AttritionModel
from models.attrition.process import LONGEST_LOG_WAIT, PurchaseProcess, softplus
from models.attrition.quadrature import legendre_nodes
from models.base import FloatArray

__all__ = ["ParetoNBDModel", "ParetoNBDProcess"]

# In the variable of `_deaths` the integrand is near p^5 of p in (0, 1], which any rule of three
# nodes or more integrates: measured over parameters from 0.001 to 1,000 and up to 3,000 purchases,
# 12 nodes err by 3e-9 at most, and by 5e-8 if this were 3.
_BEND = 6.0
# Death times whose mixture gives the probabilities of counts: one negative binomial each.
_N_MIXED = 48
# exp(-36) is 2e-16: nothing is left of a decay after so many of its time constants.
_FORGOTTEN = 36.0
_N_BISECTIONS = 50


class _Deaths(NamedTuple):
    """Nodes of the integral over the time of death, each of shape (n_rows, n_nodes).

    Parameters
    ----------
    mass : array
        Weight times integrand; the row's sum is the integral.
    log_alpha, log_beta : array
        Log of (alpha + u) / (alpha + start), and of (beta + u) / (beta + start).
    growth_alpha, growth_beta : array
        These ratios.
    """

    mass: FloatArray
    log_alpha: FloatArray
    log_beta: FloatArray
    growth_alpha: FloatArray
    growth_beta: FloatArray


@dataclass(frozen=True)
class ParetoNBDProcess(PurchaseProcess):
    """Purchases at a rate lambda until a time of death: the equations of `ParetoNBDModel`.

    Parameters
    ----------
    r, alpha : float
        Shape and rate (days) of the purchase rates, in (0, inf).
    s, beta : float
        Shape and rate (days) of the death rates, in (0, inf).
    n_nodes : int
        Of the integrals over the time of death.
    """

    s: float
    beta: float
    n_nodes: int = 12

    times: ClassVar[tuple[str, ...]] = ("alpha", "beta")
    chunk_rows: ClassVar[int] = 1_024

    @property
    def dropout(self) -> float:
        """Mean death rate: deaths a unit of time."""
        return self.s / self.beta

    def log_odds_left(self, history: PurchaseHistory) -> FloatArray:
        """Log of the odds of having left by T.

        Parameters
        ----------
        history : PurchaseHistory
            Customers.

        Returns
        -------
        array of shape (n_rows,)
            In [-inf, inf).
        """
        left = self._deaths(history.x, history.t_x, history.T).mass.sum(axis=1)
        with np.errstate(divide="ignore"):
            odds: FloatArray = np.log(left) + self._decay(history.x, history.t_x, history.T)
        return odds

    def log_silence(self, history: PurchaseHistory, log_odds: FloatArray) -> FloatArray:
        """Log-likelihood's terms that depend on T and t_x.

        Parameters
        ----------
        history : PurchaseHistory
            Customers.
        log_odds : array of shape (n_rows,)
            Their `log_odds_left`.

        Returns
        -------
        array of shape (n_rows,)
            In (-inf, inf).
        """
        return super().log_silence(history, log_odds) - self.s * np.log1p(history.T / self.beta)

    def count_score(self, x: FloatArray) -> FloatArray:
        """Differentiate `log_count`: 0 by the parameters of death.

        Parameters
        ----------
        x : array of shape (n_counts,)
            Repeat purchase days, whole numbers.

        Returns
        -------
        array of shape (n_parameters, n_counts)
            By parameter.
        """
        return np.vstack([super().count_score(x), np.zeros((2, len(x)))])

    def row_score(self, history: PurchaseHistory) -> tuple[float, FloatArray]:
        """Sum the log-likelihood's terms that depend on time, and their derivatives.

        Parameters
        ----------
        history : PurchaseHistory
            Customers.

        Returns
        -------
        (float, array of shape (n_parameters,))
            The sum and its derivatives.
        """
        r, alpha, s, beta = self.r, self.alpha, self.s, self.beta
        x, t_x, T, weight = history.x, history.t_x, history.T, history.weight
        mass, log_alpha, log_beta, growth_alpha, growth_beta = self._deaths(x, t_x, T)
        total = mass.sum(axis=1)
        share = mass / np.where(total > 0, total, 1.0)[:, None]
        lag = T - t_x
        on_alpha, on_beta = np.log1p(lag / (alpha + t_x)), np.log1p(lag / (beta + t_x))
        with np.errstate(divide="ignore"):
            odds = np.log(total) + (r + x) * on_alpha + s * on_beta
        # With L = A (1 + odds), d log L = d log A + P(left) d log odds; means are over u.
        bonus, left = softplus(odds)
        left *= weight
        sooner_alpha = (share / growth_alpha).sum(axis=1) / (alpha + t_x)
        sooner_beta = (share / growth_beta).sum(axis=1) / (beta + t_x)
        silence, life = np.log1p(T / alpha), np.log1p(T / beta)
        value = weight @ (bonus - x * (np.log(alpha) + silence) - r * silence - s * life)
        gradient = [
            left @ (on_alpha - (share * log_alpha).sum(axis=1)) - weight @ silence,
            left @ ((r + x) * (1 / (alpha + T) - sooner_alpha))
            + weight @ ((r * T / alpha - x) / (alpha + T)),
            left @ (1 / s + on_beta - (share * log_beta).sum(axis=1)) - weight @ life,
            left @ (s / (beta + T) - (s + 1) * sooner_beta) + weight @ (s * T / beta / (beta + T)),
        ]
        return float(value), np.array(gradient)

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
        rate = super().rate_if_alive(history, ahead)
        return rate * np.exp(-self.s * np.log1p(ahead / (self.beta + history.T)[:, None]))

    def purchases_if_alive(self, history: PurchaseHistory, horizon: FloatArray) -> FloatArray:
        """Expect the purchases within the horizon of customers alive at T: Eq 41 from [2].

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
        # The rate times the mean of min(time to death, horizon), written so that s = 1 is no hole.
        reach = np.log1p(horizon / (self.beta + history.T))
        alive_days = (self.beta + history.T) * reach * exprel((1 - self.s) * reach)
        return super().purchases_if_alive(history, np.minimum(alive_days, horizon))

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
        near = min(self.alpha, self.beta) + history.T
        nodes, weights = legendre_nodes(_N_MIXED)
        width = np.log1p(horizon / near)
        days = near[:, None] * np.expm1(width[:, None] * nodes)  # (n_rows, n_nodes)
        life = np.log1p(days / (self.beta + history.T)[:, None])
        dying = self.s * np.exp(-(self.s + 1) * life) * (near[:, None] + days)
        dying *= weights * (width / (self.beta + history.T))[:, None]
        whole = np.exp(-self.s * np.log1p(horizon / (self.beta + history.T)))
        # Rounding apart, they sum to 1 already.
        dying *= ((1 - whole) / np.maximum(dying.sum(axis=1), 1e-300))[:, None]
        columns = [
            whole * np.exp(self.log_events(history, horizon, n))
            + (dying * np.exp(self.log_events(history, days, n))).sum(axis=1)
            for n in range(most + 1)
        ]
        return np.stack(columns, axis=1)

    def draw_if_alive(
        self,
        history: PurchaseHistory,
        horizon: FloatArray,
        n_draws: int,
        chance: np.random.Generator,
    ) -> IntArray:
        """Draw the purchases within the horizon (n_rows, n_draws) of customers alive at T.

        Given that a customer is alive, lambda and mu are independent gamma variables, so the time
        to death is Pareto II distributed with shape s and scale beta + T: the draws are exact.

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
        log_life = chance.standard_exponential((len(history), n_draws)) / self.s
        life = np.expm1(np.minimum(log_life, LONGEST_LOG_WAIT)) * (self.beta + history.T)[:, None]
        return self.draw_events(history, np.minimum(life, horizon[:, None]), chance)

    def median_wait_if_alive(self, history: PurchaseHistory) -> FloatArray:
        """Days to the next purchase, which half of those alive who will buy again take at most.

        Found by bisection of log (1 + days / (alpha + T)): no closed form is known.

        Parameters
        ----------
        history : PurchaseHistory
            Customers.

        Returns
        -------
        array of shape (n_rows,)
            Days, in (0, inf).
        """
        slowest = np.minimum(_FORGOTTEN / (self.r + self.s + history.x), LONGEST_LOG_WAIT)
        low, high = np.zeros(len(history)), slowest
        half = self._buys_within(history, slowest) / 2
        for _ in range(_N_BISECTIONS):
            middle = (low + high) / 2
            late = self._buys_within(history, middle) > half
            low, high = np.where(late, low, middle), np.where(late, middle, high)
        wait: FloatArray = (self.alpha + history.T) * np.expm1(high)
        return wait

    def _buys_within(self, history: PurchaseHistory, log_days: FloatArray) -> FloatArray:
        """P(a purchase before death and before alpha + T has grown by e^log_days | alive)."""
        end = history.T + (self.alpha + history.T) * np.expm1(log_days)
        deaths = self._deaths(history.x, history.T, end)
        # The next purchase has the density of the death, times the ratio of the two hazards.
        ratio = (self.r + history.x) * (self.beta + history.T) / (self.alpha + history.T) / self.s
        bought: FloatArray = ratio * (deaths.mass * deaths.growth_beta / deaths.growth_alpha).sum(
            axis=1
        )
        return bought

    def _decay(self, x: FloatArray, start: FloatArray, end: FloatArray) -> FloatArray:
        """Minus the log of the probability that one alive is silent and alive from start to end."""
        lag = end - start
        buying = (self.r + x) * np.log1p(lag / (self.alpha + start))
        dying: FloatArray = buying + self.s * np.log1p(lag / (self.beta + start))
        return dying

    def _deaths(self, x: FloatArray, start: FloatArray, end: FloatArray) -> _Deaths:
        """Integrate over the time u of a death between start and end, silent until then.

        Of (s / (beta + start)) ((alpha + start) / (alpha + u))^(r + x)
        ((beta + start) / (beta + u))^(s + 1) du. In w = log((m + u) / (m + start)), where m is
        the smaller of alpha and beta, the nearest singularity is pi away from the real axis. The
        decay in w is bent straight by p = exp(-c w), with c a sixth of its speed at the start.
        """
        near, far = min(self.alpha, self.beta) + start, max(self.alpha, self.beta) + start
        width = np.log1p((end - start) / near)
        speed = (self.r + x) * near / (self.alpha + start) - 1.0
        speed += (self.s + 1) * near / (self.beta + start)
        bend = np.maximum(speed * width / _BEND, 1e-6)
        nodes, weights = legendre_nodes(self.n_nodes)
        reach = -np.expm1(-bend)
        p = 1.0 - reach[:, None] * nodes  # (n_rows, n_nodes)
        log_near = -np.log(p) * (width / bend)[:, None]
        lag = np.expm1(log_near)
        growth_near, growth_far = 1 + lag, 1 + lag * (near / far)[:, None]
        logs = [log_near, np.log(growth_far)]
        growths = [growth_near, growth_far]
        if self.alpha > self.beta:
            logs.reverse()
            growths.reverse()
        mass = np.exp(-(self.r + x)[:, None] * logs[0] - self.s * logs[1])
        mass *= growth_near / growths[1] / p * weights
        mass *= (self.s * near / (self.beta + start) * width / bend * reach)[:, None]
        return _Deaths(mass, *logs, *growths)


class ParetoNBDModel(AttritionModel):
    """Pareto/NBD model of repeat purchases [1]_, with a way out where nobody leaves.

    It assumes that

    1. while alive, a customer buys at random at rate lambda (a Poisson process);
    2. lambda differs between customers by a gamma distribution of shape r and rate alpha;
    3. a customer leaves, for good, after an exponentially distributed life of death rate mu;
    4. mu differs between customers by a gamma distribution of shape s and rate beta;
    5. lambda and mu are independent.

    The likelihood [2]_ is an integral over the time of death, here by Gauss-Legendre quadrature.

    Where leaving cannot be told from buying rarely, the model is the NBD model (s = 0) and says
    so. `BetaGeoModel` is as good where nearly all buy again, and ten times faster to fit.

    Attributes
    ----------
    r_, alpha_ : float
        Shape and rate (days) of the purchase rates, in (0, inf).
    s_, beta_ : float
        Shape and rate (days) of the death rates, in (0, inf); 0 and 1 in the fallback.
    fallback_ : bool
        Whether this is the NBD model.
    fallback_reason_ : str or None
        Why, in a sentence.
    log_likelihood_ : float
        Summed over the customers of the fit, without the priors.

    References
    ----------
    .. [1] Schmittlein, D. C., Morrison, D. G. and Colombo, R. (1987), "Counting Your Customers:
       Who Are They and What Will They Do Next?", Management Science 33 (1), 1-24.
    .. [2] Fader, P. S. and Hardie, B. G. S. (2005), "A Note on Deriving the Pareto/NBD Model and
       Related Expressions", http://www.brucehardie.com/notes/009/.

    Examples
    --------
    >>> import pandas as pd
    >>> customers = pd.DataFrame({"frequency": [0, 2], "recency": [0, 30], "T": [90, 40]})
    >>> ParetoNBDModel().fit(customers).fallback_
    True
    """

    s_: float
    beta_: float

    _process = ParetoNBDProcess
    _parameters = ("r", "alpha", "s", "beta")
    _starts = ((-0.5, -0.5), (0.5, 0.5), (-1.5, -3.0))
    _no_dropout = (0.0, 1.0)
    _learned = ("r_", "alpha_", "s_", "beta_", *AttritionModel._outcome)
