import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

Request = dict[str, Any]
Visit = Callable[..., list[httpx.Response]]


@pytest.fixture
def visit() -> Visit:
    """Send requests to one app, one after the other and from one address."""
    return _visit


def _visit(
    app: FastAPI, requests: Iterable[Request], *, pause: float = 0.0, address: str = "192.0.2.1"
) -> list[httpx.Response]:
    async def send() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://worth") as client:
            answers = [await client.request(**({"method": "GET"} | r)) for r in requests]
            # What is written behind the requests is given its time.
            await asyncio.sleep(pause)
        return answers

    return asyncio.run(send())
