from collections.abc import Callable

import httpx
import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from serving.errors import Problem
from serving.store import SQLiteStore
from serving.store.tables import SCORES

Ask = Callable[..., httpx.Response]


def _problem(answer: httpx.Response) -> Problem:
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = Problem.model_validate(answer.json())
    assert problem.status == answer.status_code
    return problem


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/docs", 404),
        ("GET", "/v1/customers/1", 404),
        ("POST", "/v1/customers/0001/score", 405),
        ("DELETE", "/readyz", 405),
        ("GET", "/v1/customers/nobody/score", 404),
        ("GET", "/v1/target-lists/preview?limit=-1", 422),
    ],
)
def test_every_refusal_is_a_problem(ask: Ask, method: str, path: str, status: int) -> None:
    problem = _problem(ask(path, method=method))

    assert (problem.status, problem.type) == (status, "about:blank")
    assert problem.title
    assert problem.detail


def test_a_key_problem_is_a_problem(ask: Ask) -> None:
    assert _problem(ask("/v1/signals", scopes=())).status == 401


def test_a_method_that_is_not_allowed_is_told_which_is(ask: Ask) -> None:
    assert ask("/readyz", method="DELETE").headers["Allow"] == "GET"


def test_a_422_names_each_wrong_part(ask: Ask) -> None:
    problem = _problem(ask("/v1/target-lists/preview?limit=0&tier=Z"))

    assert {fault.pointer for fault in problem.errors} == {"query/limit", "query/tier"}
    assert "Got 'Z' instead" in problem.detail


def test_a_fault_hides_its_details(ask: Ask, scored_store: SQLiteStore) -> None:
    with scored_store.writing() as connection:
        connection.execute(sa.update(SCORES).values(tier="secret"))

    with capture_logs() as log:
        problem = _problem(ask("/v1/customers/0001/score"))

    assert [entry["event"] for entry in log] == ["request.failed"]
    assert (problem.status, problem.title) == (500, "Internal error")
    assert problem.detail == "The service failed. Its log says why."


def test_a_store_that_fails_is_503_without_its_words(ask: Ask, scored_store: SQLiteStore) -> None:
    with scored_store.writing() as connection:
        connection.exec_driver_sql("DROP TABLE scores")

    answer = ask("/v1/customers/0001/score")

    assert _problem(answer).detail == "The store did not answer."
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
