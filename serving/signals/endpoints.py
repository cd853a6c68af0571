"""GET /v1/signals."""

from math import isfinite

from fastapi import APIRouter, Depends

from features.signals.catalogue import CATALOGUE, Signal
from serving.auth import requires
from serving.errors import problems
from serving.signals.schemas import SignalEntry

__all__ = ["router"]

router = APIRouter(tags=["signals"])


@router.get(
    "/v1/signals",
    dependencies=[Depends(requires("scores:read"))],
    responses=problems(401, 403, 503),
)
def list_signals() -> list[SignalEntry]:
    """List every signal with its labels, meaning, unit and range."""
    return [_entry(signal) for signal in CATALOGUE.values()]


def _entry(signal: Signal) -> SignalEntry:
    has_range = signal.unit != "class"
    return SignalEntry(
        name=signal.name,
        label=signal.label,
        label_zh=signal.label_zh,
        family=signal.family,
        unit=signal.unit,
        low=signal.low if has_range and isfinite(signal.low) else None,
        high=signal.high if has_range and isfinite(signal.high) else None,
        values=list(signal.values),
        meaning=signal.meaning,
        null_means=signal.null_means,
    )
