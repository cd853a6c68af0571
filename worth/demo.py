"""The whole road on a real ledger, from a file of purchases to scores over HTTP."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import httpx
from rich.console import Console

from features.sources import Source
from serving.auth import create_key, revoke_key
from serving.ingest import ingest
from serving.publish import publish
from serving.store import SQLiteStore
from serving.versions.scorer import scorer
from worth import reports
from worth.settings import Settings

__all__ = ["DEMO_SOURCE", "DemoError", "demo_settings", "run_demo", "running_service"]


def _folder_of(package: str) -> Path:
    """Find where a package is, without importing it."""
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


# Every purchase to the end of June 1998 of a tenth of the people who first bought at the CDNOW
# music shop in early 1997 (Fader and Hardie 2001, Interfaces 31).
DEMO_SOURCE = Source(
    path=_folder_of("lifetimes") / "datasets" / "CDNOW_sample.txt",
    delimiter="whitespace",
    header=["master_id", "customer_id", "ordered_at", "quantity", "revenue"],
)
_TIMEOUT = 30.0


class DemoError(RuntimeError):
    """Raised where the service of the demo does not come up."""


def demo_settings(settings: Settings) -> Settings:
    """Give the demo a folder of its own, so that it never mixes with a company's ledger.

    Parameters
    ----------
    settings : Settings
        The company's.

    Returns
    -------
    Settings
        The same state folder's `demo`, and the CDNOW ledger as only source.
    """
    # Every other key at its default: the demo neither reads a company's sources nor writes to its
    # model registry, whatever worth.toml and the environment say.
    return Settings.model_construct(
        home=settings.home / "demo",
        currency="USD",
        horizon_days=182,
        sources={"cdnow": DEMO_SOURCE},
    )


def run_demo(
    settings: Settings,
    *,
    out: Console,
    report: Callable[[str], None],
    train: Callable[[Settings], int],
) -> None:
    """Run the main job on the demo's ledger and show each result.

    Parameters
    ----------
    settings : Settings
        Those of the demo.
    out : Console
        Where the results go.
    report : callable
        Told what is being done.
    train : callable
        The training command.

    Raises
    ------
    DemoError
        If the service does not come up.
    """
    store = SQLiteStore.open(settings.store_path)
    (loaded,) = ingest(store, settings.sources, time_zone=settings.time_zone, report=report)
    facts = {
        "rows read": loaded.cleaned.n_read,
        "clean": len(loaded.cleaned.rows),
        "rejected": len(loaded.cleaned.rejected),
        "new in the ledger": loaded.n_new,
    }
    out.print(reports.facts_table("1. Ledger: CDNOW, online music shop, 1997-1998", facts))
    train(settings)
    publication = publish(
        store,
        scorer(store, settings.home, settings.mlflow_uri).champion,
        currency=settings.currency,
        discount_rate=settings.discount_rate,
        policy=settings.tier_policy,
        report=report,
    )
    out.print(reports.tiers_table(publication.scores, settings.currency))
    key = create_key(store, ["scores:read", "lists:read"])
    store.close()
    best = str(publication.scores["clv_expected"].idxmax())
    report("starting the service")
    with running_service(settings) as url:
        headers = {"Authorization": f"Bearer {key}"}
        with httpx.Client(base_url=url, headers=headers, timeout=_TIMEOUT) as client:
            path = f"/v1/customers/{best}/score"
            report(f"GET {path}")
            out.print(reports.score_table(client.get(path).raise_for_status().json()))
            query = "/v1/target-lists/preview?tier=A&min_churn=0.5&limit=5"
            report(f"GET {query}")
            target_list = client.get(query).raise_for_status().json()
            title = (
                f"Win back first: {target_list['n_matching']} of tier A will more likely not buy"
            )
            out.print(reports.list_table(target_list, title))
    report("service stopped")
    revoke_key(store, key.split("_")[1])
    _say_what_is_next(out, settings)


@contextmanager
def running_service(settings: Settings) -> Iterator[str]:
    """Run the real service in a process of its own, on a free port.

    Parameters
    ----------
    settings : Settings
        Whose store it serves.

    Yields
    ------
    str
        Its address.

    Raises
    ------
    DemoError
        If it does not start.
    """
    command = [sys.executable, "-m", "worth", "serve", "--port", "0", "--host", "127.0.0.1"]
    environment = {
        "WORTH_HOME": str(settings.home.absolute()),
        "WORTH_STORE_URL": f"sqlite:///{settings.store_path.absolute()}",
        # Nobody has to be told that it goes away.
        "WORTH_SERVICE__DRAIN_SECONDS": "0",
    }
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=os.environ | environment
    ) as process:
        try:
            yield _address(process)
        finally:
            process.terminate()


def _address(process: "subprocess.Popen[str]") -> str:
    assert process.stderr is not None
    said: list[str] = []
    for line in process.stderr:
        said.append(line)
        if line.startswith("{") and json.loads(line).get("event") == "service.started":
            return str(json.loads(line)["url"])
    raise DemoError(f"The service did not start. It said: {''.join(said).strip()}")


def _say_what_is_next(out: Console, settings: Settings) -> None:
    folder = Path(sys.executable).parent
    bin_folder = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
    worth = f"WORTH_HOME={settings.home} {bin_folder / 'worth'}"
    out.print("[bold]What next[/]")
    for purpose, command in (
        ("Serve these scores", f"{worth} serve"),
        ("Make a key for them", f"{worth} keys create --scope scores:read"),
        (
            "Look at the runs",
            f"{bin_folder / 'mlflow'} ui --backend-store-uri {settings.mlflow_uri}",
        ),
        ("Load your own ledger", "write a worth.toml, as the README shows"),
    ):
        out.print(f"  {purpose + ':':22} {command}", highlight=False, soft_wrap=True)
