"""How a change is shared out among what caused it, without a remainder.

References
----------
.. [1] Shapley, L. S. (1953), "A value for n-person games", Contributions to the Theory of Games 2,
   307-317.
.. [2] Ang, B. W. (2004), "Decomposition analysis for policymaking in energy: which is the preferred
   method?", Energy Policy 32, 1131-1139.
.. [3] Chen, H., Lundberg, S. M. and Lee, S.-I. (2022), "Explaining a series of models by
   propagating Shapley values", Nature Communications 13, 4512.
"""

from functools import cache
from math import factorial

import numpy as np
from scipy.special import expit

from models.attrition.history import IntArray
from models.base import FloatArray

__all__ = ["exp_slope", "expit_slope", "passed_on", "product_weights", "shapley_values"]

# Below this difference the slope of a chord is that of the tangent, to the last digits.
_SAME = 1e-7
# Where parts outweigh their sum tenfold, they are passed on by size rather than by sign.
_DAMPING = 0.01


def shapley_values(worth: FloatArray) -> FloatArray:
    """Share the change from nobody to everybody among the players, fairly.

    Eq 14 from [1]: the mean, over all orders, of what a player adds to those before.

    Parameters
    ----------
    worth : array of shape (2 ** n_players, n_rows)
        What each coalition is worth; player i takes part where bit i of its number is set.

    Returns
    -------
    array of shape (n_players, n_rows)
        It adds up to the last coalition's worth less the first's.

    Examples
    --------
    >>> shapley_values(np.array([[0.0], [1.0], [2.0], [6.0]])).ravel().round(9).tolist()
    [2.5, 3.5]
    """
    without, with_player, weights = _coalitions((len(worth) - 1).bit_length())
    # (n_players, n_coalitions of the others, n_rows)
    added = worth[with_player] - worth[without]
    shares: FloatArray = (weights[..., None] * added).sum(axis=1)
    return shares


@cache
def _coalitions(n_players: int) -> tuple[IntArray, IntArray, FloatArray]:
    """By player, the coalitions without and with it, and the share of orders in which it joins."""
    without = [
        [others for others in range(1 << n_players) if not others >> player & 1]
        for player in range(n_players)
    ]
    with_player = [[others | 1 << player for others in row] for player, row in enumerate(without)]
    weights = [
        [_share_of_orders(others.bit_count(), n_players) for others in row] for row in without
    ]
    return np.array(without), np.array(with_player), np.array(weights)


def _share_of_orders(n_before: int, n_players: int) -> float:
    orders = factorial(n_before) * factorial(n_players - 1 - n_before)
    return orders / factorial(n_players)


def product_weights(now: FloatArray, then: FloatArray) -> FloatArray:
    """Weigh the changes of three factors, so that they add up to the change of their product.

    These are the Shapley values of the product, divided by the changes: no logarithm, so factors
    may be 0 or negative.

    Parameters
    ----------
    now, then : arrays of shape (3, n_rows) or (3, 1)
        The factors.

    Returns
    -------
    array of shape (3, n_rows)
        What a change of 1 in each factor is worth.

    Examples
    --------
    >>> now, then = np.array([[2.0], [4.0], [6.0]]), np.array([[1.0], [1.0], [0.0]])
    >>> float((product_weights(now, then) * (now - then)).sum())  # 2 x 4 x 6 - 1 x 1 x 0
    48.0
    """
    weights = []
    for factor in range(3):
        a, b = (factor + 1) % 3, (factor + 2) % 3
        same = (now[a] * now[b] + then[a] * then[b]) / 3
        mixed = (now[a] * then[b] + then[a] * now[b]) / 6
        weights.append(same + mixed)
    return np.stack(weights)


def exp_slope(now: FloatArray, then: FloatArray) -> FloatArray:
    """Convert contributions to a logarithm into contributions to the number itself.

    The logarithmic mean of both numbers, by which LMDI-I weighs log changes [2].

    Parameters
    ----------
    now, then : arrays that broadcast
        The logarithms.

    Returns
    -------
    array
        The change of the number per change of its logarithm, in [0, inf).

    Examples
    --------
    >>> now, then = np.log([6.0, 2.0]), np.log([2.0, 2.0])
    >>> (exp_slope(now, then) * (now - then)).round(9).tolist()
    [4.0, 0.0]
    """
    return _slope(np.exp(now), np.exp(then), now - then, np.exp((now + then) / 2))


def expit_slope(now: FloatArray, then: FloatArray) -> FloatArray:
    """Convert contributions to a logit into contributions to the probability itself.

    Parameters
    ----------
    now, then : arrays that broadcast
        The logits.

    Returns
    -------
    array
        The change of the probability per change of its logit, in [0, 0.25].
    """
    middle = expit((now + then) / 2)
    return _slope(expit(now), expit(then), now - then, middle * (1 - middle))


def _slope(now: FloatArray, then: FloatArray, run: FloatArray, tangent: FloatArray) -> FloatArray:
    far = np.abs(run) > _SAME
    return np.divide(now - then, run, out=tangent.copy(), where=far)


def passed_on(amounts: FloatArray, parts: FloatArray) -> FloatArray:
    """Pass amounts that are owed to intermediate quantities on to what moved these.

    In proportion to a quantity's own contributions (the rescale rule of [3]). Where these nearly
    cancel out, proportions would explode: there the sizes count and the signs do not.

    Parameters
    ----------
    amounts : array of shape (..., n_rows)
        What is owed to each quantity.
    parts : array of shape (..., n_signals, n_rows)
        Each quantity's contributions by signal.

    Returns
    -------
    array of shape (..., n_signals, n_rows)
        By signal; they add up to the amounts. In equal parts where nothing moved the quantity.

    Examples
    --------
    >>> parts = np.array([[3.0, 1.0, 0.0], [1.0, -1.0, 0.0]])
    >>> passed_on(np.array([8.0, 8.0, 8.0]), parts).round(2).tolist()
    [[6.0, 4.0, 4.0], [2.0, 4.0, 4.0]]
    """
    largest = np.abs(parts).max(axis=-2, keepdims=True)
    # Parts so small that their squares are 0 have moved nothing either.
    parts = np.divide(parts, largest, out=np.ones_like(parts), where=largest > 0)
    sizes = np.abs(parts)
    size, change = sizes.sum(axis=-2, keepdims=True), parts.sum(axis=-2, keepdims=True)
    pull = change * parts + _DAMPING * size * sizes
    passed: FloatArray = amounts[..., None, :] * (pull / (change**2 + _DAMPING * size**2))
    return passed
