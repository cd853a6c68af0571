import os
import re
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pandas as pd
import pytest
from typer.main import get_command

from features.sources import Source
from serving.app import create_app
from serving.options import ServiceOptions, TokenIssuer
from serving.store import SQLiteStore
from worth.cli import app
from worth.demo import DEMO_SOURCE
from worth.settings import Settings

_ROOT = Path(__file__).parents[2]
_README = (_ROOT / "README.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", _README, flags=re.DOTALL)


def _write_orders(path: Path) -> None:
    """Write the demo's purchases as the README's company would export them."""
    assert DEMO_SOURCE.path is not None
    names = ["master", "Client", "Date", "n", "Amount"]
    orders = pd.read_csv(DEMO_SOURCE.path, sep=r"\s+", names=names, dtype=str)
    orders["Date"] = pd.to_datetime(orders["Date"]).dt.date
    orders["Order"] = [f"O-{n}" for n in range(len(orders))]
    orders[["Client", "Order", "Date", "Amount"]].to_csv(path, index=False)


def _free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return str(listener.getsockname()[1])


def test_every_command_of_the_readme_works_as_it_is_written(tmp_path: Path) -> None:
    _write_orders(tmp_path / "orders.csv")
    (toml,) = _blocks("toml")
    (tmp_path / "worth.toml").write_text(toml, encoding="utf-8")
    port = _free_port()
    script = "\n".join(_blocks("sh")).replace("127.0.0.1:8000", f"127.0.0.1:{port}")
    commands = Path(sys.executable).parent
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"trap 'kill %1 || true' EXIT\n{script}"],
        cwd=tmp_path,
        env=os.environ | {"PATH": f"{commands}:{os.environ['PATH']}", "WORTH_PORT": port},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert '"customer_id":"0042"' in ran.stdout
    assert "customer_id,tier,clv_expected" in ran.stdout
    assert (tmp_path / "predictions.parquet").exists()


def test_every_command_is_in_the_readme() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    names = [
        f"{name} {sub}" if sub else name
        for name, command in commands.items()
        for sub in getattr(command, "commands", {"": None})
    ]
    assert [name for name in names if f"`worth {name}`" not in _README] == []


def test_every_endpoint_is_in_the_readme(store: SQLiteStore) -> None:
    operations = [
        f"{method.upper()} {path}"
        for path, methods in create_app(store).openapi()["paths"].items()
        for method in methods
    ]
    assert [operation for operation in operations if f"`{operation}`" not in _README] == []


@pytest.mark.parametrize("settings", [Settings, Source, ServiceOptions, TokenIssuer])
def test_every_setting_is_in_the_readme(settings: type) -> None:
    assert [name for name in settings.model_fields if f"`{name}`" not in _README] == []  # type: ignore[attr-defined]


def test_every_dependency_has_its_reason_in_the_readme() -> None:
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = [re.split(r"[^a-z0-9-]", requirement)[0] for requirement in project["dependencies"]]
    table = _README.partition("why it is here")[2]
    assert [name for name in names if name not in table] == []


def test_no_lock_names_an_index() -> None:
    locks = sorted((_ROOT / "requirements").glob("*.txt"))
    assert locks
    assert not [lock.name for lock in locks if "://" in lock.read_text(encoding="utf-8")]
