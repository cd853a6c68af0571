import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import sqlalchemy as sa

from serving.app import create_app
from serving.auth import create_key
from serving.store import SQLiteStore
from serving.store.tables import MODELS_SERVED
from serving.versions.bundles import keep_bundle
from serving.versions.notes import ChampionNote, note
from training.tracking import Tracking

_SECRET = "open-sesame"


class _Service:
    """A running service; its log is read all the time, so that it never waits for a reader."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.lines.extend(iter(self.process.stderr.readline, ""))

    def events(self, name: str) -> list[dict[str, Any]]:
        said = (json.loads(line) for line in self.lines if line.startswith("{"))
        return [event for event in said if event["event"] == name]

    def event(self, name: str, seconds: float = 60.0) -> dict[str, Any]:
        return _until(lambda: next(iter(self.events(name)), None), seconds, self.lines)

    def ended(self, seconds: float = 30.0) -> int:
        code = self.process.wait(seconds)
        self._reader.join(10)
        return code


def _until(ask: Callable[[], Any], seconds: float = 30.0, said: Iterable[str] = ()) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = ask()
        if answer:
            return answer
        time.sleep(0.05)
    told = [line for line in said if "request.answered" not in line]
    raise AssertionError(f"waited for {seconds} s in vain: {''.join(told)}")


@contextmanager
def _serve(home: Path, *options: str, drain: float = 0.0, **more: str) -> Iterator[_Service]:
    command = [sys.executable, "-m", "worth", "serve", "--port", "0", *options]
    environment = os.environ | {
        "WORTH_HOME": str(home),
        "WORTH_SERVICE__DRAIN_SECONDS": str(drain),
        "WORTH_SERVICE__MODEL_POLL_SECONDS": "1",
        **more,
    }
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield _Service(process)
        finally:
            for child in psutil.Process(process.pid).children() if process.poll() is None else []:
                child.kill()
            process.kill()


def _key(home: Path, *scopes: Any) -> dict[str, str]:
    store = SQLiteStore.open(home / "worth.db")
    key = create_key(store, list(scopes))
    store.close()
    return {"X-API-Key": key}


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_the_service_says_with_what_it_started_answers_and_ends_as_asked(
    scored_home: Path, stop: signal.Signals
) -> None:
    key = _key(scored_home, "scores:read")

    with _serve(scored_home) as service:
        started = service.event("service.started")
        assert started["store_kind"] == "sqlite"
        assert started["store"] == str(scored_home / "worth.db")
        assert started["home"] == str(scored_home)
        assert (started["as_of"], started["workers"]) == ("1998-06-30", 1)
        assert started["pid"] == service.process.pid
        assert started["python"] == sys.version.split()[0]
        answer = httpx.get(f"{started['url']}/v1/customers/0001/score", headers=key)
        assert answer.json()["customer_id"] == "0001"

        service.process.send_signal(stop)
        assert service.ended() == 0
        assert service.event("service.stopped")["has_answered_all"] is True
        assert [line for line in service.lines if not line.startswith("{")] == []


def _has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6")
def test_the_address_of_an_ipv6_host_can_be_called(tmp_path: Path) -> None:
    with _serve(tmp_path, "--host", "::1") as service:
        url = service.event("service.started")["url"]
        assert httpx.get(f"{url}/healthz").json() == {"status": "alive"}


def test_a_port_in_use_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with _serve(tmp_path, "--port", str(port)) as service:
            assert service.ended(60) == 1

    (said,) = service.lines
    assert said.startswith(f"worth: 127.0.0.1:{port} cannot be listened on: Address already in use")


def test_a_store_that_is_none_stops_the_start_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "worth.db").write_text("orders of 2024\n")

    with _serve(tmp_path, "--workers", "2") as service:
        assert service.ended(60) == 1

    (said,) = service.lines
    assert said.startswith(f"worth: {tmp_path / 'worth.db'} cannot be opened as a store")


def test_a_start_without_registry_and_model_says_what_is_missing_and_no_password(
    tmp_path: Path,
) -> None:
    uri = f"http://worth:{_SECRET}@127.0.0.1:9/"
    with _serve(tmp_path, WORTH_TRACKING_URI=uri) as service:
        started = service.event("service.started")
        parent = psutil.Process(service.process.pid)
        command_lines = [" ".join(one.cmdline()) for one in (parent, *parent.children())]

    assert (started["registry"], started["model_version"]) == ("away", None)
    assert started["registry_error"].startswith("The model registry at http://127.0.0.1 does not")
    assert "'worth train'" in started["model_missing"]
    assert _SECRET not in "".join(service.lines + command_lines)


def test_the_last_good_model_serves_while_the_registry_is_away(
    scored_home: Path, champion: Any
) -> None:
    keep_bundle(scored_home, champion)
    at = "2026-01-01T00:00:00.000+00:00"
    note(
        scored_home,
        ChampionNote(name="worth", version="7", digest=champion.digest, seen_at=at),
    )
    (scored_home / "mlflow.db").unlink()
    key = _key(scored_home, "models:read")

    with _serve(scored_home) as service:
        started = service.event("service.started")
        assert (started["registry"], started["model_version"]) == ("away", "7")
        assert started["model_digest"] == champion.digest
        models = httpx.get(f"{started['url']}/v1/models", headers=key).json()
        assert models["serving"] == {"version": "7", "digest": champion.digest}
        assert models["registry"]["state"] == "away"
        assert "There is no model registry at" in models["registry"]["error"]


def test_a_new_champion_is_served_by_all_workers_without_a_restart(
    tracking: Tracking, register: Callable[..., Any], tmp_path: Path
) -> None:
    register()
    tracking.promote("1", "it is the only one")
    key = _key(tmp_path, "models:read", "models:promote")

    with _serve(tmp_path, "--workers", "2", WORTH_TRACKING_URI=tracking.uri) as service:
        started = service.event("service.started")
        models, headers = f"{started['url']}/v1/models", key | {"Connection": "close"}

        def serving() -> set[str | None]:
            asked = (httpx.get(models, headers=headers).json()["serving"] for _ in range(8))
            return {model and model["version"] for model in asked}

        assert started["model_version"] is None
        _until(lambda: serving() == {"1"}, 60, service.lines)
        register(n_customers=250)
        tracking.promote("2", "it knows more")
        _until(lambda: serving() == {"2"}, 60, service.lines)
        answer = httpx.post(f"{models}:rollback", json={"reason": "a test"}, headers=key)
        assert (answer.status_code, answer.json()["serving"]) == (200, "1")
        _until(lambda: serving() == {"1"}, 10, service.lines)
        assert [event["version"] for event in service.events("model.fetched")] == ["1", "2"]

    with SQLiteStore.open(tmp_path / "worth.db").reading() as connection:
        served = connection.execute(sa.select(MODELS_SERVED.c.version)).scalars().all()
    assert served == ["1", "2", "1"]


def test_workers_and_watcher_that_are_killed_are_replaced_and_all_end_with_their_parent(
    tmp_path: Path,
) -> None:
    with _serve(tmp_path, "--workers", "2") as service:
        url = service.event("service.started")["url"]
        parent = psutil.Process(service.process.pid)
        _until(lambda: len(parent.children()) == 3)
        before = parent.children()
        for child in before:
            child.kill()
        _until(lambda: len(service.events("worker.started")) == 2, 60, service.lines)
        assert {event["exit_code"] for event in service.events("worker.ended")} == {-9}
        assert service.event("models.watcher_ended")["exit_code"] == -9
        assert httpx.get(f"{url}/healthz").status_code == 200
        after = _until(lambda: len(parent.children()) == 3 and parent.children())

        parent.kill()
        gone, alive = psutil.wait_procs(after, timeout=20)
        assert (len(gone), alive) == (3, [])


class _Client(threading.Thread):
    """Asks on one connection, over and over, until nobody listens any more.

    A request on a connection that was kept, and that is closed before a byte of the answer came,
    is sent once more on a new one: RFC 9110, 9.2.2 allows it for a read.
    """

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        super().__init__()
        self._url, self._headers = url, headers
        self.statuses: list[int] = []
        self.failed: list[str] = []

    def run(self) -> None:
        with httpx.Client(headers=self._headers, timeout=30) as client:
            while self._ask(client):
                pass

    def _ask(self, client: httpx.Client) -> bool:
        for attempt in (1, 2):
            try:
                self.statuses.append(client.get(self._url).status_code)
                return True
            except httpx.ConnectError:
                return False
            except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError) as error:
                if attempt == 2:
                    self.failed.append(repr(error))
        return False


def test_a_service_that_is_stopped_under_load_fails_no_request(scored_home: Path) -> None:
    key = _key(scored_home, "scores:read")

    with _serve(scored_home, "--workers", "2", drain=1.5) as service:
        url = service.event("service.started")["url"]
        clients = [_Client(f"{url}/v1/customers/0001/score", key) for _ in range(8)]
        for client in clients:
            client.start()
        _until(lambda: all(len(client.statuses) > 20 for client in clients), 60, service.lines)
        service.process.terminate()
        told_at = time.monotonic()
        readiness = _until(lambda: (r := httpx.get(f"{url}/readyz")).status_code == 503 and r, 5)
        assert time.monotonic() - told_at < 1.0
        assert readiness.headers["connection"] == "close"
        assert "told to stop" in readiness.json()["detail"]
        n_before = sum(len(client.statuses) for client in clients)
        assert service.ended() == 0
        for client in clients:
            client.join(30)

    assert time.monotonic() - told_at > 1.5
    assert sum(len(client.statuses) for client in clients) > n_before
    assert {status for client in clients for status in client.statuses} == {200}
    assert [fault for client in clients for fault in client.failed] == []


def test_a_second_signal_stops_at_once(tmp_path: Path) -> None:
    with _serve(tmp_path, drain=60) as service:
        url = service.event("service.started")["url"]
        service.process.send_signal(signal.SIGINT)
        _until(lambda: "told to stop" in httpx.get(f"{url}/readyz").json()["detail"])
        service.process.send_signal(signal.SIGINT)
        assert service.ended(10) == 1
        assert service.event("service.stopped")["has_answered_all"] is False


def test_workers_measure_together(tmp_path: Path) -> None:
    with _serve(tmp_path, "--workers", "2") as service:
        url = service.event("service.started")["url"]
        for _ in range(30):
            httpx.get(f"{url}/healthz")
        measured = httpx.get(f"{url}/metrics").text

    line = next(
        line
        for line in measured.splitlines()
        if line.startswith("worth_request_seconds_count") and 'route="/healthz"' in line
    )
    assert float(line.split()[-1]) == 30.0


def test_the_lifespan_closes_the_store(tmp_path: Path) -> None:
    store = SQLiteStore.open(tmp_path / "worth.db", is_pooled=True)

    async def live() -> None:
        async with app.router.lifespan_context(app):
            with store.reading() as connection:
                connection.execute(sa.text("SELECT 1"))

    app = create_app(store)
    asyncio.run(live())
    assert store.engine.pool.checkedin() == 0  # type: ignore[attr-defined]
