"""How an app is operated: its entrance, its errors, its documents, what it tells of itself."""

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig

from serving import docs, health
from serving.errors import add_error_handlers
from serving.gauges import Gauges
from serving.middleware import Entrance
from serving.openapi import add_document
from serving.readiness import Probe
from serving.state import Service
from serving.tracing import add_tracing

__all__ = ["NO_TELEMETRY", "add_operations"]

# FastAPI's own spans hold paths and queries, and with them customers' ids.
NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}


def add_operations(app: FastAPI, service: Service) -> None:
    """Add to an app what every service needs, whatever it answers.

    Parameters
    ----------
    app : FastAPI
        The app; its own routers are added apart.
    service : Service
        Its state.
    """
    app.state.draining = False
    app.state.probe = Probe(service)
    app.state.gauges = Gauges(service, app.state.probe)
    add_error_handlers(app)
    app.include_router(health.router)
    app.include_router(docs.router)
    add_document(app)
    app.add_middleware(Entrance, options=service.options)
    # Outermost: a span lasts as long as its request.
    add_tracing(app, service.options.traces_endpoint)
