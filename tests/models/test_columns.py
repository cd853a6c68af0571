import numpy as np
import pandas as pd
import pytest

from models.columns import Columns
from models.pieces import in_pieces

FRAME = pd.DataFrame(
    {
        "days": [3, 4, 5],
        "is_new": [True, False, True],
        "rate": pd.array([0.5, None, 0.25], dtype="Float64"),
        "object": pd.Series([1.5, None, 2], dtype=object),
        "gap": [1.0, np.nan, -np.inf],
        "region": ["north", None, "south"],
    },
    index=["C-1", "C-2", "C-3"],
)
NUMBERS = ["gap", "rate", "days", "is_new", "object"]


@pytest.mark.parametrize("row", [0, 1, 2])
def test_a_row_is_read_as_it_is_among_others_and_as_it_is_by_name(row: int) -> None:
    among = Columns.of(FRAME, NUMBERS)
    alone = Columns.of(FRAME.iloc[[row]], NUMBERS)
    by_name = Columns.of_one(FRAME.iloc[row].to_dict(), NUMBERS)
    for name in NUMBERS:
        np.testing.assert_array_equal(alone[name], among[name][[row]])
        np.testing.assert_array_equal(by_name[name], among[name][[row]])


def test_columns_of_numbers_are_not_copied() -> None:
    assert np.shares_memory(Columns.of(FRAME, ["gap"])["gap"], FRAME["gap"].to_numpy())


def test_text_where_a_number_is_needed_is_refused() -> None:
    with pytest.raises(ValueError, match=r"region must be a number or null\. Got 'north'"):
        Columns.of_one(FRAME.iloc[0].to_dict(), ["region"])
    with pytest.raises(ValueError, match="north"):
        Columns.of(FRAME, ["region"])


@pytest.mark.parametrize("n_rows", [1, 3])
def test_what_is_missing_is_named_with_all_that_was_given(n_rows: int) -> None:
    columns = Columns.of(FRAME.head(n_rows), ["days", "T"])
    with pytest.raises(ValueError, match=r"It needs the columns \['T'\]. Found \['days', 'is_new'"):
        columns.require(["days", "T"], "It")


def test_pieces_lie_as_the_whole_does() -> None:
    columns = Columns.of(FRAME, NUMBERS)
    whole = columns.laid(NUMBERS, np.ones(3))
    pieces = [columns.take(rows).laid(NUMBERS, np.ones(rows.stop - rows.start))
              for rows in (slice(0, 2), slice(2, 3))]  # fmt: skip
    np.testing.assert_array_equal(np.hstack(pieces), whole)
    assert list(columns.take(slice(1, 3)).customers) == ["C-2", "C-3"]


@pytest.mark.parametrize("n_rows", [0, 1, 7])
def test_pieces_of_rows_come_in_order(n_rows: int) -> None:
    found = in_pieces(lambda rows: np.arange(rows.start, rows.stop), n_rows, 3)
    np.testing.assert_array_equal(np.concatenate(found), np.arange(n_rows))
