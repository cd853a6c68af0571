"""OpenTelemetry traces of requests, where an endpoint for them is configured.

TracingError    the packages are not installed, or the endpoint is no address

A span says method, route, status and time. Path, query, headers and client address are not shown to
what makes the spans, so that none of them can get into one.
"""

from importlib.metadata import version
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.middleware.route import route_of

__all__ = ["TracingError", "add_tracing", "end_tracing"]

_PACKAGES = ("opentelemetry.instrumentation.asgi", "opentelemetry.exporter.otlp.proto.http")
# Seconds that a batch may take: a collector that is away must not hold up the end of the service.
_PATIENCE = 2
_HIDDEN = "worth.scope"
# What continues the trace of the client.
_SHOWN_HEADERS = {b"traceparent", b"tracestate"}


class TracingError(RuntimeError):
    """Raised where traces are configured and cannot be made."""


def add_tracing(app: FastAPI, endpoint: str | None) -> None:
    """Make a span of every request.

    Parameters
    ----------
    app : FastAPI
        The app.
    endpoint : str or None
        Where they go (OTLP over HTTP, such as http://collector:4318/v1/traces); None makes none.

    Raises
    ------
    TracingError
        If the packages for it are not installed, or the endpoint is no address.
    """
    if endpoint is None:
        return
    _refuse(endpoint)
    app.state.tracer_provider = _provider(endpoint)
    app.add_middleware(_Traced, provider=app.state.tracer_provider)


def end_tracing(app: FastAPI) -> None:
    """Send what is left of the traces.

    Parameters
    ----------
    app : FastAPI
        The app, after its last answer.
    """
    provider = getattr(app.state, "tracer_provider", None)
    if provider is not None:
        provider.shutdown()


def _refuse(endpoint: str) -> None:
    parts = urlsplit(endpoint)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise TracingError(
            "The setting 'service.traces_endpoint' must be an address like "
            f"http://collector:4318/v1/traces. Got {endpoint!r} instead."
        )
    if not all(_is_installed(package) for package in _PACKAGES):
        raise TracingError(
            "The setting 'service.traces_endpoint' needs packages that are not installed: "
            "pip install 'worth[telemetry]', or leave it out."
        )


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:
        return False


def _provider(endpoint: str) -> Any:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create({"service.name": "worth", "service.version": version("worth")})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=endpoint, timeout=_PATIENCE)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


class _Traced:
    """Shows the instrumentation a request without what could tell of whom it is.

    Parameters
    ----------
    app : ASGI app
        What answers.
    provider : opentelemetry.sdk.trace.TracerProvider
        Makes and sends the spans.
    """

    def __init__(self, app: ASGIApp, provider: Any) -> None:
        from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
        from opentelemetry.metrics import NoOpMeterProvider

        self._app = app
        self._instrumented = OpenTelemetryMiddleware(
            self._answer,
            default_span_details=lambda scope: (scope["method"], {}),
            tracer_provider=provider,
            meter_provider=NoOpMeterProvider(),
            exclude_spans=["receive", "send"],
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        shown = {
            "type": "http",
            "asgi": scope["asgi"],
            "http_version": scope["http_version"],
            "method": scope["method"],
            "scheme": scope["scheme"],
            "path": "/",
            "headers": [header for header in scope["headers"] if header[0] in _SHOWN_HEADERS],
            _HIDDEN: scope,
        }
        await self._instrumented(shown, receive, send)

    async def _answer(self, shown: Scope, receive: Receive, send: Send) -> None:
        from opentelemetry import trace

        scope = shown[_HIDDEN]
        span = trace.get_current_span()

        async def name_and_send(message: Message) -> None:
            # With the end of the answer the span ends too.
            if message["type"] == "http.response.start":
                route = route_of(scope)
                span.update_name(f"{scope['method']} {route}")
                span.set_attribute("http.route", route)
            await send(message)

        await self._app(scope, receive, name_and_send)
