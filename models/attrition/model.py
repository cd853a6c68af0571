"""What every attrition model can do: the verbs, derived from how its customers buy and leave."""

from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.attrition.chunks import in_chunks, once_each
from models.attrition.dropout import ProcessFit, fit_with_dropout, fit_without_dropout
from models.attrition.history import IntArray, PurchaseHistory
from models.attrition.outlook import Outlook
from models.attrition.process import PurchaseProcess
from models.base import FloatArray, Model, check_horizon, check_parameter, is_number
from models.columns import Signals
from models.estimator import check_is_fitted

__all__ = ["AttritionModel"]

_DAYS_A_YEAR = 365.0
# Discounted by e^-40, money to come is nothing: that far "for ever" is looked ahead.
_FORGOTTEN = 40.0

# Signals with columns frequency, recency and T; or read from them already, to ask more than once.
Histories = Signals | PurchaseHistory


class AttritionModel(Model):
    """A model of (frequency, recency, T), by maximum likelihood with weak priors.

    A child names its process, the parameters and starting points. Where dropout cannot be told
    from buying rarely, the fit is the NBD model's and says so. Any one unit of time works.

    Attributes
    ----------
    fallback_ : bool
        Whether this is the NBD model.
    fallback_reason_ : str or None
        Why, in a sentence.
    log_likelihood_ : float
        Summed over the customers of the fit, without the priors.
    """

    r_: float
    alpha_: float
    fallback_: bool
    fallback_reason_: str | None
    log_likelihood_: float

    _process: ClassVar[type[PurchaseProcess]] = PurchaseProcess
    # The process's parameters in its order.
    _parameters: ClassVar[tuple[str, ...]] = ("r", "alpha")
    # Logs of the dropout parameters to start from; times in units of the mean T.
    _starts: ClassVar[tuple[tuple[float, ...], ...]] = ((),)
    # Dropout parameters of the fallback.
    _no_dropout: ClassVar[tuple[float, ...]] = ()
    _outcome: ClassVar[tuple[str, ...]] = ("fallback_", "fallback_reason_", "log_likelihood_")
    _learned: ClassVar[tuple[str, ...]] = ("r_", "alpha_", *_outcome)

    def fit(self, X: Signals, y: object = None) -> Self:
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
            If X is empty or not a purchase history.
        """
        del y
        history = PurchaseHistory.of(X, self, at_least=1).collapsed()
        nbd = fit_without_dropout(history)
        if self._process is PurchaseProcess:
            return self._learn(nbd)
        fit = fit_with_dropout(self._process, history, nbd, self._starts)
        return self._fall_back(nbd, fit.doubt) if fit.doubt else self._learn(fit)

    def log_likelihood(self, X: pd.DataFrame) -> float:
        """Sum the log-likelihood over customers, without the priors.

        Parameters
        ----------
        X : DataFrame of shape (n_customers, n_columns)
            With columns frequency, recency, T.

        Returns
        -------
        float
            Comparable with that of the other attrition models in the same unit of time.
        """
        process, history = self._read(X)

        def silence(history: PurchaseHistory) -> FloatArray:
            return process.log_silence(history, process.log_odds_left(history))

        silent = in_chunks(silence, history, process.chunk_rows)
        return float(process.log_count(history.x).sum() + np.concatenate(silent).sum())

    def outlook(self, X: Histories) -> Outlook:
        """Look ahead of customers, to ask more than one question.

        Parameters
        ----------
        X : DataFrame of shape (n_customers, n_columns)
            With columns frequency, recency, T.

        Returns
        -------
        Outlook
            It answers as `p_alive`, `expected_purchases` and `p_no_purchase` do, in less time.
        """
        return Outlook(*self._read(X))

    def p_alive(self, X: Histories) -> FloatArray:
        """Give the probability that each customer has not left by as_of.

        Parameters
        ----------
        X : DataFrame of shape (n_customers, n_columns)
            With columns frequency, recency, T.

        Returns
        -------
        array of shape (n_customers,)
            Probabilities in [0, 1]; 1 for all in the fallback.
        """
        return self.outlook(X).p_alive

    def expected_purchases(self, X: Histories, horizon_days: npt.ArrayLike) -> FloatArray:
        """Expect each customer's number of purchases within the horizon.

        Parameters
        ----------
        X : DataFrame of shape (n_customers, n_columns)
            With columns frequency, recency, T.
        horizon_days : float or array of shape (n_customers,)
            Days to look ahead, in [0, inf).

        Returns
        -------
        array of shape (n_customers,)
            Purchase days, in [0, (r + frequency) / (alpha + T) * horizon_days].
        """
        process, history = self._read(X)
        horizon = self._horizon(horizon_days, len(history))
        return Outlook(process, history).expected_purchases(horizon)

    def p_no_purchase(self, X: Histories, horizon_days: npt.ArrayLike) -> FloatArray:
        """Give the probability of no purchase within the horizon: churn.

        It is the likelihood of having been silent until the horizon's end, divided by the
        likelihood of having been silent until now.

        Parameters
        ----------
        X : DataFrame of shape (n_customers, n_columns)
            With columns frequency, recency, T.
        horizon_days : float or array of shape (n_customers,)
            Days to look ahead, in [0, inf).

        Returns
        -------
        array of shape (n_customers,)
            Probabilities in [0, 1].
        """
        process, history = self._read(X)
        horizon = self._horizon(horizon_days, len(history))
        return Outlook(process, history).p_no_purchase(horizon)

    def purchase_probabilities(
        self, X: pd.DataFrame, horizon_days: npt.ArrayLike, most: int
    ) -> FloatArray:
        """Give the probabilities of 0, 1, ... purchases within the horizon.

        Parameters
        ----------
        X : DataFrame of shape (n_customers, n_columns)
            With columns frequency, recency, T.
        horizon_days : float or array of shape (n_customers,)
            Days to look ahead, in [0, inf).
        most : int
            The largest number asked for, 0 or more.

        Returns
        -------
        array of shape (n_customers, most + 1)
            P(N = 0), ..., P(N = most) in [0, 1]; what they lack of 1 is P(N > most).
        """
        process, history = self._read(X)
        horizon = self._horizon(horizon_days, len(history))
        return self._probabilities(process, history, horizon, most)

    def discounted_purchases(
        self, X: pd.DataFrame, discount_rate: float, horizon_days: npt.ArrayLike | None = None
    ) -> FloatArray:
        """Expect each customer's purchases to come, discounted to as_of.

        A purchase after t days counts (1 + discount_rate)^(-t / 365). Without a horizon these are
        the discounted expected residual transactions (DERT) of Fader, Hardie and Lee (2005), "RFM
        and CLV", Journal of Marketing Research 42, p. 423.

        Parameters
        ----------
        X : DataFrame of shape (n_customers, n_columns)
            With columns frequency, recency, T, in days.
        discount_rate : float
            Annual, in [0, inf); above 0 where horizon_days is None.
        horizon_days : float, array of shape (n_customers,) or None
            Days to look ahead, in [0, inf). None for ever.

        Returns
        -------
        array of shape (n_customers,)
            In [0, inf).
        """
        process, history = self._read(X)
        daily = self._daily(discount_rate, for_ever=horizon_days is None)
        longest = _FORGOTTEN / daily if daily > 0 else np.inf
        horizon = self._horizon(longest if horizon_days is None else horizon_days, len(history))

        def discounted(history: PurchaseHistory, horizon: FloatArray) -> FloatArray:
            return process.discounted_if_alive(history, np.minimum(horizon, longest), daily)

        ahead = discounted if daily > 0 else process.purchases_if_alive
        return Outlook(process, history).p_alive * once_each(ahead, history, horizon)

    def expected_next_purchase_days(self, X: pd.DataFrame) -> FloatArray:
        """Expect the days until each customer's next purchase, given that there is one.

        The median: the mean is infinite where r + frequency is 1 or less, as for those who bought
        once.

        Parameters
        ----------
        X : DataFrame of shape (n_customers, n_columns)
            With columns frequency, recency, T.

        Returns
        -------
        array of shape (n_customers,)
            Days from as_of, in (0, inf).
        """
        process, history = self._read(X)

        def wait(history: PurchaseHistory, horizon: FloatArray) -> FloatArray:
            del horizon
            return process.median_wait_if_alive(history)

        return once_each(wait, history, np.zeros(len(history)))

    def draw_purchases(
        self,
        X: Histories,
        horizon_days: npt.ArrayLike,
        n_draws: int,
        random_state: int | np.random.Generator | None = None,
    ) -> IntArray:
        """Draw numbers of purchases within the horizon, given the parameters and the history.

        Each draw decides whether the customer is alive, then draws rate and dropout from their
        distribution given that, which is known exactly, and buys by them.

        Parameters
        ----------
        X : DataFrame of shape (n_customers, n_columns)
            With columns frequency, recency, T.
        horizon_days : float or array of shape (n_customers,)
            Days to look ahead, in [0, inf).
        n_draws : int
            Draws a customer, 1 or more.
        random_state : int, Generator or None
            Seed.

        Returns
        -------
        array of int, shape (n_customers, n_draws)
            Purchase days, 0 or more.
        """
        process, history = self._read(X)
        horizon = self._horizon(horizon_days, len(history))
        self._check_whole("n_draws", n_draws, at_least=1)
        chance = np.random.default_rng(random_state)
        alive = chance.random((len(history), n_draws)) < Outlook(process, history).p_alive[:, None]
        return alive * process.draw_if_alive(history, horizon, n_draws, chance)

    def expected_purchases_new(self, horizon_days: npt.ArrayLike) -> FloatArray:
        """Expect the repeat purchases of a new customer, from the day of the first purchase.

        Parameters
        ----------
        horizon_days : float or array of shape (n_horizons,)
            Days to look ahead, in [0, inf).

        Returns
        -------
        array of the shape of horizon_days
            Purchase days, in [0, inf).
        """
        shape, (process, history, horizon) = np.shape(horizon_days), self._unseen(horizon_days)
        expected = Outlook(process, history).p_alive * process.purchases_if_alive(history, horizon)
        return expected.reshape(shape)

    def purchase_probabilities_new(self, horizon_days: npt.ArrayLike, most: int) -> FloatArray:
        """Give the probabilities of 0, 1, ... repeat purchases of a new customer.

        Parameters
        ----------
        horizon_days : float or array of shape (n_horizons,)
            Days from the first purchase, in [0, inf).
        most : int
            The largest number asked for, 0 or more.

        Returns
        -------
        array of the shape of horizon_days, and (most + 1,)
            P(N = 0), ..., P(N = most) in [0, 1].
        """
        shape = np.shape(horizon_days)
        return self._probabilities(*self._unseen(horizon_days), most).reshape(*shape, most + 1)

    def _read(self, X: Histories) -> tuple[PurchaseProcess, PurchaseHistory]:
        return self._fitted_process(), PurchaseHistory.of(X, self)

    def _unseen(
        self, horizon: npt.ArrayLike
    ) -> tuple[PurchaseProcess, PurchaseHistory, FloatArray]:
        process, n_horizons = self._fitted_process(), np.size(horizon)
        flat = self._horizon(np.ravel(horizon), n_horizons)
        return process, PurchaseHistory.unseen(n_horizons), flat

    def _horizon(self, days: npt.ArrayLike, n_rows: int) -> FloatArray:
        """One horizon a row; refused unless each is a number, 0 or more."""
        if np.ndim(days) == 0:
            check_horizon(self, days)  # type: ignore[arg-type]
            return np.full(n_rows, float(days))  # type: ignore[arg-type]
        horizon = np.asarray(days, dtype=float)
        good = horizon.shape == (n_rows,) and bool((np.isfinite(horizon) & (horizon >= 0)).all())
        rule = f"a float or {n_rows} floats in the range [0, inf)"
        check_parameter(self, "horizon_days", days, rule=rule, holds=good)
        return horizon

    def _check_whole(self, name: str, value: int, *, at_least: int) -> None:
        holds = is_number(value) and value == int(value) and value >= at_least
        rule = f"an int in the range [{at_least}, inf)"
        check_parameter(self, name, value, rule=rule, holds=holds)

    def _daily(self, discount_rate: float, *, for_ever: bool) -> float:
        """Continuous discount rate a day."""
        holds = is_number(discount_rate) and discount_rate >= (1e-12 if for_ever else 0)
        rule = f"a float in the range {'(' if for_ever else '['}0, inf)"
        check_parameter(self, "discount_rate", discount_rate, rule=rule, holds=holds)
        return float(np.log1p(discount_rate)) / _DAYS_A_YEAR

    def _probabilities(
        self, process: PurchaseProcess, history: PurchaseHistory, horizon: FloatArray, most: int
    ) -> FloatArray:
        self._check_whole("most", most, at_least=0)

        def probabilities(history: PurchaseHistory, horizon: FloatArray) -> FloatArray:
            return process.probabilities_if_alive(history, horizon, int(most))

        alive = Outlook(process, history).p_alive
        found = alive[:, None] * once_each(probabilities, history, horizon)
        found[:, 0] += 1 - alive
        return np.clip(found, 0.0, 1.0)

    def _fitted_process(self) -> PurchaseProcess:
        check_is_fitted(self)
        if self.fallback_:
            return PurchaseProcess(self.r_, self.alpha_)
        return self._process(*(getattr(self, f"{name}_") for name in self._parameters))

    def _learn(self, fit: ProcessFit) -> Self:
        for name, value in zip(self._parameters, fit.parameters, strict=True):
            setattr(self, f"{name}_", value)
        self.log_likelihood_ = fit.log_likelihood
        self.fallback_, self.fallback_reason_ = False, None
        return self

    def _fall_back(self, nbd: ProcessFit, reason: str) -> Self:
        self._learn(nbd._replace(parameters=nbd.parameters + self._no_dropout))
        self.fallback_, self.fallback_reason_ = True, reason
        return self
