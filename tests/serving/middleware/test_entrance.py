import asyncio
import time
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from structlog.testing import capture_logs

from serving.app import create_app
from serving.options import ServiceOptions
from serving.store import SQLiteStore

Ask = Callable[..., httpx.Response]


@pytest.fixture
def app(store: SQLiteStore) -> FastAPI:
    """The service with narrow limits, and operations that run into them."""
    app = create_app(store, options=ServiceOptions(request_seconds=0.5, max_body_bytes=1000))

    @app.post("/count")
    async def count(request: Request) -> int:
        return len(await request.body())

    @app.post("/ignore")
    async def ignore() -> str:
        return "not read"

    @app.get("/sleep/{customer_id}")
    async def sleep(customer_id: str) -> str:
        await asyncio.sleep(5)
        return customer_id

    @app.get("/block")
    def block() -> str:
        time.sleep(2)
        return "late"

    @app.get("/fail/{customer_id}")
    async def fail(customer_id: str) -> str:
        raise KeyError(customer_id)

    @app.get("/own")
    async def own() -> Response:
        return Response("x", headers={"Cache-Control": "private, max-age=60"})

    return app


class TestRequestId:
    def test_each_request_has_an_id(self, ask_app: Ask, app: FastAPI) -> None:
        ids = {ask_app(app, "/healthz").headers["X-Request-ID"] for _ in range(3)}

        assert len(ids) == 3

    def test_a_sane_id_is_kept(self, ask_app: Ask, app: FastAPI) -> None:
        answer = ask_app(app, "/nowhere", headers={"X-Request-ID": "till-7:0042.a_b"})

        assert answer.headers["X-Request-ID"] == "till-7:0042.a_b"
        assert answer.json()["request_id"] == "till-7:0042.a_b"

    @pytest.mark.parametrize("sent", ["", " ", "a b", "a" * 65, '"}', "ä".encode(), "<script>"])
    def test_another_is_replaced(self, ask_app: Ask, app: FastAPI, sent: str | bytes) -> None:
        answer = ask_app(app, "/healthz", headers={"X-Request-ID": sent})

        assert len(answer.headers["X-Request-ID"]) == 16


class TestHeaders:
    def test_every_answer_is_safe_to_show(self, ask_app: Ask, app: FastAPI) -> None:
        for path in ("/healthz", "/nowhere", "/v1/signals", "/fail/7", "/openapi.json", "/metrics"):
            headers = ask_app(app, path).headers
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Referrer-Policy"] == "no-referrer"
            assert headers["Cache-Control"] == "no-store"
            assert headers["Content-Security-Policy"].startswith("default-src 'none'")
            assert "Strict-Transport-Security" not in headers

    def test_an_answer_may_say_itself_how_it_is_cached(self, ask_app: Ask, app: FastAPI) -> None:
        assert ask_app(app, "/own").headers.get_list("Cache-Control") == ["private, max-age=60"]

    def test_https_stays_https(self, ask_app: Ask, app: FastAPI) -> None:
        answer = ask_app(app, "https://worth/healthz")

        assert answer.headers["Strict-Transport-Security"].startswith("max-age=31536000")

    def test_the_last_answers_of_a_service_end_their_connections(
        self, ask_app: Ask, app: FastAPI
    ) -> None:
        assert "Connection" not in ask_app(app, "/healthz").headers
        app.state.draining = True

        assert ask_app(app, "/healthz").headers["Connection"] == "close"


class TestBodyLimit:
    def test_a_body_of_just_the_size_is_taken(self, ask_app: Ask, app: FastAPI) -> None:
        assert ask_app(app, "/count", method="POST", content=b"x" * 1000).json() == 1000

    @pytest.mark.parametrize("path", ["/count", "/ignore", "/nowhere"])
    def test_one_byte_more_is_413(self, ask_app: Ask, app: FastAPI, path: str) -> None:
        answer = ask_app(app, path, method="POST", content=b"x" * 1001)

        assert (answer.status_code, answer.json()["status"]) == (413, 413)
        assert "1,000 bytes at most (max_body_bytes)" in answer.json()["detail"]

    def test_a_body_in_parts_is_refused_where_it_is_too_much(
        self, ask_app: Ask, app: FastAPI
    ) -> None:
        sent = []

        async def parts() -> AsyncIterator[bytes]:
            for _ in range(1000):
                sent.append(1)
                yield b"x" * 100

        answer = ask_app(app, "/count", method="POST", content=parts())

        assert answer.status_code == 413
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["request_id"]

    def test_a_small_body_in_parts_is_taken(self, ask_app: Ask, app: FastAPI) -> None:
        async def parts() -> AsyncIterator[bytes]:
            for _ in range(10):
                yield b"x" * 100

        assert ask_app(app, "/count", method="POST", content=parts()).json() == 1000


class TestTimeLimit:
    @pytest.mark.parametrize("path", ["/sleep/C-0192", "/block"])
    def test_what_takes_too_long_is_cut_off(self, ask_app: Ask, app: FastAPI, path: str) -> None:
        started = time.monotonic()
        answer = ask_app(app, path)

        assert time.monotonic() - started < 1.9
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert answer.json()["type"] == "/problems/took-too-long"
        assert "0.5 seconds (request_seconds)" in answer.json()["detail"]


class TestLog:
    def test_a_request_is_one_line_that_names_nobody(self, ask_app: Ask, app: FastAPI) -> None:
        with capture_logs() as log:
            ask_app(app, "/v1/customers/C-0192/score?who=Mary", headers={"X-API-Key": "wk_secret"})

        (line,) = log
        assert line.pop("ms") > 0
        assert len(line.pop("request_id")) == 16
        assert line == {
            "event": "request.answered",
            "log_level": "info",
            "method": "GET",
            "route": "/v1/customers/{customer_id}/score",
            "status": 401,
            "actor": None,
        }

    def test_a_path_that_leads_nowhere_is_not_repeated(self, ask_app: Ask, app: FastAPI) -> None:
        with capture_logs() as log:
            ask_app(app, "/v1/people/Mary")

        assert [line["route"] for line in log] == ["unknown"]

    def test_the_document_and_the_page_have_names_too(self, ask_app: Ask, app: FastAPI) -> None:
        with capture_logs() as log:
            ask_app(app, "/openapi.json")
            ask_app(app, "/docs/swagger-ui.css")

        assert [line["route"] for line in log] == ["/openapi.json", "/docs/{name}"]

    def test_a_fault_is_told_with_its_request(self, ask_app: Ask, app: FastAPI) -> None:
        with capture_logs() as log:
            answer = ask_app(app, "/fail/C-0192")

        failed, answered = log
        assert (failed["event"], failed["route"]) == ("request.failed", "/fail/{customer_id}")
        assert failed["request_id"] == answered["request_id"] == answer.json()["request_id"]
        assert answered["status"] == answer.status_code == 500
