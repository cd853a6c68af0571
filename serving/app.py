"""The service as an ASGI app."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from serving import health
from serving.errors import add_error_handlers
from serving.lists import endpoints as lists
from serving.scores import endpoints as scores
from serving.signals import endpoints as signals
from serving.store import Store

__all__ = ["create_app"]


def create_app(store: Store) -> FastAPI:
    """Make the service.

    Parameters
    ----------
    store : Store
        All its state. It is closed when the service stops.

    Returns
    -------
    FastAPI
        The app.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        app.state.store.close()

    # FastAPI's own pages of documentation load scripts from elsewhere; a closed network has none.
    app = FastAPI(title="Worth", version="1", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.store = store
    add_error_handlers(app)
    for resource in (scores, lists, signals, health):
        app.include_router(resource.router)
    return app
