"""Fits of purchase processes, and the doubt whether they show that customers leave."""

from dataclasses import fields
from typing import NamedTuple

import numpy as np

from models.attrition.history import PurchaseHistory
from models.attrition.process import PurchaseProcess
from models.estimation import Likelihood, Score, Starts, maximise

__all__ = ["ProcessFit", "fit_with_dropout", "fit_without_dropout"]

# A mean dropout below this takes 10,000 purchases, or mean tenures, to lose a customer: nobody
# leaves.
_SMALLEST_DROPOUT = 1e-4
# Akaike: each of two parameters must earn one unit of log-likelihood over the NBD model.
_SMALLEST_GAIN = 2.0


class ProcessFit(NamedTuple):
    """Parameters found, in the unit of time of the data.

    Parameters
    ----------
    parameters : tuple of float
        In the order of the process.
    log_likelihood : float
        Summed over customers.
    doubt : str or None
        Why leaving is not shown, in a sentence.
    """

    parameters: tuple[float, ...]
    log_likelihood: float
    doubt: str | None = None


def fit_without_dropout(history: PurchaseHistory) -> ProcessFit:
    """Fit the NBD model.

    Parameters
    ----------
    history : PurchaseHistory
        One customer or more.

    Returns
    -------
    ProcessFit
        Of r and alpha.
    """
    unit = history.time_unit()
    pace = np.log(1e-3 + np.average(history.x, weights=history.weight))
    starts = [(0.0, -pace), (-1.0, -1.0 - pace)]
    return _fit(PurchaseProcess, history, unit, starts)


def fit_with_dropout(
    process: type[PurchaseProcess],
    history: PurchaseHistory,
    nbd: ProcessFit,
    starts: Starts,
) -> ProcessFit:
    """Fit a process that lets customers leave, and say what speaks against it.

    Parameters
    ----------
    process : type
        A child of `PurchaseProcess` with two parameters of dropout.
    history : PurchaseHistory
        One customer or more.
    nbd : ProcessFit
        What `fit_without_dropout` found.
    starts : sequence of (float, float)
        Logs of the parameters of dropout to start from, times in units of the mean T.

    Returns
    -------
    ProcessFit
        With a doubt where the NBD model is as good; then without parameters of use.
    """
    n_repeaters = int(history.weight[history.x > 0].sum())
    if n_repeaters < 2:
        return nbd._replace(
            doubt="Two customers or more must have bought again to tell leaving from buying "
            f"rarely. Found {n_repeaters}."
        )
    unit = history.time_unit()
    buying = np.log(np.array(nbd.parameters) / [1.0, unit])
    fit = _fit(process, history, unit, [(*buying, *start) for start in starts])
    leaving = process(*fit.parameters).dropout
    if "beta" in process.times:
        leaving *= unit
    return fit._replace(doubt=_doubt(leaving, fit.log_likelihood - nbd.log_likelihood))


def _fit(
    process: type[PurchaseProcess],
    history: PurchaseHistory,
    unit: float,
    starts: Starts,
) -> ProcessFit:
    scaled = history.in_units_of(unit)

    def sample(step: int) -> tuple[float, Score]:
        part = scaled.every(step)
        return float(part.weight.sum()), lambda natural: process(*natural.tolist()).score(part)

    found = maximise(Likelihood(len(scaled), sample), starts)
    # The density is per unit of time, once for each repeat purchase.
    shift = float(history.weight @ history.x) * np.log(unit)
    names = [field.name for field in fields(process)][: len(found.parameters)]
    scales = [unit if name in process.times else 1.0 for name in names]
    return ProcessFit(
        tuple((found.parameters * scales).tolist()), float(found.log_likelihood - shift)
    )


def _doubt(leaving: float, gain: float) -> str | None:
    if leaving < _SMALLEST_DROPOUT:
        return f"Nobody is seen to leave: the mean dropout is {leaving:.2g}."
    if gain < _SMALLEST_GAIN:
        return (
            f"Leaving adds {gain:.3g} to the log-likelihood of the NBD model. "
            f"Its two parameters must add {_SMALLEST_GAIN:g}."
        )
    return None
