"""What the latent forecast owes to each of its signals."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from models.attrition.history import PurchaseHistory
from models.base import FloatArray
from models.columns import Signals
from models.value.blend import Forecast
from models.value.explanation.shapley import product_weights, shapley_values
from models.value.latent import LatentValueModel

__all__ = ["LatentReasons", "LatentState", "latent_signals"]

# The players of a purchase history: how often, how long, and how silent for that rhythm.
_HISTORY = ("frequency", "T", "days_since_last_purchase")
# The shortest time from the first to the last purchase day of one who bought twice, in any unit.
_SHORTEST = 1e-6


def latent_signals(latent: LatentValueModel) -> tuple[str, ...]:
    """Name the signals that a latent forecast is owed to.

    Spend is owed to the mean purchase and value per unit of spend to the value: how many purchases
    these are told from only says how far they count.

    Parameters
    ----------
    latent : LatentValueModel
        Fitted.

    Returns
    -------
    tuple of five str
        What the rows of contributions to it are: three of the history, then those two.
    """
    return (*_HISTORY, "mean_purchase_revenue", latent.value_column)


@dataclass(frozen=True)
class LatentState:
    """What the latent forecast of customers is made of, whatever the horizon.

    Parameters
    ----------
    history : array of shape (3, n_customers)
        Rows frequency, recency and T.
    spend : array of shape (n_customers,)
        Expected per purchase, in money.
    rate : array of shape (n_customers,)
        Value per unit of spend.
    """

    history: FloatArray
    spend: FloatArray
    rate: FloatArray

    @classmethod
    def of(cls, latent: LatentValueModel, X: Signals) -> Self:
        """Read customers' signals.

        Parameters
        ----------
        latent : LatentValueModel
            Fitted.
        X : DataFrame of shape (n_customers, n_columns), or Columns
            With its required columns, which it checks.

        Returns
        -------
        LatentState
            In the order of X.
        """
        spend, rate = latent.unit_value(X)
        history = PurchaseHistory.of(X, latent.attrition_)
        return cls(np.stack([history.x, history.t_x, history.T]), spend, rate)


class LatentReasons:
    """The latent forecast of customers beside that of a reference, factor by factor.

    Contributions are of shape (5, n_customers), one row a name of `latent_signals`.

    Parameters
    ----------
    latent : LatentValueModel
        Fitted.
    now, then : LatentState
        Of the customers; of the reference, one row.
    horizons : sequence of float
        Days ahead, each in (0, inf).
    with_churn : bool
        Whether churn within the horizons is asked for too.

    Attributes
    ----------
    purchases, churn : dict of float to array of shape (8, n_customers)
        By horizon: of every mixture of both histories, whose bit i says that the player i is the
        customer's own. The last is the customer's forecast.
    unit_value : array of shape (n_customers,)
        Value of a purchase: spend x value per unit of spend, in money.
    of_unit_value : array of shape (5, n_customers)
        Contributions to it.
    """

    def __init__(
        self,
        latent: LatentValueModel,
        now: LatentState,
        then: LatentState,
        horizons: Sequence[float],
        *,
        with_churn: bool,
    ) -> None:
        self._now, self._then = now, then
        mixtures = [_mixed(now.history, then.history, which) for which in range(8)]
        x, t_x, T = np.concatenate(mixtures, axis=1)  # (n_mixtures,)
        outlook = latent.attrition_.outlook(PurchaseHistory(x, t_x, T, np.ones(len(x))))
        self.purchases: dict[float, FloatArray] = {}
        self.churn: dict[float, FloatArray] = {}
        for horizon in horizons:
            days = np.full(len(x), float(horizon))
            self.purchases[horizon] = outlook.expected_purchases(days).reshape(8, -1)
            if with_churn:
                self.churn[horizon] = outlook.p_no_purchase(days).reshape(8, -1)
        self.unit_value = now.spend * now.rate
        by_spend = (now.spend - then.spend) * ((now.rate + then.rate) / 2)
        by_rate = (now.rate - then.rate) * ((now.spend + then.spend) / 2)
        none = np.zeros_like(now.rate)
        self.of_unit_value = np.stack([none, none, none, by_spend, by_rate])
        self._seen: dict[float, FloatArray] = {}

    def forecast(self, horizon_days: float) -> Forecast:
        """Give the customers' latent forecast, as the boosted parts take it.

        Parameters
        ----------
        horizon_days : float
            One of the horizons.

        Returns
        -------
        dict of str to array of shape (n_customers,)
            Columns expected_purchases, churn_probability and expected_value.
        """
        purchases, churn = self.purchases[horizon_days][7], self.churn[horizon_days][7]
        return {
            "expected_purchases": purchases,
            "churn_probability": churn,
            "expected_value": purchases * self.unit_value,
        }

    def of_value(self, horizon_days: float) -> FloatArray:
        """Share out the change of expected value: purchases x spend x value per unit of spend.

        Parameters
        ----------
        horizon_days : float
            One of the horizons.

        Returns
        -------
        array of shape (5, n_customers)
            Money.
        """
        mixtures, shape = self.purchases[horizon_days], self.unit_value.shape
        now = np.stack([mixtures[7], self._now.spend, self._now.rate])
        usual = (self._then.spend, self._then.rate)
        then = np.stack([mixtures[0], *(np.broadcast_to(one, shape) for one in usual)])
        by_purchases, by_spend, by_rate = product_weights(now, then)
        return np.stack(
            [
                *(shapley_values(mixtures) * by_purchases),
                (now[1] - then[1]) * by_spend,
                (now[2] - then[2]) * by_rate,
            ]
        )

    def of_history(self, mixtures: FloatArray) -> FloatArray:
        """Share out what changed with the purchase history alone, among its signals.

        Parameters
        ----------
        mixtures : array of shape (8, n_customers)
            Of `purchases` or `churn`, or what follows from them row by row.

        Returns
        -------
        array of shape (5, n_customers)
            In the unit of the mixtures; 0 but for the first three.
        """
        return np.concatenate([shapley_values(mixtures), np.zeros((2, mixtures.shape[1]))])

    def of_seen(self, horizon_days: float) -> FloatArray:
        """Share out the changes of what the trees see of the latent forecast.

        Parameters
        ----------
        horizon_days : float
            One of the horizons.

        Returns
        -------
        array of shape (4, 5, n_customers)
            Of purchases, churn, value and value per purchase.
        """
        if horizon_days not in self._seen:
            purchases, churn = self.purchases[horizon_days], self.churn[horizon_days]
            found = [self.of_history(purchases), self.of_history(churn)]
            found += [self.of_value(horizon_days), self.of_unit_value]
            self._seen[horizon_days] = np.stack(found)
        return self._seen[horizon_days]


def _mixed(now: FloatArray, then: FloatArray, which: int) -> FloatArray:
    """Frequency, recency and T (3, n_customers) of a history made of two.

    What is silent for one who buys every month is a pause for one who buys every year, so silence
    is mixed in mean gaps between purchases: 41 purchases and the silence of one who bought once
    and never again would be no customer whom anybody has seen.
    """
    then = np.broadcast_to(then, now.shape)
    if which in {0, 7}:
        return now if which else then
    own = [bool(which >> player & 1) for player in range(3)]
    frequency = (now if own[0] else then)[0]
    age = (now if own[1] else then)[2]
    x, t_x, T = now if own[2] else then
    gaps = np.divide((T - t_x) * (x + 1), T, out=np.zeros_like(T), where=T > 0)
    recency = np.clip(age - gaps * age / (frequency + 1), _SHORTEST, None)
    # Who never came again has no recency, and who did has one.
    recency = np.where(frequency > 0, recency, 0.0)
    return np.stack([frequency, recency, np.maximum(age, recency)])
