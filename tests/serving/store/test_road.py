"""The whole road on PostgreSQL: every command works on the store that an address names."""

import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from serving.store import open_store
from serving.store.tables import SCORES
from simulation import write_company
from training.tracking import Tracking
from worth.cli import main


@pytest.fixture
def worth(
    tmp_path: Path,
    postgres_place: str,
    tracking: Tracking,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., str]:
    """Run the command line on a store on PostgreSQL."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORTH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("WORTH_STORE_URL", postgres_place)
    monkeypatch.setenv("WORTH_TRACKING_URI", tracking.uri)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", ["worth", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main()
        said = capsys.readouterr()
        assert stop.value.code == 0, said.err
        return said.out

    return run


def test_every_command_works_on_it(
    worth: Callable[..., str],
    ask_of: Callable[..., httpx.Response],
    tmp_path: Path,
    postgres_place: str,
) -> None:
    write_company(tmp_path / "company", 150, seed=5)
    orders = tmp_path / "company" / "order_lines.parquet"

    assert "new in the ledger" in worth("ingest", "--orders", orders)
    worth("check")
    worth("view", "abc")
    worth("train", "--horizon", 90)
    worth("score")
    worth("explain", "--company")
    with closing(open_store(postgres_place, is_pooled=True)) as store:
        with store.reading() as connection:
            row = connection.execute(sa.select(SCORES).limit(1)).one()
        answer = ask_of(store, f"/v1/customers/{row.customer_id}/score")
        assert answer.status_code == 200, answer.text
        assert answer.json()["clv"]["expected"] == pytest.approx(row.clv_expected)
    key = worth("keys", "create", "--scope", "scores:read").split()[-1]
    assert key.split("_")[1] in worth("keys", "list")
    worth("keys", "revoke", key.split("_")[1])
    assert not (tmp_path / "home" / "worth.db").exists()
