from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from serving.app import create_app
from serving.auth import create_key
from serving.store import SQLiteStore
from worth.cli import app

_EXAMPLE = Path(__file__).parents[2] / "examples" / "online_retail" / "worth.toml"


@pytest.mark.anyio
async def test_online_retail_trains_and_serves_with_only_its_worth_toml(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = shared / "online_retail" / "online_retail.parquet"
    monkeypatch.setenv("WORTH_HOME", str(tmp_path))
    monkeypatch.setenv("WORTH_SOURCES__ORDER_LINES__PATH", str(data))

    for command in ("ingest", "train", "score"):
        ran = CliRunner().invoke(app, [command, "--config", str(_EXAMPLE)], catch_exceptions=False)
        assert ran.exit_code == 0, ran.output

    store = SQLiteStore.open(tmp_path / "worth.db")
    key = create_key(store, ["scores:read"])
    transport = httpx.ASGITransport(create_app(store))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.get("/v1/customers/12347/score", headers={"X-API-Key": key})
    assert answer.status_code == 200
    assert answer.json()["currency"] == "GBP"
    assert answer.json()["horizon_days"] == 91
    assert answer.json()["clv"]["expected"] > 0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
