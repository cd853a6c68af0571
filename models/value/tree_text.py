"""LightGBM's text of boosted trees, read without LightGBM, whose import takes a second."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

__all__ = ["Tree", "trees_of"]

# Bits of a node's decision_type; the two above them say how a missing value is known.
_IS_CATEGORICAL, _IS_LEFT_IF_MISSING = 1, 2
_MISSING = ("None", "Zero", "NaN", "unknown")


class Tree(NamedTuple):
    """A tree as conditions and the paths to its leaves.

    Parameters
    ----------
    nodes : list of (int, float)
        Side and threshold: a row goes left where it is at most the threshold. The side is the
        place of the column and, where missing values go right, the number of columns more.
    leaves : list of (mapping of int to bool, float)
        By node on the path whether it goes left there, and the leaf's value.
    """

    nodes: list[tuple[int, float]]
    leaves: list[tuple[dict[int, bool], float]]


def trees_of(text: str) -> list[Tree]:
    """Read the trees.

    Parameters
    ----------
    text : str
        What LightGBM wrote of a model that it boosted.

    Returns
    -------
    list of Tree
        In the order in which they are added up.

    Raises
    ------
    ValueError
        If it is no such text, or the trees do more than split numbers at thresholds.
    """
    head, *parts = text.partition("\nend of trees")[0].split("\nTree=")
    try:
        n_columns = int(_fields(head)["max_feature_idx"]) + 1
        return [_tree(_fields(part), n_columns) for part in parts]
    except (KeyError, IndexError):
        raise ValueError("This is no text of LightGBM's, or not the whole of it.") from None


def _fields(part: str) -> dict[str, str]:
    lines = (line.partition("=") for line in part.splitlines())
    return {name: value for name, _, value in lines}


def _tree(fields: Mapping[str, str], n_columns: int) -> Tree:
    values = np.array(fields["leaf_value"].split(), dtype=float).tolist()
    if fields["num_leaves"] == "1":
        return Tree([], [({}, values[0])])
    if fields["is_linear"] != "0":
        raise ValueError("Trees must have constant leaves. Got linear ones instead.")
    names = ("split_feature", "decision_type", "left_child", "right_child")
    columns, decisions, left, right = ([int(n) for n in fields[name].split()] for name in names)
    thresholds = np.array(fields["threshold"].split(), dtype=float).tolist()
    nodes = [
        _condition(column, decision, threshold, n_columns)
        for column, decision, threshold in zip(columns, decisions, thresholds, strict=True)
    ]
    tree = Tree(nodes, [])
    paths: list[tuple[int, dict[int, bool]]] = [(0, {})]
    while paths:
        number, path = paths.pop()
        if number < 0:  # A leaf, whose number is the complement.
            tree.leaves.append((path, values[~number]))
        else:
            paths.append((left[number], path | {number: True}))
            paths.append((right[number], path | {number: False}))
    return tree


def _condition(column: int, decision: int, threshold: float, n_columns: int) -> tuple[int, float]:
    missing = _MISSING[decision >> 2 & 3]
    if decision & _IS_CATEGORICAL or missing not in {"None", "NaN"}:
        operator = "==" if decision & _IS_CATEGORICAL else "<="
        raise ValueError(
            "Trees must split numbers at thresholds. "
            f"Got {operator!r} with missing values as {missing!r} instead."
        )
    # Where nothing was missing in training, LightGBM takes NaN for 0.
    is_left = bool(decision & _IS_LEFT_IF_MISSING) if missing == "NaN" else threshold >= 0
    return column + (0 if is_left else n_columns), threshold
