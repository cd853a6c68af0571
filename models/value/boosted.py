"""Value by gradient boosting on all signals, with what latent attrition expects in hand."""

from collections.abc import Callable, Collection, Mapping
from functools import cache
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit, logit

from models.base import FloatArray, Model, check_parameter, is_number
from models.columns import Columns, Signals
from models.estimator import check_is_fitted
from models.value.outcomes import checked_outcomes, level
from models.value.trees import Trees, grow_trees

__all__ = ["BASE_COLUMNS", "HEADS", "Base", "BoostedValueModel"]

BASE_COLUMNS = ("expected_purchases", "churn_probability", "expected_value")
HEADS = ("active", "purchases", "spend")
_OBJECTIVES: Mapping[str, str] = {"active": "binary", "purchases": "poisson", "spend": "gamma"}
# What stands beside the signals.
_LATENT = ("latent_purchases", "latent_churn", "latent_value", "latent_spend")
# The longer a customer is silent, all else equal, the less is to come.
_FALLING = {"days_since_last_purchase", "silence_ratio"}
# Days of the calendar say when, not who: no day of training comes again.
_CALENDAR = {"first_purchase_day", "last_purchase_day"}
# Scores this close to 0 or 1 say no more; their logits would drown what the trees add.
_SMALLEST_P = 1e-4

# What a latent model expects within the window: by name, the columns `BASE_COLUMNS`.
Base = pd.DataFrame | Mapping[str, FloatArray]


