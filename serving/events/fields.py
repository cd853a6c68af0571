"""The kinds of fields that events are made of: texts, money and moments."""

import re
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema

from features.cleaning.rules import EARLIEST

__all__ = ["Currency", "Id", "Moment", "Money", "Note", "Number", "Word"]

# Above it a figure is a slip; the square of one is still far from the end of the scale.
_MOST_MONEY = 1e12
_LONGEST_ID, _LONGEST_WORD, _LONGEST_NOTE = 200, 200, 1_000
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_MOMENT = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d([.,]\d{1,9})?)?([Zz]|[+-]\d\d:?\d\d)", re.ASCII
)
# Something to read, and no NUL in it, for the OpenAPI document.
_PATTERN = r"^[^\u0000]*[^\s\u0000][^\u0000]*$"


def _readable(text: str) -> str:
    if "\0" in text:
        raise ValueError("a text must not hold a NUL sign")
    stripped = text.strip()
    if not stripped:
        raise ValueError("a text must hold more than blanks; leave out what is not known")
    return stripped


def _text(longest: int, **more: Any) -> Any:
    return Field(min_length=1, max_length=longest, json_schema_extra={"pattern": _PATTERN, **more})


Id = Annotated[str, _text(_LONGEST_ID), AfterValidator(_readable)]
Word = Annotated[str, _text(_LONGEST_WORD), AfterValidator(_readable)]
Note = Annotated[str, _text(_LONGEST_NOTE), AfterValidator(_readable)]
Currency = Annotated[str, Field(pattern="^[A-Z]{3}$", examples=["EUR"])]
Number = Annotated[float, Field(ge=-_MOST_MONEY, le=_MOST_MONEY, allow_inf_nan=False)]
Money = Number


def _moment(given: object) -> date:
    """Read a day, or a point in time with its offset."""
    if isinstance(given, date):
        return given
    if not isinstance(given, str):
        raise ValueError("a moment is a text such as 2026-07-01 or 2026-07-01T14:30:00+02:00")
    if _DAY.fullmatch(given):
        return date.fromisoformat(given)
    if _MOMENT.fullmatch(given):
        return datetime.fromisoformat(given.upper())
    raise ValueError(
        "a moment is written as 2026-07-01, or with the time and its offset from UTC as "
        "2026-07-01T14:30:00+02:00"
    )


Moment = Annotated[
    date,
    PlainValidator(_moment),
    PlainSerializer(lambda moment: moment.isoformat(), return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "anyOf": [{"format": "date"}, {"format": "date-time"}],
            "description": f"Day, or time with its offset, not before {EARLIEST} nor after today.",
            "examples": ["2026-07-01", "2026-07-01T14:30:00+02:00"],
        }
    ),
]
