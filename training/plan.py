"""Which past days to train and to test on."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from features.ledger import Ledger, date_of
from features.schema import TABLES

__all__ = ["Plan", "TrainingError", "check_as_of", "known_ledger", "plan_origins"]

# A complete test needs a window to learn from, one to test on, and half of one to look back over.
_WINDOWS_FOR_A_TEST = 2.5
# Origins stand a quarter of a window apart; six of them reach back a window and a half.
_ORIGINS_PER_WINDOW = 4
_MOST_LEARNING = 6
# The last complete window, the same season in years before, and half a window earlier.
_MOST_TESTS = 3
_DAYS_A_YEAR = 365
_YEARS_BACK = 2


class TrainingError(ValueError):
    """Raised where a ledger cannot carry a forecast."""


@dataclass(frozen=True)
class Plan:
    """The days of a training job.

    Parameters
    ----------
    as_of : int
        The last day known; everything later is unseen.
    horizon_days : int
        How far the forecast is to reach.
    window_days : int
        Over how many days outcomes are counted, in training and in the tournament: the horizon, or
        less where the history is short.
    origins : tuple of int
        Past days whose whole window lies before `as_of`, latest first.
    test_origins : tuple of int
        Those of them that the candidates forecast from, latest first; each has origins to learn
        from. None where the history is too short.
    """

    as_of: int
    horizon_days: int
    window_days: int
    origins: tuple[int, ...]
    test_origins: tuple[int, ...]

    @property
    def is_full_test(self) -> bool:
        """Whether the tournament is over the whole horizon."""
        return bool(self.test_origins) and self.window_days == self.horizon_days

    def learning_origins(self, end: int) -> tuple[int, ...]:
        """Name the origins to learn from where everything after a day is unseen.

        Parameters
        ----------
        end : int
            That day.

        Returns
        -------
        tuple of int
            Latest first; their windows end on `end` or before it.
        """
        known = [origin for origin in self.origins if origin + self.window_days <= end]
        return tuple(known[:_MOST_LEARNING])

    def is_same_season(self, origin: int) -> bool:
        """Say whether a window lies in the season of the one to be forecast.

        Parameters
        ----------
        origin : int
            The last day before the window.

        Returns
        -------
        bool
            Whether it starts whole years before `as_of`.
        """
        return origin < self.as_of and (self.as_of - origin) % _DAYS_A_YEAR == 0


def check_as_of(ledger: Ledger, as_of: int) -> None:
    """Refuse a day on which nothing was known yet.

    Parameters
    ----------
    ledger : Ledger
        The clean tables.
    as_of : int
        The last day known, in days since 1970-01-01.

    Raises
    ------
    TrainingError
        If the first order came later.
    """
    if ledger.first_day > as_of:
        raise TrainingError(
            f"as_of is {date_of(as_of)}, but the first order is of {date_of(ledger.first_day)}. "
            "Choose a later as_of."
        )


def known_ledger(ledger: Ledger, as_of: int) -> Ledger:
    """Cut off what nobody could know on a day; a table without any of it is not copied.

    Parameters
    ----------
    ledger : Ledger
        The clean tables.
    as_of : int
        The last day known, in days since 1970-01-01.

    Returns
    -------
    Ledger
        Without rows after `as_of`.

    Raises
    ------
    TrainingError
        If nothing is left.
    """
    check_as_of(ledger, as_of)
    return Ledger(
        {
            name: rows if _is_known(name, rows, as_of) else _cut(name, rows, as_of)
            for name, rows in ledger.tables.items()
        }
    )


def _is_known(name: str, rows: pa.Table, as_of: int) -> bool:
    columns = [c.name for c in TABLES[name].columns if c.name == "day" or c.is_learnt_later]
    latest = [pc.max(rows[column]).as_py() for column in columns]
    return all(day is None or day <= as_of for day in latest)


def _cut(name: str, rows: pa.Table, as_of: int) -> pa.Table:
    return Ledger({name: rows}).up_to(as_of).tables[name]


def plan_origins(ledger: Ledger, as_of: int, horizon_days: int) -> Plan:
    """Choose the days to train and to test on.

    Parameters
    ----------
    ledger : Ledger
        The clean tables, without rows after `as_of`.
    as_of : int
        The last day known, in days since 1970-01-01.
    horizon_days : int
        How far the forecast is to reach.

    Returns
    -------
    Plan
        With no test origins where the history is too short for them.
    """
    first_day = ledger.first_day
    history = as_of - first_day + 1
    window = max(1, min(horizon_days, int(history / _WINDOWS_FOR_A_TEST)))
    # Rounded up, so that a window is a whole number of steps or a little less.
    step = -(-window // _ORIGINS_PER_WINDOW)
    earliest = max(first_day, first_day + window // 2 - (_ORIGINS_PER_WINDOW - 1))
    reach = window * _MOST_LEARNING // _ORIGINS_PER_WINDOW + _YEARS_BACK * _DAYS_A_YEAR + window
    origins = tuple(
        day for day in range(as_of - window, earliest - 1, -step) if day >= as_of - window - reach
    )
    # The same season to the day: a window that misses or holds one great day more is another.
    same = {as_of - years * _DAYS_A_YEAR for years in range(1, _YEARS_BACK + 1)}
    same = {day for day in same if day <= as_of - window and day >= earliest}
    origins = tuple(sorted({*origins, *same}, reverse=True))
    plan = Plan(as_of, horizon_days, window, origins, ())
    testable = [day for day in origins if plan.learning_origins(day)]
    return Plan(as_of, horizon_days, window, origins, _tests(plan, testable))


def _tests(plan: Plan, testable: list[int]) -> tuple[int, ...]:
    """Choose among the days that can be tested on; the last one first."""
    if not testable:
        return ()
    half = max(1, plan.window_days // 2)
    chosen = [testable[0], *(day for day in testable if plan.is_same_season(day))]
    chosen += [day for day in testable if testable[0] - day in range(half, 2 * half + 1)]
    return tuple(sorted(list(dict.fromkeys(chosen))[:_MOST_TESTS], reverse=True))
