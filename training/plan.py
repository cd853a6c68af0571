"""Which past days to train and to test on."""

from dataclasses import dataclass

from features.ledger import Ledger, date_of

__all__ = ["Plan", "TrainingError", "known_ledger", "plan_origins"]

# A complete test needs a horizon to learn from, one to test on, and half of one to look back over.
_HORIZONS_FOR_A_FULL_TEST = 2.5
# Origins stand a quarter of a horizon apart; eight of them reach back two horizons.
_ORIGINS_PER_HORIZON = 4
_MOST_ORIGINS = 8
# With one customer there is nothing to learn from another.
_FEWEST_CUSTOMERS = 2


class TrainingError(ValueError):
    """Raised where a ledger cannot carry a forecast of this horizon."""


@dataclass(frozen=True)
class Plan:
    """The days of a training job.

    Parameters
    ----------
    as_of : int
        The last day known; everything later is unseen.
    horizon_days : int
        How far the forecast is to reach.
    test_origin : int
        The day the candidates forecast from in the tournament.
    test_days : int
        How far they forecast in it: the horizon, or less where the history is short.
    learning_origins : tuple of int
        Days whose whole horizon lies before the test, for candidates that learn from outcomes.
    final_origins : tuple of int
        Days whose whole horizon lies before `as_of`, for the winner's last fit.
    """

    as_of: int
    horizon_days: int
    test_origin: int
    test_days: int
    learning_origins: tuple[int, ...]
    final_origins: tuple[int, ...]

    @property
    def is_full_test(self) -> bool:
        """Whether the tournament is over the whole horizon."""
        return self.test_days == self.horizon_days


def known_ledger(ledger: Ledger, as_of: int) -> Ledger:
    """Cut off what nobody could know on a day.

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
    if ledger.first_day > as_of:
        raise TrainingError(
            f"as_of is {date_of(as_of)}, but the first order is of {date_of(ledger.first_day)}. "
            "Choose a later as_of."
        )
    return ledger.up_to(as_of)


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
        With no learning origins where the history is too short for them.

    Raises
    ------
    TrainingError
        If the ledger holds one customer, one day, or less history than the horizon.
    """
    first_day = ledger.first_day
    history = as_of - first_day + 1
    _check(ledger, as_of=as_of, history=history, horizon_days=horizon_days)
    is_full = history >= _HORIZONS_FOR_A_FULL_TEST * horizon_days
    test_days = horizon_days if is_full else max(1, history // 3)
    test_origin = as_of - test_days
    return Plan(
        as_of=as_of,
        horizon_days=horizon_days,
        test_origin=test_origin,
        test_days=test_days,
        learning_origins=_origins(first_day, test_origin, horizon_days) if is_full else (),
        final_origins=_origins(first_day, as_of, horizon_days) if is_full else (),
    )


def _check(ledger: Ledger, *, as_of: int, history: int, horizon_days: int) -> None:
    first, last = date_of(as_of - history + 1), date_of(as_of)
    if history <= 1:
        raise TrainingError(
            f"The ledger covers one day, {first}. A forecast needs customers who had time to come "
            "back: load a longer history."
        )
    if history < horizon_days:
        raise TrainingError(
            f"The horizon of {horizon_days} days is longer than the history of {history} days "
            f"({first} to {last}). Choose a shorter horizon_days, or load a longer history."
        )
    if ledger.n_customers < _FEWEST_CUSTOMERS:
        raise TrainingError(
            "The ledger holds one customer. A model learns from the differences between customers: "
            "load more of them."
        )


def _origins(first_day: int, end: int, horizon_days: int) -> tuple[int, ...]:
    earliest = first_day + horizon_days // 2
    step = max(1, horizon_days // _ORIGINS_PER_HORIZON)
    days = range(end - horizon_days, earliest - 1, -step)
    return tuple(days[:_MOST_ORIGINS])
