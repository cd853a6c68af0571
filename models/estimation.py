"""Maximum likelihood for purchase processes: quick on millions of customers, never astray."""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from models.base import FloatArray

__all__ = ["LOG_BOUND", "Likelihood", "Loss", "Maximum", "Score", "Starts", "maximise"]

# Bounds on the logs of all parameters, with time in units of the mean T and money in units of the
# mean: beyond e^12 the gamma functions lose their digits.
LOG_BOUND = 12.0
# Precision of the normal priors on the logs. At the bounds a prior costs 0.007 units of
# log-likelihood, so no estimate moves by a thousandth of its standard error; it only decides where
# the likelihood is flat, as in a ledger without repeat purchases.
_PRIOR_PRECISION = 1e-4
# Rows of the first fits. The search takes a hundred evaluations, so it is done on 1,000 rows, whose
# estimate is a good start on 10,000, and theirs on all rows: these then take five evaluations.
_LADDER = (1_000, 10_000)
# Within this distance of a bound a parameter counts as not identified by the sample.
_EDGE = 4.0
# Where a sample ran to an edge, the next search starts this near to the middle.
_INSIDE = 3.0
_STEP = 1e-4  # of the differences that give the curvature from the gradient

# Slope of the mean log posterior above which the quasi-Newton steps have not arrived. They ask for
# 3e-8, but may stop before where rounding hides progress.
_FLAT = 1e-6

Starts = Sequence[Sequence[float] | FloatArray]
"""Points to start from: logs of the parameters."""

Score = Callable[[FloatArray], tuple[float, FloatArray]]
"""From natural parameters to a log-likelihood and its derivatives."""

Loss = Callable[[FloatArray], tuple[float, FloatArray]]
"""Minus the mean log posterior of the logs of the parameters, and its gradient."""


class Likelihood:
    """The log-likelihood of rows of data, of all of them or of a sample.

    Parameters
    ----------
    n_rows : int
        How many.
    sample : callable
        Given a step, returns the weight of every step-th row, and a function from natural
        parameters to the summed log-likelihood of these rows and its derivatives.
    """

    def __init__(self, n_rows: int, sample: Callable[[int], tuple[float, Score]]) -> None:
        self.n_rows = n_rows
        self._sample = sample

    def loss(self, step: int) -> tuple[float, Loss]:
        """Make the function to minimise from every step-th row.

        Parameters
        ----------
        step : int
            1 or more; 1 for all rows.

        Returns
        -------
        (float, callable)
            The weight of these rows, and from log parameters to a loss and its gradient.
        """
        weight, score = self._sample(step)

        def loss(theta: FloatArray) -> tuple[float, FloatArray]:
            natural = np.exp(np.clip(theta, -LOG_BOUND - 1, LOG_BOUND + 1))
            value, gradient = score(natural)
            posterior = value + _log_prior(theta)
            slope = natural * gradient - _PRIOR_PRECISION * theta
            return -posterior / weight, -slope / weight

        return weight, loss

    def ladder(self) -> Iterator[int]:
        """Give the steps at which to fit, one after the other, 1 as the last.

        Yields
        ------
        int
            Falling.
        """
        for rows in _LADDER:
            if self.n_rows > 2 * rows:
                yield self.n_rows // rows
        yield 1


class Maximum(NamedTuple):
    """The most likely parameters.

    Parameters
    ----------
    parameters : array of shape (n_parameters,)
        Natural ones.
    log_likelihood : float
        There, without the priors.
    """

    parameters: FloatArray
    log_likelihood: float


def maximise(data: Likelihood, starts: Starts) -> Maximum:
    """Find the most likely parameters.

    Samples of the rows give a starting point and the curvature; quasi-Newton steps on all rows
    follow, so the result is the optimum of all rows.

    Parameters
    ----------
    data : Likelihood
        Rows and their log-likelihood.
    starts : sequence of sequence of float
        Starting points: logs of the parameters.

    Returns
    -------
    Maximum
        Over parameters whose logs are within plus or minus `LOG_BOUND`.
    """
    # BLAS would multiply four numbers by four on all processors, and wait for each of them: with a
    # busy neighbour that makes a fit ten times slower.
    with _blas().limit(limits=1):
        return _climb(data, starts)


@cache
def _blas() -> Any:
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return ThreadpoolController()


def _minimize(loss: Loss, start: FloatArray, **how: Any) -> Any:
    from scipy.optimize import minimize  # Here: a service, which fits nothing, is there sooner.

    return minimize(loss, start, jac=True, **how)


def _climb(data: Likelihood, starts: Starts) -> Maximum:
    theta: FloatArray | None = None
    spread: FloatArray | None = None
    value = np.inf
    for step in data.ladder():
        weight, loss = data.loss(step)
        if spread is None:
            inside: Starts = starts if theta is None else [np.clip(theta, -_INSIDE, _INSIDE)]
            theta, value = _search(loss, inside)
            spread = _spread(loss, theta)
        if spread is not None and theta is not None:
            theta, value = _polish(loss, theta, spread)
            spread = _spread(loss, theta) if step > 1 else None
    assert theta is not None  # the ladder has a last step
    return Maximum(np.exp(theta), -value * weight - _log_prior(theta))


def _log_prior(theta: FloatArray) -> float:
    return -0.5 * _PRIOR_PRECISION * float(theta @ theta)


def _search(loss: Loss, starts: Starts) -> tuple[FloatArray, float]:
    found = [
        _minimize(
            loss,
            np.clip(start, -LOG_BOUND, LOG_BOUND),
            method="L-BFGS-B",
            bounds=[(-LOG_BOUND, LOG_BOUND)] * len(start),
            options={"ftol": 1e-14, "gtol": 1e-8, "maxiter": 500},
        )
        for start in starts
    ]
    best = min(found, key=lambda result: float(result.fun))
    return best.x, float(best.fun)


def _spread(loss: Loss, theta: FloatArray) -> FloatArray | None:
    """Inverse of the curvature; None at an edge or on a slope, where it would mislead."""
    if (np.abs(theta) > LOG_BOUND - _EDGE).any():
        return None
    slope = loss(theta)[1]
    curvature = np.array([loss(theta + step)[1] - slope for step in _STEP * np.eye(len(theta))])
    curvature = (curvature + curvature.T) / (2 * _STEP)
    values, vectors = np.linalg.eigh(curvature)
    if values[0] <= 1e-9 * values[-1]:
        return None
    root = vectors / np.sqrt(values)
    inverse: FloatArray = root @ root.T  # symmetric to the last bit, which scipy asks for
    return inverse


def _polish(loss: Loss, theta: FloatArray, spread: FloatArray) -> tuple[FloatArray, float]:
    polished = _minimize(
        loss,
        theta,
        method="BFGS",
        options={"hess_inv0": spread, "gtol": 3e-8, "maxiter": 100},
    )
    astray = (np.abs(polished.x) > LOG_BOUND).any() or np.abs(polished.jac).max() > _FLAT
    if astray:
        return _search(loss, [theta, np.clip(polished.x, -LOG_BOUND, LOG_BOUND)])
    return polished.x, float(polished.fun)
