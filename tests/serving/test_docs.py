import re
from collections.abc import Callable

import httpx
import pytest
from fastapi import FastAPI

from serving.app import create_app
from serving.store import SQLiteStore

Ask = Callable[..., httpx.Response]


@pytest.fixture
def app(store: SQLiteStore) -> FastAPI:
    return create_app(store)


def test_the_page_loads_nothing_from_elsewhere(ask_app: Ask, app: FastAPI) -> None:
    page = ask_app(app, "/docs")

    assert page.headers["Content-Type"].startswith("text/html")
    assert "//" not in page.text
    policy = page.headers["Content-Security-Policy"]
    sources = {source for part in policy.split(";") for source in part.split()[1:]}
    assert sources == {"'none'", "'self'", "'unsafe-inline'", "data:"}
    assert "script-src 'self';" in policy
    assert "<script>" not in page.text


def test_all_that_the_page_names_is_there(ask_app: Ask, app: FastAPI) -> None:
    named = re.findall(r'(?:src|href)="([^"]+)"', ask_app(app, "/docs").text)

    assert len(named) == 4
    for path in named:
        assert ask_app(app, f"/{path}").status_code == 200


def test_what_begins_the_page_asks_the_service_alone(ask_app: Ask, app: FastAPI) -> None:
    script = ask_app(app, "/docs/start.js").text

    assert "//" not in script
    assert "validatorUrl: null" in script
    (asked,) = re.findall(r'url: "([^"]+)"', script)
    assert ask_app(app, f"/{asked}").json()["info"]["title"] == "Worth"


@pytest.mark.parametrize(
    "name", ["core.py", "..%2Fcore.py", "%2e%2e/core.py", "redoc.standalone.js"]
)
def test_no_other_file_is_given(ask_app: Ask, app: FastAPI, name: str) -> None:
    assert ask_app(app, f"/docs/{name}").status_code == 404
