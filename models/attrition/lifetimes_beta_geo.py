"""The BG/NBD model with the parameters that the package lifetimes finds."""

from collections.abc import Sequence
from typing import Self

from models.attrition.beta_geo import BetaGeoModel
from models.attrition.dropout import ProcessFit, fit_without_dropout
from models.attrition.history import PurchaseHistory
from models.base import check_penalties
from models.columns import Signals
from models.lifetimes_fit import converged_parameters

__all__ = ["LifetimesBetaGeoModel"]


class LifetimesBetaGeoModel(BetaGeoModel):
    """`BetaGeoModel`, fitted by lifetimes' BetaGeoFitter; predictions are our own.

    It assumes what `BetaGeoModel` does, which is faster and always converges: this one is a
    candidate to be compared with. Where lifetimes does not converge, it is the NBD model.

    Parameters
    ----------
    penalties : sequence of float
        Weights of a squared penalty on the parameters, each in [0, inf), tried in this order
        until one converges.

    Attributes
    ----------
    r_, alpha_, a_, b_ : float
        As in `BetaGeoModel`.
    fallback_ : bool
        Whether this is the NBD model.
    fallback_reason_ : str or None
        Why, in a sentence.
    log_likelihood_ : float
        Summed over the customers of the fit.
    penalty_ : float or None
        The penalty that converged; None in the fallback.

    Examples
    --------
    >>> import pandas as pd
    >>> customers = pd.DataFrame({"frequency": [0, 0], "recency": [0, 0], "T": [90, 40]})
    >>> LifetimesBetaGeoModel().fit(customers).fallback_reason_
    'Two customers or more must have bought again to fit. Found 0.'
    """

    penalty_: float | None
    _learned = (*BetaGeoModel._learned, "penalty_")

    def __init__(self, penalties: Sequence[float] = (0.0, 0.001, 0.01, 0.1)) -> None:
        self.penalties = penalties

    def fit(self, X: Signals, y: object = None) -> Self:
        """Learn how customers buy and leave, by lifetimes.

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
        self.penalty_ = None
        n_repeaters = int(history.weight[history.x > 0].sum())
        if n_repeaters < 2:
            reason = f"Two customers or more must have bought again to fit. Found {n_repeaters}."
            return self._fall_back(fit_without_dropout(history), reason)
        converged = converged_parameters(
            "BetaGeoFitter",
            self.penalties,
            frequency=history.x,
            recency=history.t_x,
            T=history.T,
            weights=history.weight,
        )
        if converged is None:
            reason = f"No penalty of {list(self.penalties)} converged."
            return self._fall_back(fit_without_dropout(history), reason)
        found = tuple(converged.parameters[name] for name in self._parameters)
        self.penalty_ = converged.penalty
        return self._learn(ProcessFit(found, self._process(*found).score(history)[0]))