class BoostedValueModel(Model):
    """LightGBM [1]_ on signals and a latent forecast: purchases, churn and value within a window.

    Value is modelled in two parts, because spend is heavy-tailed and often zero: whether there is a
    purchase (binary), and what is spent where there is (gamma). A third head counts purchase days
    (Poisson). Purchases and value are then levelled, so that over the training rows their sums are
    the actual sums. Assumptions:

    1. signals relate to outcomes as they did in training, season and trend included;
    2. there are some hundred customers with outcomes. With fewer `LatentValueModel` is better;
    3. more silence, all else equal, never raises a forecast: the trees are monotone in it.

    Parameters
    ----------
    window_days : float
        Days over which the outcomes were counted, in (0, inf).
    is_correction : bool
        Whether the latent forecast is the offset that the trees correct; else it is a signal among
        the others.
    random_state : int
        Seed of the sampling of rows and columns, in [0, 2**31).
    n_jobs : int
        Heads trained side by side, 1 or more; the result is the same.

    Attributes
    ----------
    feature_names_in_ : list of str
        The signals learned from, sorted.
    boosters_ : dict of str
        LightGBM text by head; heads with one outcome only have none.
    constants_ : dict of float
        The one outcome of those heads.
    unit_ : float
        Mean value of a row with a purchase and value: spend is learned in units of it, in money.
    levels_ : dict of float
        Factors that level purchases and value, in [0, inf).

    References
    ----------
    .. [1] Ke, G. et al. (2017), "LightGBM: A Highly Efficient Gradient Boosting Decision Tree",
       NeurIPS 30.

    Examples
    --------
    >>> X = pd.DataFrame({"frequency": range(10), "note": "not a number"})
    >>> y = pd.DataFrame({"purchases": range(10), "value": 5.0})
    >>> base = pd.DataFrame(1.0, index=X.index, columns=BASE_COLUMNS)
    >>> model = BoostedValueModel(window_days=90).fit(X, y, base=base)
    >>> model.feature_names_in_
    ['frequency']
    >>> bool(abs(model.forecast(X, base)["expected_value"].sum() - 50.0) < 1e-6)
    True
    """

    feature_names_in_: list[str]
    boosters_: dict[str, str]
    constants_: dict[str, float]
    unit_: float
    levels_: dict[str, float]
    _learned: ClassVar[tuple[str, ...]] = ("feature_names_in_", "constants_", "unit_", "levels_")

    def __init__(
        self,
        window_days: float,
        is_correction: bool = False,
        random_state: int = 0,
        n_jobs: int = 1,
    ) -> None:
        self.window_days = window_days
        self.is_correction = is_correction
        self.random_state = random_state
        self.n_jobs = n_jobs

    @property
    def required_columns(self) -> tuple[str, ...]:
        """The signals needed, in no special order."""
        return tuple(self.feature_names_in_)

    @property
    def names_learned_from(self) -> tuple[str, ...]:
        """What the columns of `contributions` are: the signals, then the latent forecast."""
        return (*self.feature_names_in_, *_LATENT)

    def fit(
        self,
        X: pd.DataFrame,
        y: pd.DataFrame,
        *,
        base: pd.DataFrame,
        sample_weight: npt.ArrayLike | None = None,
    ) -> Self:
        """Learn the outcomes of customers from their signals.

        Parameters
        ----------
        X : DataFrame of shape (n_rows, n_columns)
            Signals; NaN where not known. A customer may stand for several days.
        y : DataFrame of shape (n_rows, n_columns)
            Outcomes within the window, in the order of X: columns purchases (purchase days, in
            [0, inf)) and value (money, may be negative).
        base : DataFrame of shape (n_rows, 3)
            What the latent model expects within the window: columns `BASE_COLUMNS`.
        sample_weight : array-like of shape (n_rows,), optional
            How much each row counts, above 0; all alike where not given.

        Returns
        -------
        Self
            The fitted model.

        Raises
        ------
        ValueError
            If a parameter is out of range, or rows, columns or outcomes are missing.
        ImportError
            If a library is missing that LightGBM needs.
        """
        self._check_parameters()
        purchases, value = checked_outcomes(y, n_rows=len(X))
        self.feature_names_in_ = _feature_names(X)
        spends = (purchases > 0) & (value > 0)
        self.unit_ = float(value[spends].mean()) if spends.any() else 1.0
        rows = np.ascontiguousarray(self.laid(X, base).T)
        offsets = self.offsets(base)
        weight = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight, float)
        everyone = np.ones(len(rows), dtype=bool)
        spent = np.where(spends, value, 0.0)
        targets = {
            "active": ((purchases > 0).astype(float), everyone),
            "purchases": (purchases, everyone),
            "spend": (spent / self.unit_, spends if spends.any() else everyone),
        }
        self.constants_ = {
            head: float(target[of][0]) for head, (target, of) in targets.items()
            if np.ptp(target[of]) == 0
        }  # fmt: skip
        from joblib import Parallel, delayed  # Here: only training pays for it.

        # Each head on one thread, side by side: within a head threads mostly wait for each other.
        heads = [head for head in targets if head not in self.constants_]
        texts = Parallel(n_jobs=self.n_jobs, prefer="threads")(
            delayed(self._boost)(
                head, rows[of], targets[head][0][of], offset=offsets[head][of], weight=weight[of]
            )
            for head in heads
            for of in [targets[head][1]]
        )
        self.boosters_ = dict(zip(heads, texts, strict=True))
        self._restore_boosters()
        self.levels_ = {"purchases": 1.0, "value": 1.0}
        fitted = self.forecast(X, base)
        self.levels_ = {
            "purchases": level(purchases, fitted["expected_purchases"].to_numpy(), weight),
            "value": level(value, fitted["expected_value"].to_numpy(), weight),
        }
        return self

    def forecast(self, X: pd.DataFrame, base: pd.DataFrame) -> pd.DataFrame:
        """Expect what each customer does and is worth within the window of training.

        Parameters
        ----------
        X : DataFrame of shape (n_customers, n_columns)
            Signals; NaN where not known.
        base : DataFrame of shape (n_customers, 3)
            What the latent model expects within the window: columns `BASE_COLUMNS`.

        Returns
        -------
        DataFrame of shape (n_customers, 3), indexed like X
            Columns expected_purchases (purchase days, in [0, inf)), churn_probability (of no
            purchase, in [0, 1]) and expected_value (money, in [0, inf)).
        """
        return pd.DataFrame(self.expect(X, base), index=X.index)

    def expect(
        self, X: Signals, base: Base, wanted: Collection[str] = BASE_COLUMNS
    ) -> dict[str, FloatArray]:
        """Expect as `forecast` does, in arrays.

        Parameters
        ----------
        X : DataFrame of shape (n_customers, n_columns), or Columns
            Signals; NaN where not known.
        base : DataFrame or mapping of str to array of shape (n_customers,)
            What the latent model expects within the window: columns `BASE_COLUMNS`.
        wanted : collection of str
            Which columns of the forecast; no other trees are asked.

        Returns
        -------
        dict of str to array of shape (n_customers,)
            By column.
        """
        check_is_fitted(self)
        laid, offsets = self.laid(X, base), self.offsets(base)

        @cache
        def found(head: str) -> FloatArray:
            return self._predict(head, laid, offsets[head])

        columns: dict[str, Callable[[], FloatArray]] = {
            "expected_purchases": lambda: self.levels_["purchases"] * found("purchases"),
            "churn_probability": lambda: 1.0 - found("active"),
            "expected_value": lambda: (
                self.levels_["value"] * self.unit_ * (found("active") * found("spend"))
            ),
        }
        return {name: column() for name, column in columns.items() if name in wanted}

    def contributions(self, head: str, X: Signals, base: Base) -> FloatArray:
        """Split one head's raw score among what it learned from, exactly [1]_.

        Parameters
        ----------
        head : {"active", "purchases", "spend"}
            Which; the score is a logit for the first and a logarithm for the others.
        X : DataFrame of shape (n_customers, n_columns), or Columns
            Signals.
        base : DataFrame or mapping of str to array of shape (n_customers,)
            The latent forecast.

        Returns
        -------
        array of shape (n_customers, n_features + 1)
            One column a name of `names_learned_from`, and last what all customers share; the
            offset, if there is one, is not among them.

        References
        ----------
        .. [1] Lundberg, S. M. et al. (2020), "From local explanations to global understanding with
           explainable AI for trees", Nature Machine Intelligence 2, algorithm 2.
        """
        check_is_fitted(self)
        rows = np.ascontiguousarray(self.laid(X, base).T)
        if head in self.constants_ or not len(rows):
            return np.zeros((len(rows), rows.shape[1] + 1))
        return self._restored[head].contributions(rows)

    def to_state(self) -> dict[str, Any]:
        """Write the fitted model as data that JSON can hold.

        Returns
        -------
        dict
            As `Model.to_state`, and the key boosters with LightGBM text by head.
        """
        return super().to_state() | {"boosters": dict(self.boosters_)}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Restore a fitted model from what `to_state` wrote.

        Parameters
        ----------
        state : mapping
            Result of `to_state`, straight or read back from JSON.

        Returns
        -------
        Self
            A fitted model that predicts exactly what the original did.
        """
        model = super().from_state(state)
        model.boosters_ = dict(state["boosters"])
        model._restore_boosters()
        return model

    def _check_parameters(self) -> None:
        is_window = is_number(self.window_days) and self.window_days > 0
        is_seed = isinstance(self.random_state, int) and 0 <= self.random_state < 2**31
        is_count = isinstance(self.n_jobs, int) and self.n_jobs >= 1
        for name, rule, holds in (
            ("window_days", "a float in the range (0, inf)", is_window),
            ("is_correction", "True or False", isinstance(self.is_correction, bool)),
            ("random_state", "an int in the range [0, 2**31)", is_seed),
            ("n_jobs", "an int in the range [1, inf)", is_count),
        ):
            check_parameter(self, name, getattr(self, name), rule=rule, holds=holds)

    def laid(self, X: Signals, base: Base) -> FloatArray:
        """Lay out what the trees see.

        Parameters
        ----------
        X : DataFrame of shape (n_customers, n_columns), or Columns
            Signals.
        base : DataFrame or mapping of str to array of shape (n_customers,)
            The latent forecast: columns `BASE_COLUMNS`.

        Returns
        -------
        array of shape (n_features, n_customers)
            One row a name of `names_learned_from`.
        """
        columns = Columns.of(X, self.feature_names_in_)
        columns.require(self.feature_names_in_, type(self).__name__)
        purchases, churn, value = _base_columns(base)
        spend = value / np.maximum(purchases, _SMALLEST_P)
        return columns.laid(self.feature_names_in_, purchases, churn, value, spend)

    def offsets(self, base: Base) -> dict[str, FloatArray]:
        """Give what the trees start from, as raw scores.

        Parameters
        ----------
        base : DataFrame or mapping of str to array of shape (n_customers,)
            The latent forecast: columns `BASE_COLUMNS`.

        Returns
        -------
        dict of str to array of shape (n_customers,)
            By head; all 0 where the model is no correction.
        """
        purchases, churn, value = _base_columns(base)
        if not self.is_correction:
            return dict.fromkeys(HEADS, np.zeros(len(value)))
        active = np.clip(1.0 - churn, _SMALLEST_P, 1.0 - _SMALLEST_P)
        return {
            "active": logit(active),
            "purchases": np.log(np.maximum(purchases, _SMALLEST_P)),
            "spend": np.log(np.maximum(value / active / self.unit_, _SMALLEST_P)),
        }

    def _boost(
        self,
        head: str,
        rows: FloatArray,
        target: FloatArray,
        *,
        offset: FloatArray,
        weight: FloatArray,
    ) -> str:
        """Train one head and give it as text; prediction goes by the text everywhere."""
        return grow_trees(
            rows,
            target,
            objective=_OBJECTIVES[head],
            falls=[name in _FALLING for name in self.names_learned_from],
            offset=offset if self.is_correction else None,
            weight=weight,
            random_state=self.random_state,
        )

    def _restore_boosters(self) -> None:
        self._restored = {head: Trees(text) for head, text in self.boosters_.items()}

    def _predict(self, head: str, laid: FloatArray, offset: FloatArray) -> FloatArray:
        if head in self.constants_ or not len(offset):
            return np.full(len(offset), self.constants_.get(head, 0.0))
        score = self._restored[head].raw_scores(laid) + offset
        return np.asarray(expit(score) if head == "active" else np.exp(score), dtype=float)


def _base_columns(base: Base) -> list[FloatArray]:
    return [np.asarray(base[name], dtype=float) for name in BASE_COLUMNS]


def _feature_names(X: pd.DataFrame) -> list[str]:
    numeric = X.select_dtypes(["number", "bool"])
    names = [str(name) for name in numeric.columns[numeric.notna().any()]]
    names = [name for name in names if name not in _CALENDAR]
    if not names:
        raise ValueError("BoostedValueModel needs one numeric column or more.")
    return sorted(names)
