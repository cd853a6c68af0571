import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from serving.app import create_app
from serving.auth import create_key
from serving.store import SQLiteStore


@contextmanager
def _serve(home: Path, *options: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "worth", "serve", "--port", "0", *options]
    environment = os.environ | {"WORTH_HOME": str(home)}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


def _said(process: "subprocess.Popen[str]") -> dict[str, str]:
    assert process.stderr is not None
    answer: dict[str, str] = json.loads(process.stderr.readline())
    return answer


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_the_service_says_where_it_listens_answers_and_ends_as_asked(
    scored_home: Path, stop: signal.Signals
) -> None:
    store = SQLiteStore.open(scored_home / "worth.db")
    key = create_key(store, ["scores:read"])
    store.close()

    with _serve(scored_home) as process:
        started = _said(process)
        assert started["event"] == "service.started"
        assert started["store"] == str(scored_home / "worth.db")
        answer = httpx.get(f"{started['url']}/v1/customers/0001/score", headers={"X-API-Key": key})
        assert answer.json()["customer_id"] == "0001"

        process.send_signal(stop)
        assert _said(process)["event"] == "service.stopped"
        assert process.wait(10) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def _has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6")
def test_the_address_of_an_ipv6_host_can_be_called(tmp_path: Path) -> None:
    with _serve(tmp_path, "--host", "::1") as process:
        assert httpx.get(f"{_said(process)['url']}/healthz").json() == {"status": "alive"}


def test_a_port_in_use_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with _serve(tmp_path, "--port", str(port)) as process:
            _, said = process.communicate(timeout=30)

    assert process.returncode == 1
    assert said.startswith(f"worth: 127.0.0.1:{port} cannot be listened on: Address already in use")
    assert said.count("\n") == 1


def test_the_lifespan_closes_the_store(tmp_path: Path) -> None:
    store = SQLiteStore.open(tmp_path / "worth.db", is_pooled=True)

    async def live() -> None:
        async with app.router.lifespan_context(app):
            with store.reading() as connection:
                connection.execute(sa.text("SELECT 1"))

    app = create_app(store)
    asyncio.run(live())
    assert store.engine.pool.checkedin() == 0  # type: ignore[attr-defined]
