"""What all models share: checks at the door, and a fitted model as plain data."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from models.columns import Columns, Signals
from models.estimator import Estimator, check_is_fitted

__all__ = [
    "FloatArray",
    "Model",
    "check_horizon",
    "check_parameter",
    "check_penalties",
    "checked_columns",
    "is_number",
    "refuse_rows",
]

FloatArray = npt.NDArray[np.float64]


class Model(Estimator):
    """An estimator whose fitted form is plain data.

    A child names in `_learned` the attributes that `fit` learns; they must be numbers, text,
    None, or lists and mappings of these. `to_state` and `from_state` follow from that.
    """

    _learned: ClassVar[tuple[str, ...]] = ()

    def to_state(self) -> dict[str, Any]:
        """Write the fitted model as data that JSON can hold.

        Returns
        -------
        dict
            Keys model (class name), params (as given to the class) and learned.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the model is not fitted.
        """
        check_is_fitted(self)
        return {
            "model": type(self).__name__,
            "params": self.get_params(deep=False),
            "learned": {name: getattr(self, name) for name in self._learned},
        }

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

        Raises
        ------
        ValueError
            If the state was written by another model.
        """
        if state.get("model") != cls.__name__:
            raise ValueError(
                f"The state of {state.get('model')!r} cannot restore a {cls.__name__}."
            )
        model = cls(**state["params"])
        for name in cls._learned:
            setattr(model, name, state["learned"][name])
        return model


def check_parameter(owner: object, name: str, value: object, *, rule: str, holds: bool) -> None:
    """Refuse a parameter's value that breaks its rule, in scikit-learn's words.

    Parameters
    ----------
    owner : object
        The estimator that has the parameter.
    name : str
        The parameter's name.
    value : object
        The value given.
    rule : str
        What the value must be, such as "a float in the range [0, inf)".
    holds : bool
        Whether it is.

    Raises
    ------
    ValueError
        If the rule does not hold.

    Examples
    --------
    >>> class BetaGeoModel: ...
    >>> rule = "a float in the range [0, inf)"
    >>> check_parameter(BetaGeoModel(), "penalty", -0.1, rule=rule, holds=False)
    Traceback (most recent call last):
    ValueError: The 'penalty' parameter of BetaGeoModel must be a float in the range [0, inf). \
Got -0.1 instead.
    """
    if not holds:
        raise ValueError(
            f"The '{name}' parameter of {type(owner).__name__} must be {rule}. "
            f"Got {value!r} instead."
        )


def is_number(value: object) -> bool:
    """Say whether a value is a finite real number, and not a truth value.

    Parameters
    ----------
    value : object
        Anything.

    Returns
    -------
    bool
        Whether it is.

    Examples
    --------
    >>> is_number(0.5), is_number(True), is_number(float("nan"))
    (True, False, False)
    """
    is_real = isinstance(value, int | float | np.integer | np.floating)
    return is_real and not isinstance(value, bool) and math.isfinite(value)  # type: ignore[arg-type]


def check_horizon(owner: object, horizon_days: float) -> None:
    """Refuse a horizon that is not a finite number of days, zero or more.

    Parameters
    ----------
    owner : object
        The estimator that was asked.
    horizon_days : float
        Days to look ahead, in [0, inf).

    Raises
    ------
    ValueError
        If it is anything else.
    """
    holds = is_number(horizon_days) and horizon_days >= 0
    rule = "a float in the range [0, inf)"
    check_parameter(owner, "horizon_days", horizon_days, rule=rule, holds=holds)


def check_penalties(owner: object, penalties: Sequence[float]) -> None:
    """Refuse penalties that are not a non-empty list of numbers, zero or more.

    Parameters
    ----------
    owner : object
        The estimator that has them.
    penalties : sequence of float
        Each in [0, inf).

    Raises
    ------
    ValueError
        If they are anything else.
    """
    is_list = isinstance(penalties, list | tuple) and len(penalties) > 0
    holds = is_list and all(is_number(penalty) and penalty >= 0 for penalty in penalties)
    rule = "a non-empty list of floats in the range [0, inf)"
    check_parameter(owner, "penalties", penalties, rule=rule, holds=holds)


def refuse_rows(
    bad: npt.NDArray[np.bool_], columns: Columns, *, what: str, show: Sequence[str], hint: str
) -> None:
    """Refuse data with bad rows: how many, the first of them, and the way out.

    Parameters
    ----------
    bad : array of bool, shape (n_customers,)
        The rows that break the rule.
    columns : Columns
        The data they stand in.
    what : str
        The rule broken, such as "recency exceeds T".
    show : sequence of str
        Columns whose values are shown for the first bad row.
    hint : str
        What to look at.

    Raises
    ------
    ValueError
        If any row is bad.
    """
    if bad.any():
        first = int(np.argmax(bad))
        example = ", ".join(f"{column} {columns[column][first]}" for column in show)
        raise ValueError(
            f"{what} for {int(bad.sum()):,} of {len(columns):,} customers "
            f"(first: {columns.customers[first]!r}, {example}). {hint}"
        )


def checked_columns(
    X: Signals,
    names: Sequence[str],
    owner: object,
    *,
    nullable: Collection[str] = (),
    signed: Collection[str] = (),
    at_least: int = 0,
) -> Columns:
    """Take the columns a model needs, as floats that it can compute with.

    Parameters
    ----------
    X : DataFrame of shape (n_customers, n_columns), indexed by customer, or Columns
        Signals, in any order of columns; further columns are ignored.
    names : sequence of str
        The columns needed.
    owner : object
        The model that needs them, for the message.
    nullable : collection of str
        Columns that may be null.
    signed : collection of str
        Columns that may be negative.
    at_least : int
        The fewest customers that will do, 0 or more.

    Returns
    -------
    Columns
        With those needed, in the order of X; null is NaN.

    Raises
    ------
    ValueError
        If columns or customers are missing, or a value is null, infinite or negative where it may
        not be, or recency exceeds T.

    Examples
    --------
    >>> import pandas as pd
    >>> late = pd.DataFrame({"recency": [412.0], "T": [400.0]}, index=["C-0192"])
    >>> checked_columns(late, ["recency", "T"], object())
    Traceback (most recent call last):
    ValueError: recency exceeds T for 1 of 1 customers (first: 'C-0192', recency 412.0, T 400.0). \
Was as_of set before the last order?
    """
    name, columns = type(owner).__name__, Columns.of(X, names)
    columns.require(names, name)
    if len(columns) < at_least:
        raise ValueError(f"{name} needs {at_least} or more customers. Found {len(columns)}.")
    for column in names:
        values = columns[column]
        broken = np.isinf(values) if column in nullable else ~np.isfinite(values)
        hint = f"{name} needs a number there."
        refuse_rows(broken, columns, what=f"{column} is not finite", show=[column], hint=hint)
        if column not in signed:
            hint = f"{name} needs 0 or more there."
            refuse_rows(values < 0, columns, what=f"{column} is negative", show=[column], hint=hint)
    if {"recency", "T"} <= set(names):
        refuse_rows(
            columns["recency"] > columns["T"],
            columns,
            what="recency exceeds T",
            show=["recency", "T"],
            hint="Was as_of set before the last order?",
        )
    return columns
