"""The service as an ASGI app."""

from asyncio import to_thread
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI

from serving.access.gate import Gate
from serving.events import endpoints as events
from serving.events.intake import Intake
from serving.lists import endpoints as lists
from serving.middleware.shortcut import Shortcut
from serving.operations import NO_TELEMETRY, add_operations
from serving.options import CompanyFacts, ServiceOptions
from serving.privacy import endpoints as privacy
from serving.scores import endpoints as scores
from serving.scores.companies import Companies
from serving.scores.lookup import ScoreLookup
from serving.signals import endpoints as signals
from serving.state import ServedModels, Service
from serving.store import Store
from serving.tracing import end_tracing
from serving.versions import endpoints as versions
from serving.versions.keeper import ModelKeeper

__all__ = ["create_app"]


def create_app(
    store: Store,
    company: CompanyFacts | None = None,
    *,
    options: ServiceOptions | None = None,
    models: ServedModels | None = None,
) -> FastAPI:
    """Make the service.

    Parameters
    ----------
    store : Store
        All its state. It is closed when the service stops.
    company : CompanyFacts, optional
        Currency, time zone and the like.
    options : ServiceOptions, optional
        How the service runs.
    models : ServedModels, optional
        What is loaded already.

    Returns
    -------
    FastAPI
        The app.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if company is not None:  # Without a home there are no bundles to look for.
            await to_thread(app.state.keeper.start)
        app.state.intake.start()
        yield
        await to_thread(app.state.intake.stop)
        app.state.keeper.stop()
        end_tracing(app)
        app.state.lookup.close()
        store.close()

    # FastAPI's own pages of documentation load scripts from elsewhere; a closed network has none.
    app = FastAPI(
        title="Worth",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        telemetry=NO_TELEMETRY,
    )
    app.state.store = store
    app.state.service = Service(
        store,
        company or CompanyFacts(home=Path("worth-data")),
        options or ServiceOptions(),
        models or ServedModels(),
    )
    app.state.keeper = ModelKeeper(app.state.service)
    app.state.lookup, app.state.companies = ScoreLookup(store), Companies()
    app.state.intake = Intake(app.state.service)
    app.state.gate = Gate(store, app.state.service.options)
    app.add_middleware(Shortcut, route=scores.add_score_route(app))
    for resource in (scores, events, lists, signals, versions, privacy):
        app.include_router(resource.router)
    add_operations(app, app.state.service)
    return app
