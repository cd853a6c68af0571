"""Why a score moved: by new data, by a new model, or because time went by."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from features.engines.sqlite import signals_of
from features.ledger import date_of
from features.pipeline import signals_digest
from features.schema import TABLES
from models.bundle import Bundle, BundleError
from models.value.discounting import discount_factor
from serving.scores.explaining import digest_of
from serving.signals.computing import Rows, ledger_in_memory
from serving.state import Service
from serving.versions.bundles import find_bundle

__all__ = ["NoSplitError", "Splitter"]

# Money is split in cents and probability in millionths: whole numbers add up exactly.
_UNITS = {"clv": 100, "churn_probability": 1_000_000}
_Answer = tuple[float, float]


class NoSplitError(ValueError):
    """Raised where a change cannot be split; it says why, to be shown in place of its parts."""


class Splitter:
    """Splits the changes of one customer's score.

    Parameters
    ----------
    service : Service
        It has the model that is loaded, and knows where others lie.
    customer_id : str
        Who.
    rows : mapping of str to sequence of mapping
        What the ledger holds of the customer.
    """

    def __init__(self, service: Service, customer_id: str, rows: Rows) -> None:
        self._service = service
        self._customer_id = customer_id
        self._rows = rows
        self._ask: Callable[[str, float, int, int], _Answer] = cache(self._asked)

    def change(self, before: Any, after: Any) -> dict[str, Any]:
        """Tell what moved from one score to the next.

        Parameters
        ----------
        before, after : object
            Scores, with the columns of `current_scores` as attributes.

        Returns
        -------
        dict
            The fields of `ScoreChange`.
        """
        moved = {
            "clv": _units("clv", after.clv_expected) - _units("clv", before.clv_expected),
            "churn_probability": _units("churn_probability", after.churn_probability)
            - _units("churn_probability", before.churn_probability),
        }
        answer: dict[str, Any] = {**_moved(moved), "tier_before": before.tier}
        try:
            split = self._split(before, after, moved)
        except NoSplitError as error:
            return answer | {"split": None, "split_missing": str(error)}
        return answer | {"split": split, "split_missing": None}

    def _split(self, before: Any, after: Any, moved: Mapping[str, int]) -> dict[str, Any]:
        _check_comparable(before, after)
        old, new = _maker_of(before), _maker_of(after)
        then = self._ask(*old, before.as_of, before.as_of)
        waited = self._ask(*old, before.as_of, after.as_of)
        by_old = self._ask(*old, after.as_of, after.as_of)
        by_new = self._ask(*new, after.as_of, after.as_of)
        parts: dict[str, dict[str, int]] = {"passing_time": {}, "new_model": {}, "new_data": {}}
        for n, name in enumerate(_UNITS):
            time = _units(name, waited[n]) - _units(name, then[n])
            model = _units(name, by_new[n]) - _units(name, by_old[n])
            parts["passing_time"][name] = time
            parts["new_model"][name] = model
            parts["new_data"][name] = moved[name] - time - model
        return {name: _moved(part) for name, part in parts.items()}

    def _asked(self, digest: str, discount_rate: float, known: int, as_of: int) -> _Answer:
        """Ask a model what it expects on a day of what was known on another."""
        bundle = self._bundle(digest)
        with ledger_in_memory(_known(self._rows, known)) as connection:
            signals = signals_of(connection, self._customer_id, as_of)
        if signals is None:
            raise NoSplitError(
                f"The ledger holds no purchase by {date_of(min(known, as_of))} any more, so what "
                "was expected then cannot be computed again."
            )
        forecast = bundle.forecast_one(signals)
        factor = discount_factor(bundle.facts["horizon_days"], discount_rate)
        return forecast["expected_value"] * factor, forecast["churn_probability"]

    def _bundle(self, digest: str) -> Bundle:
        champion = self._service.models.champion
        if champion is not None and digest_of(champion.bundle) == digest:
            bundle: Bundle | None = champion.bundle
        else:
            try:
                bundle = find_bundle(self._service.company.home, digest)
            except BundleError:
                bundle = None
        if bundle is None:
            raise NoSplitError(
                f"The model {digest[:19]}... is not kept here (any more), so what it would have "
                "said cannot be computed."
            )
        if bundle.facts["signals_digest"] != signals_digest():
            raise NoSplitError(
                f"The model {digest[:19]}... learned from other definitions of the signals than "
                "this program computes."
            )
        return bundle


def _maker_of(row: Any) -> tuple[str, float]:
    """Name what makes a score of signals: a model, and the rate that discounts its money."""
    return row.model_digest, row.discount_rate


def _check_comparable(before: Any, after: Any) -> None:
    for name in ("currency", "value_basis"):
        if getattr(before, name) != getattr(after, name):
            raise NoSplitError(
                f"The score before is in another {name.replace('_', ' ')}, "
                f"{getattr(before, name)}, so the two cannot be compared."
            )


def _units(name: str, value: float) -> int:
    return round(value * _UNITS[name])


def _moved(units: Mapping[str, int]) -> dict[str, float]:
    return {name: number / _UNITS[name] for name, number in units.items()}


def _known(rows: Rows, day: int) -> Rows:
    """Forget what happened, or was learnt, after a day."""
    return {
        name: [_unlearnt(name, row, day) for row in found if row.get("day", day) <= day]
        for name, found in rows.items()
    }


def _unlearnt(table: str, row: Mapping[str, Any], day: int) -> Mapping[str, Any]:
    later = [
        column.name
        for column in TABLES[table].columns
        if column.is_learnt_later and (row.get(column.name) or day) > day
    ]
    return {**row, **dict.fromkeys(later)} if later else row
