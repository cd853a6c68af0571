"""Which part of a request is wrong: a JSON pointer into its body, or the name of a parameter."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field

__all__ = ["FieldProblem", "field_problems", "is_of_another_media_type"]

# Of a thousand wrong events the first say enough.
_MOST_FAULTS = 20
_LONGEST_DETAIL = 300
_LONGEST_KEY = 100


class FieldProblem(BaseModel):
    """One part of the request that is not as it should be."""

    pointer: str | None = Field(
        default=None,
        description="Where it is in the body: a JSON pointer (RFC 6901) as a URI fragment.",
        examples=["#/events/3/lines/0/revenue"],
    )
    parameter: str | None = Field(
        default=None,
        description="Which parameter of the query, path, header or cookie it is.",
        examples=["limit"],
    )
    detail: str = Field(
        description="What was expected.", examples=["Input should be greater than 0"]
    )

    @property
    def place(self) -> str:
        """The pointer, or the parameter's name."""
        return self.parameter or self.pointer or "#"


def field_problems(error: RequestValidationError) -> list[FieldProblem]:
    """Say which parts of a request are wrong.

    Parameters
    ----------
    error : RequestValidationError
        What the framework found.

    Returns
    -------
    list of FieldProblem
        At most twenty.
    """
    return [_field_problem(fault, error.body) for fault in error.errors()[:_MOST_FAULTS]]


def is_of_another_media_type(error: RequestValidationError) -> bool:
    """Tell whether a body was refused because nobody said that it is JSON.

    Parameters
    ----------
    error : RequestValidationError
        What the framework found.

    Returns
    -------
    bool
        Whether it left the body as it came.
    """
    return isinstance(error.body, bytes) and bool(error.body)


def _field_problem(fault: Mapping[str, Any], body: object) -> FieldProblem:
    where, *path = fault["loc"]
    detail = _detail(fault)
    if where != "body":
        name = ".".join(map(str, path))[:_LONGEST_KEY]
        return FieldProblem(parameter=name, detail=detail)
    if fault["type"] == "json_invalid":
        said = fault["ctx"]["error"]
        return FieldProblem(pointer="#", detail=f"No JSON at character {path[0]}: {said}")
    return FieldProblem(pointer=_pointer(path, body, fault["type"]), detail=detail)


def _detail(fault: Mapping[str, Any]) -> str:
    given = fault.get("input")
    got = f". Got {given!r} instead" if isinstance(given, str | int) else ""
    text = f"{fault['msg'].removeprefix('Value error, ')}{got}"
    return text[:_LONGEST_DETAIL].rstrip(".")


def _pointer(path: Sequence[int | str], body: object, kind: str) -> str:
    """Follow a path through the body; what is not in it names a kind of model, and is left out."""
    steps = []
    for number, step in enumerate(path, start=1):
        is_missing = kind == "missing" and number == len(path)
        if _holds(body, step):
            body = body[step]  # type: ignore[index]
        elif not is_missing:
            continue
        steps.append(_escaped(str(step)))
    return "/".join(["#", *steps])


def _holds(body: object, step: int | str) -> bool:
    if isinstance(body, list):
        return isinstance(step, int) and step < len(body)
    return isinstance(body, dict) and step in body


def _escaped(step: str) -> str:
    short = step[:_LONGEST_KEY].replace("~", "~0").replace("/", "~1")
    return quote(short, safe="~", errors="replace")
