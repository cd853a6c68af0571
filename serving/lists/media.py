"""JSON or CSV: what the client takes, and how a table is written so that no spreadsheet runs it."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from fastapi import Request

from serving.auth import allows, caller_of
from serving.errors import ServiceError

__all__ = ["CSV", "CSV_ANSWER", "JSON", "as_csv", "chosen_media_type"]

JSON, CSV = "application/json", "text/csv"
CSV_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"content": {CSV: {"schema": {"type": "string"}}}}
}
# Signs with which a spreadsheet begins a formula; wide ones too, which East Asian ones take alike.
_FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class NotAcceptableError(ServiceError):
    """Raised where the client takes neither JSON nor CSV."""

    status = 406
    title = "Not acceptable"


class NoExportError(ServiceError):
    """Raised for a key that may read lists and not take them away."""

    status = 403
    title = "Not allowed"

    def __init__(self) -> None:
        super().__init__(
            "A list as CSV needs a key with the scope lists:export. This key may read it as JSON, "
            f"with 'Accept: {JSON}'."
        )


def chosen_media_type(request: Request, accept: str) -> str:
    """Take the first media type the client names that can be served.

    Parameters
    ----------
    request : Request
        To an operation that requires lists:read.
    accept : str
        Its header of that name.

    Returns
    -------
    {"application/json", "text/csv"}
        What to answer with.

    Raises
    ------
    NotAcceptableError
        If it names neither.
    NoExportError
        If it names CSV and the key may not export.
    """
    for media_range in accept.split(","):
        wanted = media_range.split(";")[0].strip().lower()
        if wanted in {CSV, "text/*"}:
            if not allows(caller_of(request).scopes, "lists:export"):
                raise NoExportError
            return CSV
        if wanted in {JSON, "application/*", "*/*"}:
            return JSON
    raise NotAcceptableError(f"A list is {JSON} or {CSV}. Got Accept: {accept[:100]}.")


def as_csv(columns: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    """Write a table as CSV.

    Parameters
    ----------
    columns : sequence of str
        Their names.
    rows : iterable of iterable of object
        What stands in them.

    Returns
    -------
    str
        A header row and the rows (RFC 4180). Texts that a spreadsheet would take for a formula are
        led by an apostrophe.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([_harmless(cell) for cell in row] for row in rows)
    return text.getvalue()


def _harmless(cell: object) -> object:
    is_formula = isinstance(cell, str) and cell.startswith(_FORMULA_SIGNS)
    return f"'{cell}" if is_formula else cell
