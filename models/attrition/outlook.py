"""What lies ahead of customers with a history, each intermediate result computed once."""

from functools import cached_property

import numpy as np
from scipy.special import expit

from models.attrition.chunks import in_chunks, once_each
from models.attrition.history import PurchaseHistory
from models.attrition.process import PurchaseProcess
from models.base import FloatArray

__all__ = ["Outlook"]


class Outlook:
    """How customers buy and leave from as_of on, as a fitted process expects it.

    The odds of having left take an integral a customer. All answers start from them, so who asks
    more than one question asks them here.

    Parameters
    ----------
    process : PurchaseProcess
        Fitted.
    history : PurchaseHistory
        Customers.
    """

    def __init__(self, process: PurchaseProcess, history: PurchaseHistory) -> None:
        self._process, self._history = process, history

    @cached_property
    def _log_odds(self) -> FloatArray:
        odds = in_chunks(self._process.log_odds_left, self._history, self._process.chunk_rows)
        return np.concatenate(odds)

    @cached_property
    def p_alive(self) -> FloatArray:
        """Probability that each customer has not left by as_of, in [0, 1]."""
        alive: FloatArray = expit(-self._log_odds)
        return alive

    def expected_purchases(self, horizon: FloatArray) -> FloatArray:
        """Expect each customer's number of purchases within the horizon.

        Parameters
        ----------
        horizon : array of shape (n_customers,)
            Days to look ahead, in [0, inf).

        Returns
        -------
        array of shape (n_customers,)
            Purchase days, in [0, (r + frequency) / (alpha + T) * horizon].
        """
        ahead = once_each(self._process.purchases_if_alive, self._history, horizon)
        return self.p_alive * ahead

    def p_no_purchase(self, horizon: FloatArray) -> FloatArray:
        """Give the probability of no purchase within the horizon.

        Parameters
        ----------
        horizon : array of shape (n_customers,)
            Days to look ahead, in [0, inf).

        Returns
        -------
        array of shape (n_customers,)
            Probabilities in [0, 1].
        """
        process = self._process

        def silent(now: PurchaseHistory, odds: FloatArray, horizon: FloatArray) -> FloatArray:
            late = PurchaseHistory(now.x, now.t_x, now.T + horizon, now.weight)
            later = process.log_silence(late, process.log_odds_left(late))
            ratio: FloatArray = np.exp(later - process.log_silence(now, odds))
            return ratio

        pieces = in_chunks(silent, self._history, process.chunk_rows, self._log_odds, horizon)
        return np.clip(np.concatenate(pieces), 0.0, 1.0)
