import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from serving.app import create_app
from serving.auth import SCOPES
from serving.openapi import rendered
from serving.store import SQLiteStore

_COMMITTED = Path(__file__).parents[2] / "docs" / "openapi.json"

Document = dict[str, Any]


@pytest.fixture
def document(store: SQLiteStore) -> Document:
    return create_app(store).openapi()


def _operations(document: Document) -> Iterator[Document]:
    for operations in document["paths"].values():
        yield from operations.values()


def _media(document: Document) -> Iterator[tuple[str, str, Document]]:
    """Every body that is sent or answered: whose, of what type, described how."""
    for operation in _operations(document):
        bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
        for body in bodies:
            for kind, media in body.get("content", {}).items():
                yield operation["operationId"], kind, media
    for name, response in document["components"]["responses"].items():
        for kind, media in response["content"].items():
            yield name, kind, media


def test_the_document_in_the_repository_is_the_services_own(document: Document) -> None:
    committed = _COMMITTED.read_text(encoding="utf-8")

    assert committed == rendered(document), "renew it: python -m serving.openapi docs/openapi.json"


def test_every_reference_in_the_document_leads_somewhere(document: Document) -> None:
    assert document["openapi"].startswith("3.1")
    for reference in set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document))):
        place = document
        for step in reference.split("/"):
            place = place[step]


def test_every_operation_has_a_name_that_no_other_has(document: Document) -> None:
    names = [operation["operationId"] for operation in _operations(document)]

    assert len(set(names)) == len(names)
    assert [name for name in names if not re.fullmatch(r"[a-z]+(_[a-z]+)+", name)] == []


def test_every_operation_is_told_under_a_heading_that_is_explained(document: Document) -> None:
    explained = {tag["name"] for tag in document["tags"] if tag["description"]}

    for operation in _operations(document):
        assert operation["tags"], operation["operationId"]
        assert set(operation["tags"]) <= explained
        assert operation["description"]


def test_every_operation_but_those_of_health_names_its_scope(document: Document) -> None:
    schemes = document["components"]["securitySchemes"]
    for operation in _operations(document):
        asked = operation.get("security", [])
        assert bool(asked) == (operation["tags"] != ["health"]), operation["operationId"]
        for alternative in asked:
            (scheme, scopes), *_ = alternative.items()
            assert scheme in schemes
            assert len(scopes) == 1
            assert scopes[0] in SCOPES


def test_every_refusal_is_described_as_a_problem(document: Document) -> None:
    for operation in _operations(document):
        for status, response in operation["responses"].items():
            assert int(status) < 400 or response["$ref"].startswith("#/components/responses/")
        expected = {"401", "403", "429"} if "security" in operation else set()
        expected |= {"413", "415", "422"} if "requestBody" in operation else set()
        assert expected <= set(operation["responses"])
    for response in document["components"]["responses"].values():
        assert list(response["content"]) == ["application/problem+json"]
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_every_json_body_has_an_example_that_fits_its_schema(document: Document) -> None:
    wrong = []
    for name, kind, media in _media(document):
        if not kind.endswith("json"):
            continue
        examples = [e["value"] for e in media.get("examples", {}).values()]
        examples += [media["example"]] if "example" in media else []
        assert examples, name
        schema = media.get("schema", {}) | {"components": document["components"]}
        validator = jsonschema_rs.Draft202012Validator(schema)
        faults = [e.message for example in examples for e in validator.iter_errors(example)]
        wrong += [(name, kind, fault) for fault in faults]
    assert wrong == []
