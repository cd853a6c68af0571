"""A latent forecast and boosted ones, each carried to the horizon, and their weighted mean."""

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from models.base import FloatArray
from models.columns import Columns
from models.pieces import in_pieces
from models.value.boosted import BASE_COLUMNS, BoostedValueModel
from models.value.latent import LatentValueModel

__all__ = [
    "LATENT",
    "QUESTIONS",
    "Blend",
    "Forecast",
    "blended",
    "forecasts_of_parts",
    "logit_of",
    "piece_of",
    "together",
    "weighted",
    "within_horizon",
]

LATENT = "latent"
QUESTIONS = {
    "value": "expected_value",
    "churn": "churn_probability",
    "purchases": "expected_purchases",
}
# Weight by part and question; the weights of a question add up to 1.
Blend = Mapping[str, Mapping[str, float]]
# Arrays of shape (n_customers,) by column.
Forecast = dict[str, FloatArray]
_SMALLEST_P = 1e-6
# Customers whose trees are asked at a time: enough to share the work, too few to fill the memory.
_PIECE_ROWS = 8_192


def forecasts_of_parts(
    latent: LatentValueModel,
    boosted: Mapping[str, BoostedValueModel],
    X: pd.DataFrame,
    horizon_days: float,
) -> dict[str, pd.DataFrame]:
    """Let each part forecast the horizon.

    Parameters
    ----------
    latent : LatentValueModel
        Fitted.
    boosted : mapping of str to BoostedValueModel
        Fitted, by name.
    X : DataFrame of shape (n_customers, n_columns)
        Signals.
    horizon_days : float
        Days ahead.

    Returns
    -------
    dict of str to DataFrame of shape (n_customers, 3 or 4), indexed like X
        By part: columns expected_purchases, churn_probability and expected_value; the latent one's
        p_alive as well.
    """
    needed = {*latent.required_columns}.union(*(part.required_columns for part in boosted.values()))
    signals = Columns.of(X, sorted(needed))
    windows = {part.window_days for part in boosted.values()}
    expected = latent.expect(signals, [horizon_days, *sorted(windows - {horizon_days})])

    def carried(rows: slice) -> dict[str, Forecast]:
        piece = piece_of(expected, rows)
        return {
            name: within_horizon(part, signals.take(rows), piece, horizon_days)
            for name, part in boosted.items()
        }

    pieces = in_pieces(carried, len(signals), _PIECE_ROWS)
    found = {name: together([piece[name] for piece in pieces]) for name in boosted}
    parts = {LATENT: expected[horizon_days], **found}
    return {name: pd.DataFrame(columns, index=X.index) for name, columns in parts.items()}


def blended(parts: Mapping[str, pd.DataFrame], weights: Blend) -> pd.DataFrame:
    """Average the forecasts of parts, question by question.

    Parameters
    ----------
    parts : mapping of str to DataFrame of shape (n_customers, n_columns)
        By part.
    weights : mapping of str to mapping of str to float
        By question and part.

    Returns
    -------
    DataFrame of shape (n_customers, 3), indexed like the parts
        Columns expected_value, churn_probability and expected_purchases.
    """
    arrays = {
        name: {column: frame[column].to_numpy(dtype=float) for column in QUESTIONS.values()}
        for name, frame in parts.items()
    }
    return pd.DataFrame(weighted(arrays, weights), index=next(iter(parts.values())).index)


def weighted(parts: Mapping[str, Forecast], weights: Blend) -> Forecast:
    """Average the forecasts of parts, question by question, in arrays.

    Parameters
    ----------
    parts : mapping of str to dict of str to array of shape (n_customers,)
        By part and column.
    weights : mapping of str to mapping of str to float
        By question and part.

    Returns
    -------
    dict of str to array of shape (n_customers,)
        Columns expected_value, churn_probability and expected_purchases.
    """
    return {
        column: np.sum(
            [weight * parts[name][column] for name, weight in weights[question].items()], axis=0
        )
        for question, column in QUESTIONS.items()
    }


def within_horizon(
    part: BoostedValueModel,
    signals: Columns,
    latent: Mapping[float, Forecast],
    horizon_days: float,
    wanted: Collection[str] = BASE_COLUMNS,
) -> Forecast:
    """Let a boosted part forecast its window, and carry that to the horizon as the latent one goes.

    Where that is nothing in the window, by the usual factor, which is that of the days.

    Parameters
    ----------
    part : BoostedValueModel
        Fitted.
    signals : Columns
        The customers'.
    latent : mapping of float to dict of str to array of shape (n_customers,)
        The latent forecast within the part's window and the horizon, by days and column.
    horizon_days : float
        Days ahead.
    wanted : collection of str
        Which columns.

    Returns
    -------
    dict of str to array of shape (n_customers,)
        By column.
    """
    window, whole = latent[part.window_days], latent[horizon_days]
    found = part.expect(signals, window, wanted)
    if part.window_days == horizon_days:
        return found
    usual = horizon_days / part.window_days
    return {name: _carried(name, found, window, whole, usual) for name in found}


def logit_of(p: FloatArray) -> FloatArray:
    """Give the logit of a probability, kept finite.

    Parameters
    ----------
    p : array
        In [0, 1].

    Returns
    -------
    array
        Of its shape; as of 1e-6 and 1 - 1e-6 beyond these.
    """
    return np.asarray(logit(np.clip(p, _SMALLEST_P, 1.0 - _SMALLEST_P)), dtype=float)


def piece_of(forecasts: Mapping[float, Forecast], rows: slice) -> dict[float, Forecast]:
    """Select customers.

    Parameters
    ----------
    forecasts : mapping of float to dict of str to array of shape (n_customers,)
        By days ahead and column.
    rows : slice
        Which.

    Returns
    -------
    dict of float to dict of str to array
        Views of theirs.
    """
    return {
        days: {name: array[rows] for name, array in columns.items()}
        for days, columns in forecasts.items()
    }


def together(pieces: list[Forecast]) -> Forecast:
    """Put the forecasts of pieces one after the other.

    Parameters
    ----------
    pieces : list of dict of str to array
        In order, all with the same columns; one or more.

    Returns
    -------
    dict of str to array of shape (n_customers,)
        By column.
    """
    if len(pieces) == 1:
        return pieces[0]
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}


def _carried(
    column: str, found: Forecast, window: Forecast, whole: Forecast, usual: float
) -> FloatArray:
    near, far = window[column], whole[column]
    if column == "churn_probability":
        score = logit_of(found[column]) - logit_of(near) + logit_of(far)
        return np.asarray(expit(score), dtype=float)
    ratio = np.divide(far, near, out=np.full(len(near), usual), where=near != 0)
    carried: FloatArray = found[column] * ratio
    return carried
