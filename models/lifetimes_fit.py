"""Parameters by the fitters of lifetimes: quietly, and without their exceptions.

lifetimes is imported inside the function: only training needs it. Its import and its fits change
warning filters, warn and print; all of that stays in here.
"""

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from models.base import FloatArray

__all__ = ["Converged", "converged_parameters", "silence"]


class Converged(NamedTuple):
    """The parameters of a fit that converged.

    Parameters
    ----------
    parameters : dict of float
        By the paper's symbols, on the time and money of the data.
    penalty : float
        The penalty that was needed, in [0, inf).
    """

    parameters: dict[str, float]
    penalty: float


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Keep what lifetimes warns and prints from the caller.

    Yields
    ------
    None
        While it is quiet.
    """
    with (
        warnings.catch_warnings(),
        np.errstate(all="ignore"),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield


def converged_parameters(
    fitter: str,
    penalties: Sequence[float],
    accept: Callable[[dict[str, float]], bool] = bool,
    **data: FloatArray,
) -> Converged | None:
    """Fit with one penalty after another until one converges.

    Parameters
    ----------
    fitter : str
        A class of lifetimes, such as "BetaGeoFitter".
    penalties : sequence of float
        Tried in this order, each in [0, inf).
    accept : callable
        Whether parameters are of use; refused ones count as not converged.
    **data : array of shape (n_rows,)
        Handed to the fitter's `fit`. Must be valid: an error is taken for non-convergence.

    Returns
    -------
    Converged or None
        None where no penalty helps.
    """
    for penalty in penalties:
        with silence():
            parameters = _parameters(fitter, penalty, data)
        if parameters and accept(parameters):
            return Converged(parameters, float(penalty))
    return None


def _parameters(fitter: str, penalty: float, data: dict[str, FloatArray]) -> dict[str, float]:
    """Parameters of one fit, none where it fails or runs away."""
    import lifetimes

    try:
        fitted = getattr(lifetimes, fitter)(penalizer_coef=penalty).fit(**data)
    except (ValueError, ArithmeticError):  # ConvergenceError and LinAlgError are ValueErrors
        return {}
    parameters = {name: float(value) for name, value in fitted.params_.items()}
    usable = all(np.isfinite(value) and value > 0 for value in parameters.values())
    return parameters if usable else {}
