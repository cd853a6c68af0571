"""What the wholesaler sells: 200 products in 8 categories, the same in every company."""

import numpy as np

from simulation.world import FloatArray, IntArray

__all__ = ["CATEGORIES", "COSTS", "N_RANKS", "PRICES", "RANKS", "mean_of_category", "product_names"]

CATEGORIES = (
    "adhesives",
    "cleaning",
    "electrical",
    "fasteners",
    "lighting",
    "packaging",
    "safety",
    "tools",
)
_PER_CATEGORY = 25
# A product's rank in its category is drawn from a table of this length: one whole random number a
# line, and the mean price is known exactly.
N_RANKS = 4096


def _catalogue() -> tuple[FloatArray, FloatArray]:
    rng = np.random.default_rng(20260101)
    level = np.array([6.0, 4.0, 14.0, 2.0, 18.0, 3.0, 11.0, 24.0])  # (n_categories,)
    spread = rng.lognormal(0.0, 0.5, (len(CATEGORIES), _PER_CATEGORY))
    prices = np.round(level[:, None] * spread, 2)
    # Category and product decide how much of the list price the goods cost.
    rate = np.linspace(0.45, 0.65, len(CATEGORIES))[:, None] + rng.uniform(
        -0.08, 0.08, spread.shape
    )
    return prices.ravel(), np.round(prices * rate, 2).ravel()


def _ranks() -> IntArray:
    """Let a product of rank r sell as often as 1 / (r + 3): few sell much, many a little."""
    share = 1 / (np.arange(_PER_CATEGORY) + 3)
    limits = np.cumsum(share / share.sum())
    return np.searchsorted(limits, (np.arange(N_RANKS) + 0.5) / N_RANKS).astype(np.int64)


PRICES, COSTS = _catalogue()  # each (n_products,), money a unit, list price and cost
RANKS = _ranks()  # (N_RANKS,)


def mean_of_category(values: FloatArray) -> FloatArray:
    """Average a figure of the products as often as they sell.

    Parameters
    ----------
    values : array of shape (n_products,)
        `PRICES` or `COSTS`.

    Returns
    -------
    array of shape (n_categories,)
        The mean of a line of each category, before quantity.
    """
    means: FloatArray = values.reshape(len(CATEGORIES), _PER_CATEGORY)[:, RANKS].mean(axis=1)
    return means


def product_names() -> list[str]:
    """Name the products.

    Returns
    -------
    list of str
        In the order of `PRICES`.
    """
    return [
        f"{category[:2].upper()}-{number:03d}"
        for category in CATEGORIES
        for number in range(1, _PER_CATEGORY + 1)
    ]
