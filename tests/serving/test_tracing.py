import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from serving.app import create_app
from serving.options import ServiceOptions
from serving.store import SQLiteStore
from serving.tracing import TracingError, end_tracing

Ask = Callable[..., httpx.Response]


class _Collector(HTTPServer):
    """Takes what a service sends."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: list[bytes] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1/traces"


class _Handler(BaseHTTPRequestHandler):
    server: _Collector

    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        del format, args


@pytest.fixture
def collector() -> Iterator[_Collector]:
    with _Collector() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_span_tells_the_route_and_nobody(
    ask_app: Ask, store: SQLiteStore, collector: _Collector
) -> None:
    app = create_app(store, options=ServiceOptions(traces_endpoint=collector.url))
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    headers = {
        "traceparent": f"00-{trace_id}-b7ad6b7169203331-01",
        "X-API-Key": "wk_secret",
        "User-Agent": "till of Mary",
    }
    ask_app(app, "/v1/customers/C-0192/score?who=Mary", headers=headers)
    ask_app(app, "/v1/people/Mary")
    end_tracing(app)

    sent = ExportTraceServiceRequest.FromString(b"".join(collector.bodies))
    spans = [span for r in sent.resource_spans for s in r.scope_spans for span in s.spans]
    assert [span.name for span in spans] == [
        "GET /v1/customers/{customer_id}/score",
        "GET unknown",
    ]
    assert spans[0].trace_id.hex() == trace_id
    told = {attribute.key: attribute.value for attribute in spans[0].attributes}
    assert told["http.route"].string_value == "/v1/customers/{customer_id}/score"
    assert told["http.status_code"].int_value == 401
    for secret in ("C-0192", "Mary", "wk_secret"):
        assert secret not in str(sent)


def test_a_collector_that_is_away_holds_up_no_answer(ask_app: Ask, store: SQLiteStore) -> None:
    options = ServiceOptions(traces_endpoint="http://127.0.0.1:9/v1/traces")
    app = create_app(store, options=options)

    assert ask_app(app, "/healthz").status_code == 200
    started = time.monotonic()
    end_tracing(app)
    assert time.monotonic() - started < 6


@pytest.mark.parametrize("endpoint", ["collector:4318", "ftp://collector", "http://", ""])
def test_an_endpoint_that_is_no_address_stops_the_start(store: SQLiteStore, endpoint: str) -> None:
    with pytest.raises(TracingError, match=r"'service\.traces_endpoint' must be an address"):
        create_app(store, options=ServiceOptions(traces_endpoint=endpoint))


_WITHOUT = """
import sys
sys.modules["opentelemetry.instrumentation.asgi"] = None
sys.modules["opentelemetry.exporter"] = None
from fastapi import FastAPI
from serving.tracing import TracingError, add_tracing
try:
    add_tracing(FastAPI(), "http://collector:4318/v1/traces")
except TracingError as error:
    print(error)
"""
_OFF = """
import sys
from pathlib import Path
from serving.app import create_app
from serving.store import SQLiteStore
create_app(SQLiteStore.open(Path(sys.argv[1])))
print(sorted(name for name in sys.modules if name.startswith(
    ("opentelemetry.sdk", "opentelemetry.exporter", "opentelemetry.instrumentation"))))
"""


def _said(script: str, *arguments: str) -> str:
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=60
    ).stdout.strip()


def test_missing_packages_are_named_with_the_way_out() -> None:
    assert _said(_WITHOUT) == (
        "The setting 'service.traces_endpoint' needs packages that are not installed: "
        "pip install 'worth[telemetry]', or leave it out."
    )


def test_a_service_without_traces_loads_nothing_for_them(store: SQLiteStore) -> None:
    assert _said(_OFF, str(store.path)) == "[]"
