"""Schemathesis asks every operation for all that the OpenAPI document allows, and for all else."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import CheckFunction
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import positive_data_acceptance
from starlette.types import Receive, Scope, Send

from serving.store import SQLiteStore

_DOCUMENT = Path(__file__).parents[3] / "docs" / "openapi.json"
_EXAMPLES = 200
_JOURNEYS = 100  # each of up to four steps
_CUSTOMERS = ["0001", "0002", "0003", "0010", "1234", "2357"]
_CONFIG = {
    "generation": {
        "max-examples": _EXAMPLES,
        "deterministic": True,
        "with-security-parameters": False,  # the test's own key is sent instead
    },
    "dictionaries": {"customers": {"values": _CUSTOMERS}},
    "parameters": {
        "path.customer_id": {"dictionary": "customers", "probability": 0.5},
    },
}


schemathesis.serializer.alias("application/x-ndjson", "text/plain")


class _Door:
    """Tests are collected before there is a service; this stands in its place until then."""

    app: FastAPI

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


_door = _Door()
_api = schemathesis.openapi.from_path(_DOCUMENT, config=SchemathesisConfig.from_dict(_CONFIG))
_api.app = _door


@pytest.fixture(scope="module", autouse=True)
def _open_door(attacked: FastAPI) -> None:
    _door.app = attacked


@_api.parametrize()
def test_every_answer_is_one_that_the_document_promises(
    case: schemathesis.Case, headers: dict[str, str]
) -> None:
    case.call_and_validate(headers=headers, excluded_checks=list(_switched_off(case)))


def _switched_off(case: schemathesis.Case) -> Iterator[CheckFunction]:
    operation = case.operation.definition.raw["operationId"]
    if operation in {"post_events", "preview_score"}:
        yield positive_data_acceptance  # no schema says that a day is over, or whose currency it is
    if "cursor" in (case.query or {}):
        yield positive_data_acceptance  # only what the page before gave is a cursor
    if "Idempotency-Key" in (case.headers or {}):
        yield positive_data_acceptance  # a key that went with one request goes with no other


def test_no_journey_along_the_links_ends_in_an_answer_that_is_not_promised(
    headers: dict[str, str], attacked_store: SQLiteStore, tmp_path: Path
) -> None:
    laid = tmp_path / "laid.db"
    place = Path(str(attacked_store.engine.url.database))
    _copy(place, laid)

    class Journey(_api.as_state_machine()):  # type: ignore[misc] # made as it runs
        def setup(self) -> None:
            # Each begins alike, so that the same choices lead to the same answers.
            _copy(laid, place)

        def get_call_kwargs(self, case: schemathesis.Case) -> dict[str, Any]:
            return {"headers": headers}

        def validate_response(
            self, response: schemathesis.Response, case: schemathesis.Case, **kwargs: Any
        ) -> None:
            case.validate_response(
                response,
                excluded_checks=list(_switched_off(case)),
                transport_kwargs=kwargs,
                recorder=self.recorder,
            )

    Journey.run(
        settings=settings(
            max_examples=_JOURNEYS,
            stateful_step_count=4,
            phases=[Phase.generate],
            derandomize=True,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
    )


def _copy(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
