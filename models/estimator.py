"""What scikit-learn asks of an estimator, without importing scikit-learn.

Its import takes more processor time than all else that the service imports to forecast. It is
imported where it is needed itself: to fit, to refuse, and when scikit-learn asks for its tags.
"""

import inspect
from typing import Any, Self

__all__ = ["Estimator", "check_is_fitted"]


class Estimator:
    """An estimator by scikit-learn's contract: clones, pickles, and stands in its pipelines.

    Examples
    --------
    >>> class ConstantModel(Estimator):
    ...     def __init__(self, constant: float = 1.0, unit: str = "day") -> None:
    ...         self.constant, self.unit = constant, unit
    >>> ConstantModel().set_params(constant=2.0)
    ConstantModel(constant=2.0)
    """

    @classmethod
    def _defaults(cls) -> dict[str, Any]:
        parameters = inspect.signature(cls).parameters
        return {name: parameters[name].default for name in sorted(parameters)}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Give the parameters, as they were given to the class.

        Parameters
        ----------
        deep : bool, default True
            Ignored: no parameter of these models is an estimator.

        Returns
        -------
        dict
            By name, sorted.
        """
        del deep
        return {name: getattr(self, name) for name in self._defaults()}

    def set_params(self, **params: object) -> Self:
        """Set parameters.

        Parameters
        ----------
        **params : object
            By name.

        Returns
        -------
        Self
            The estimator.

        Raises
        ------
        ValueError
            If there is no parameter of such a name. None is set then.
        """
        known = list(self._defaults())
        for name in params:
            if name not in known:
                raise ValueError(f"{type(self).__name__} has the parameters {known}. Got {name!r}.")
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        given = self.get_params()
        shown = [f"{k}={given[k]!r}" for k, usual in self._defaults().items() if given[k] != usual]
        return f"{type(self).__name__}({', '.join(shown)})"

    def __sklearn_tags__(self) -> Any:
        from sklearn.base import BaseEstimator

        return BaseEstimator.__sklearn_tags__(self)


def check_is_fitted(estimator: object) -> None:
    """Refuse an estimator without a fitted attribute: one whose name ends in an underscore.

    Parameters
    ----------
    estimator : object
        Any.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If it is not fitted.
    """
    if any(name.endswith("_") and not name.startswith("__") for name in vars(estimator)):
        return
    from sklearn.exceptions import NotFittedError

    raise NotFittedError(
        f"This {type(estimator).__name__} instance is not fitted yet. Call 'fit' with appropriate "
        "arguments before using this estimator."
    )
