"""Score sets that are kept, so that what they said can be held against what came."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal

import pandas as pd
import pyarrow as pa
import sqlalchemy as sa

from features.ledger import date_of
from serving.store import Store
from serving.store.tables import SCORE_SETS, SCORES

__all__ = ["KeptSet", "NothingToJudgeError", "choose_set", "kept_sets", "read_predictions"]

# Before a quarter of its horizon has passed, what came says too little of a forecast.
_LEAST_PASSED = 0.25
_SETS_NAMED = 6
_TYPES = {"customer_id": pa.string(), "tier": pa.string(), "days_since_last_purchase": pa.int32()}
_COLUMNS = (
    *("customer_id", "expected_purchases", "p_alive", "churn_probability"),
    *("clv_expected", "clv_lower", "clv_upper", "days_since_last_purchase", "tier"),
)
_SCHEMA = pa.schema([(name, _TYPES.get(name, pa.float64())) for name in _COLUMNS])


class NothingToJudgeError(ValueError):
    """Raised where no kept set can be held against what came."""


@dataclass(frozen=True)
class KeptSet:
    """The facts of a score set whose scores are kept.

    Parameters
    ----------
    set_id : int
        Its number.
    as_of : int
        Its last day known, in days since 1970-01-01.
    horizon_days : int
        How far its forecasts reach.
    currency : str
        Of its money.
    value_basis : {"revenue", "gross_margin"}
        What value counts.
    discount_rate : float
        Annual, for what was to come.
    model_name, model_version : str
        What made it, in the model registry.
    """

    set_id: int
    as_of: int
    horizon_days: int
    currency: str
    value_basis: Literal["revenue", "gross_margin"]
    discount_rate: float
    model_name: str
    model_version: str

    @property
    def first_day_to_judge(self) -> int:
        """The day by which a quarter of its horizon has passed."""
        return self.as_of + ceil(self.horizon_days * _LEAST_PASSED)

    @property
    def end(self) -> int:
        """The last day of its horizon."""
        return self.as_of + self.horizon_days


def kept_sets(store: Store) -> list[KeptSet]:
    """List the score sets whose scores are kept.

    Parameters
    ----------
    store : Store
        With or without sets.

    Returns
    -------
    list of KeptSet
        The earliest day first; of a day, the one published first.
    """
    columns = [SCORE_SETS.c[name] for name in KeptSet.__dataclass_fields__ if name != "set_id"]
    statement = (
        sa.select(SCORE_SETS.c.id, *columns)
        .where(sa.exists().where(SCORES.c.set_id == SCORE_SETS.c.id))
        .order_by(SCORE_SETS.c.as_of, SCORE_SETS.c.id)
    )
    with store.reading() as connection:
        return [KeptSet(*row) for row in connection.execute(statement)]


def choose_set(sets: Sequence[KeptSet], last_day: int, as_of: int | None = None) -> KeptSet:
    """Choose the set to hold against what came.

    Parameters
    ----------
    sets : sequence of KeptSet
        As `kept_sets` lists them.
    last_day : int
        The last day the ledger knows, in days since 1970-01-01.
    as_of : int, optional
        The day of the set. Where it is not given, the latest set is taken whose whole horizon has
        passed, else the earliest of which a quarter has.

    Returns
    -------
    KeptSet
        At least a quarter of its horizon has passed. Of several sets of one day it is the one
        published first, which knew the least of what came after.

    Raises
    ------
    NothingToJudgeError
        If there is none.
    """
    if not sets:
        raise NothingToJudgeError(
            "No score set is kept, so there is no forecast to judge. 'worth score' publishes one."
        )
    if as_of is not None:
        return _set_of(sets, last_day, as_of)
    complete = [kept for kept in sets if kept.end <= last_day]
    if complete:
        latest = max(kept.as_of for kept in complete)
        return next(kept for kept in complete if kept.as_of == latest)
    begun = [kept for kept in sets if kept.first_day_to_judge <= last_day]
    if begun:
        return begun[0]
    soonest = min(sets, key=lambda kept: kept.first_day_to_judge)
    raise NothingToJudgeError(
        f"Too little time has passed to judge a forecast: the ledger ends on {date_of(last_day)}, "
        f"and scores are kept as of {_days_of(sets)}. The first of them that can be judged is that "
        f"of {date_of(soonest.as_of)}, from {date_of(soonest.first_day_to_judge)} on."
    )


def _set_of(sets: Sequence[KeptSet], last_day: int, as_of: int) -> KeptSet:
    found = [kept for kept in sets if kept.as_of == as_of]
    if not found:
        raise NothingToJudgeError(
            f"No score set as of {date_of(as_of)} is kept. Scores are kept as of {_days_of(sets)}."
        )
    chosen = min(found, key=lambda kept: kept.first_day_to_judge)
    if chosen.first_day_to_judge > last_day:
        raise NothingToJudgeError(
            f"The scores as of {date_of(as_of)} can be judged from "
            f"{date_of(chosen.first_day_to_judge)} on, when a quarter of their horizon of "
            f"{chosen.horizon_days:,} days has passed; the ledger ends on {date_of(last_day)}."
        )
    return chosen


def _days_of(sets: Sequence[KeptSet]) -> str:
    days = sorted({kept.as_of for kept in sets})
    named = ", ".join(date_of(day).isoformat() for day in days[-_SETS_NAMED:])
    n_others = len(days) - _SETS_NAMED
    return f"{named} and {n_others:,} earlier days" if n_others > 0 else named


def read_predictions(store: Store, kept: KeptSet) -> pd.DataFrame:
    """Read what a kept set says of every customer.

    Parameters
    ----------
    store : Store
        The place of the scores.
    kept : KeptSet
        One of its kept sets.

    Returns
    -------
    DataFrame of shape (n_customers, 8), indexed by customer_id
        Columns expected_purchases, p_alive, churn_probability, clv_expected, clv_lower and
        clv_upper (NaN where nobody knows), days_since_last_purchase and tier; customers in the
        order of their ids.
    """
    statement = sa.select(*(SCORES.c[name] for name in _COLUMNS)).where(
        SCORES.c.set_id == kept.set_id
    )
    rows: pd.DataFrame = store.read_tables({"scores": (statement, _SCHEMA)})["scores"].to_pandas()
    return rows.set_index("customer_id").sort_index()
