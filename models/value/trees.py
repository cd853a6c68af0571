"""Boosted trees as LightGBM text: grown the same way each time, restored without running code."""

from collections.abc import Sequence
from functools import cached_property
from types import ModuleType
from typing import Any

import numpy as np

from models.base import FloatArray
from models.value.tree_text import Tree, trees_of

__all__ = ["Trees", "grow_trees", "load_lightgbm"]

_N_TREES = 150
# 7 leaves are better out of time than 15 (CDNOW: Tweedie deviance .720, not .766).
_N_LEAVES = 7
# The answers at the nodes of a tree, one fewer than its leaves, are the bits of one byte.
_MOST_LEAVES = 9
# What is computed for so many rows at a time stays in a processor's cache.
_BLOCK_ROWS = 512
# A thousand rows take less time on one thread than it takes to wake another.
_ROWS_FOR_THREADS = 10_000
# The condition of a node that is not there.
_ALWAYS = (0, np.inf)


def load_lightgbm() -> ModuleType:
    """Import LightGBM late: it takes a second, and forecasts do without it.

    Returns
    -------
    module
        Of that name.

    Raises
    ------
    ImportError
        If a library is missing that LightGBM needs.
    """
    try:
        import lightgbm
    except OSError as error:
        if "libgomp" not in str(error):
            raise
        raise ImportError(
            "LightGBM needs the system library libgomp1: "
            "install it with 'apt-get install libgomp1'."
        ) from error
    return lightgbm


def grow_trees(
    rows: FloatArray,
    target: FloatArray,
    *,
    objective: str,
    falls: Sequence[bool],
    offset: FloatArray | None,
    weight: FloatArray,
    random_state: int,
) -> str:
    """Boost trees on one thread.

    Parameters
    ----------
    rows : array of shape (n_rows, n_columns)
        What to learn from; NaN where not known.
    target : array of shape (n_rows,)
        What to learn.
    objective : str
        LightGBM's name of the loss.
    falls : sequence of bool, shape (n_columns,)
        Whether the prediction must not rise with the column.
    offset : array of shape (n_rows,) or None
        Raw scores to start from.
    weight : array of shape (n_rows,)
        How much each row counts, above 0.
    random_state : int
        Seed of the sampling of rows and columns, in [0, 2**31).

    Returns
    -------
    str
        LightGBM text.

    Raises
    ------
    ImportError
        If a library is missing that LightGBM needs.
    """
    lightgbm = load_lightgbm()
    settings = {
        "objective": objective,
        "learning_rate": 0.04,
        "num_leaves": _N_LEAVES,
        # A leaf of 1 % of the rows, 20 to 200, has seen enough zeros to know their share.
        "min_data_in_leaf": int(np.clip(len(rows) // 100, 20, 200)),
        "max_bin": 127,
        "feature_fraction": 0.7,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "lambda_l2": 5.0,
        "monotone_constraints": [-int(fall) for fall in falls],
        "seed": random_state,
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
    dataset = lightgbm.Dataset(rows, target, weight=weight, init_score=offset)
    text: str = lightgbm.train(settings, dataset, _N_TREES).model_to_string()
    return text


class Trees:
    """Boosted trees read back from LightGBM text: raw scores, and what they are owed to.

    LightGBM walks a row through one tree after the other, and mostly waits for the next node. Here
    the conditions of all nodes are tested for many rows at a time, and the answers of a tree are
    the bits of a number by which its leaf is looked up: a quarter of the time, for one row and for
    a million, and the same sum to the last bit.

    Parameters
    ----------
    text : str
        What `grow_trees` gave.

    Raises
    ------
    ValueError
        If the trees have splits that `grow_trees` does not make.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        trees = trees_of(text)
        n_nodes = max(len(tree.nodes) for tree in trees)
        if n_nodes >= _MOST_LEAVES:
            raise ValueError(f"Trees must have at most {_MOST_LEAVES} leaves. Got {n_nodes + 1}.")
        conditions = sorted({node for tree in trees for node in tree.nodes} | {_ALWAYS})
        place = {condition: number for number, condition in enumerate(conditions)}
        self._side = np.array([side for side, _ in conditions])
        self._threshold = np.array([[threshold] for _, threshold in conditions])
        padded = [[*tree.nodes, *[_ALWAYS] * (n_nodes - len(tree.nodes))] for tree in trees]
        nodes = [[place[condition] for condition in tree] for tree in padded]
        self._nodes = np.array(nodes, dtype=np.intp).reshape(len(trees), n_nodes)
        self._leaves = np.concatenate([_by_answers(tree, n_nodes) for tree in trees])
        self._first_leaf = (np.arange(len(trees)) << n_nodes)[:, None]

    def raw_scores(self, laid: FloatArray) -> FloatArray:
        """Add up the trees.

        Parameters
        ----------
        laid : array of shape (n_columns, n_rows)
            One row a column of those learned from; NaN where not known.

        Returns
        -------
        array of shape (n_rows,)
            Raw scores, without offset.
        """
        starts = range(0, max(laid.shape[1], 1), _BLOCK_ROWS)
        blocks = [self._add_up(laid[:, start : start + _BLOCK_ROWS]) for start in starts]
        return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)

    def contributions(self, rows: FloatArray) -> FloatArray:
        """Split raw scores among the columns, by TreeSHAP.

        Parameters
        ----------
        rows : array of shape (n_rows, n_columns)
            What to score, one row or more.

        Returns
        -------
        array of shape (n_rows, n_columns + 1)
            Last what all rows share.

        Raises
        ------
        ImportError
            If a library is missing that LightGBM needs.
        """
        n_threads = 0 if len(rows) >= _ROWS_FOR_THREADS else 1
        found = self._booster.predict(rows, pred_contrib=True, num_threads=n_threads)
        return np.asarray(found, dtype=float)

    @cached_property
    def _booster(self) -> Any:
        return load_lightgbm().Booster(model_str=self._text)

    def _add_up(self, laid: FloatArray) -> FloatArray:
        # Where a node sends NaN to the left, it is less than all numbers, and else greater.
        both = np.concatenate([np.fmax(laid, -np.inf), np.fmin(laid, np.inf)])
        answers = (both.take(self._side, axis=0) <= self._threshold).view(np.uint8)
        if laid.shape[1] == 1:
            number = np.packbits(answers.take(self._nodes), axis=1, bitorder="little")
            leaves = self._leaves.take(number + self._first_leaf)
            # LightGBM adds one by one, as this does; numpy would add a column in pairs.
            return np.asarray(np.add.accumulate(leaves, axis=0)[-1], dtype=float)
        number = np.zeros((len(self._nodes), laid.shape[1]), dtype=np.uint8)
        for node in self._nodes.T[::-1]:
            number += number
            number += answers.take(node, axis=0)
        leaves = self._leaves.take(number + self._first_leaf)  # (n_trees, n_rows)
        return np.asarray(np.add.reduce(leaves, axis=0), dtype=float)


def _by_answers(tree: Tree, n_nodes: int) -> FloatArray:
    """Give the leaf of every combination of answers, whose bit i says left at the node i."""
    answers = np.arange(1 << n_nodes)
    found = np.zeros(len(answers))
    for path, value in tree.leaves:
        here = np.ones(len(answers), dtype=bool)
        for node, is_left in path.items():
            here &= (answers >> node & 1).astype(bool) == is_left
        found[here] = value
    return found
