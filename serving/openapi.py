"""The OpenAPI document, completed; `python -m serving.openapi FILE` writes it to a file."""

import json
import sys
import tempfile
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from serving.errors import PROBLEM, Problem
from serving.examples import example_of

__all__ = ["add_document", "rendered", "write_document"]

Document = dict[str, Any]

_TAGS = {
    "scores": "What one customer, or many, are worth from today on.",
    "events": "What happened: orders, payments, interactions, changes of customers.",
    "models": "The models in service: which scores, which is pinned, which runs in the shadow.",
    "lists": "Whom to turn to first, and all scores page by page.",
    "signals": "What is known of a customer on a day: the catalogue of its names and meanings.",
    "people's rights": "What is held about a person, and its erasure.",
    "health": "For those who keep the service up. No key is asked for.",
}
_ABOUT = (
    "Every refusal is `application/problem+json` (RFC 9457). Every answer carries `X-Request-ID`; "
    "a request may bring its own. A write may carry `Idempotency-Key`: its repeat is answered as "
    "the first time."
)
_PROBLEM_REF = {"$ref": "#/components/schemas/Problem"}
_REFUSALS = range(400, 600)
_OF_KEYS = (401, 403, 429)
_OF_BODIES = (400, 413, 415, 422)
# The framework's own shape of a 422, which never leaves here.
_NOT_OURS = ("HTTPValidationError", "ValidationError")


def add_document(app: FastAPI) -> None:
    """Let an app describe itself in full.

    Parameters
    ----------
    app : FastAPI
        The app.
    """
    described = app.openapi

    def describe() -> Document:
        # FastAPI keeps the document it made, and gives it again.
        if app.openapi_schema is None:
            app.openapi_schema = _completed(described())
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign]


def _completed(document: Document) -> Document:
    document["info"]["description"] = _ABOUT
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in _NOT_OURS:
        schemas.pop(name, None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= problem.pop("$defs") | {"Problem": problem}
    document["components"]["schemas"] = dict(sorted(schemas.items()))
    used = set()
    for operation in _operations(document):
        used.update(operation.get("tags", ()))
        _complete(operation, document)
    # In an order that does not depend on which operation came first.
    refusals = document["components"].get("responses", {})
    document["components"]["responses"] = dict(sorted(refusals.items()))
    document["tags"] = [
        {"name": name, "description": says} for name, says in _TAGS.items() if name in used
    ]
    return document


def _operations(document: Document) -> Iterator[Document]:
    for path in document["paths"].values():
        yield from path.values()


def _complete(operation: Document, document: Document) -> None:
    responses = operation["responses"]
    refusals = {int(status) for status in responses if int(status) in _REFUSALS}
    refusals |= set(_OF_KEYS) if "security" in operation else set()
    refusals |= set(_OF_BODIES) if "requestBody" in operation else set()
    responses |= {str(status): {"$ref": _refusal(status, document)} for status in refusals}
    operation["responses"] = dict(sorted(responses.items()))
    for content in _contents(operation):
        for kind, media in content.items():
            is_json = kind.endswith("json") and "schema" in media
            if is_json and not {"example", "examples"} & media.keys():
                media["example"] = example_of(media["schema"], document)


def _refusal(status: int, document: Document) -> str:
    """Put a refusal where all operations can refer to it."""
    phrase = HTTPStatus(status).phrase
    name = "".join(letter for letter in phrase.title() if letter.isalpha())
    example = {
        "type": "about:blank",
        "title": phrase,
        "status": status,
        "detail": "What was wrong with this request, and the way out.",
        "request_id": "5f0c9f5f2d9a4b1c",
    }
    document["components"].setdefault("responses", {})[name] = {
        "description": phrase,
        "content": {PROBLEM: {"schema": _PROBLEM_REF, "example": example}},
    }
    return f"#/components/responses/{name}"


def _contents(operation: Document) -> Iterator[Document]:
    if "requestBody" in operation:
        yield operation["requestBody"]["content"]
    for response in operation["responses"].values():
        if "content" in response:
            yield response["content"]


def rendered(document: Document) -> str:
    """Write a document as it is kept in the repository.

    Parameters
    ----------
    document : dict
        The document.

    Returns
    -------
    str
        JSON, with a line end.
    """
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def write_document(path: Path) -> None:
    """Write the document of a service to a file.

    Parameters
    ----------
    path : Path
        The file.
    """
    from serving.app import create_app
    from serving.store import SQLiteStore

    with tempfile.TemporaryDirectory() as folder:
        store = SQLiteStore.open(Path(folder) / "worth.db")
        path.write_text(rendered(create_app(store).openapi()), encoding="utf-8")
        store.close()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Which file? python -m serving.openapi docs/openapi.json")
    write_document(Path(sys.argv[1]))
