"""Take dataframes over as Arrow."""

from collections import Counter
from collections.abc import Sequence

import pandas as pd
import pyarrow as pa

from features.sources.source import SourceError

__all__ = ["check_unique", "from_pandas"]


def from_pandas(frame: pd.DataFrame, place: str) -> pa.Table:
    """Take a dataframe over as Arrow.

    Parameters
    ----------
    frame : DataFrame
        One row a row of the table.
    place : str
        What to call it in an error.

    Returns
    -------
    pyarrow.Table
        The same rows; NaN is null.

    Raises
    ------
    SourceError
        If two columns have the same name, or one is of mixed types.
    """
    check_unique([str(name) for name in frame.columns], place)
    # Moments with a zone go over as Arrow's own type: by its road through NumPy pandas 3 warns.
    zoned = frame.select_dtypes("datetimetz").dtypes
    frame = frame.astype({n: pd.ArrowDtype(pa.timestamp(t.unit, "UTC")) for n, t in zoned.items()})
    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise SourceError(
            f"{place} has a column of mixed types ({error.args[-1]}). Give it one, such as text."
        ) from error


def check_unique(names: Sequence[str], place: str) -> None:
    """Refuse a table with two columns of the same name.

    Parameters
    ----------
    names : sequence of str
        Its columns.
    place : str
        What to call it in the error.

    Raises
    ------
    SourceError
        If a name is there twice.
    """
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise SourceError(
            f"{place} has more than one column {twice[0]!r}. Column names are unique."
        )
