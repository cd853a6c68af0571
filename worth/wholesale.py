"""The whole road for a company with everything, and how its forecasts hold against the truth."""

import tomllib
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from rich.console import Console

from features.sources import Source
from models.value.discounting import discount_factor
from serving.ingest import ingest
from serving.publish import publish
from serving.registry import load_champion
from serving.store import SQLiteStore
from simulation import write_company
from worth import reports
from worth.settings import CONFIG_FILE, Settings

__all__ = ["hold_against_truth", "run_wholesale", "wholesale_settings"]


def wholesale_settings(folder: Path) -> Settings:
    """Read the settings of a simulated company.

    The environment is left aside, so that the demo never mixes with a company's ledger.

    Parameters
    ----------
    folder : Path
        Where `simulation.write_company` wrote it.

    Returns
    -------
    Settings
        Its five sources; all state in a folder of its own beside them, where `worth --config` finds
        it too.
    """
    config = tomllib.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    sources = {
        name: Source.model_validate({"table": name} | source | {"path": folder / source["path"]})
        for name, source in config.pop("sources").items()
    }
    home = folder / config.pop("home")
    return Settings.model_construct(home=home, sources=sources, **config)


def run_wholesale(
    settings: Settings,
    *,
    n_customers: int,
    folder: Path | None = None,
    seed: int = 0,
    only_files: bool = False,
    out: Console,
    report: Callable[[str], None],
    train: Callable[[Settings], int],
) -> None:
    """Simulate a wholesaler, run the main job on it and show how it holds against the truth.

    Parameters
    ----------
    settings : Settings
        The command line's; they say where its state is.
    n_customers : int
        Of the wholesaler; 1 to 10,000,000.
    folder : Path, optional
        Where the files go; the state folder's `wholesale` where it is not given.
    seed : int
        Of all chance.
    only_files : bool
        Whether to stop when the files are written.
    out : Console
        Where the results go.
    report : callable
        Told what is being done.
    train : callable
        The training command.

    Raises
    ------
    ValueError
        If the number of customers is out of range.
    """
    folder = folder or settings.home / "wholesale"
    counts = write_company(folder, n_customers, seed=seed, report=report)
    out.print(reports.facts_table("1. Simulated wholesaler, rows written", counts))
    if not only_files:
        _run_on(wholesale_settings(folder), folder, out=out, report=report, train=train)
    _say_what_is_next(out, folder, is_trained=not only_files)


def _run_on(
    settings: Settings,
    folder: Path,
    *,
    out: Console,
    report: Callable[[str], None],
    train: Callable[[Settings], int],
) -> None:
    store = SQLiteStore.open(settings.store_path)
    # Another company may have been in this folder before.
    for loaded in ingest(
        store, settings.sources, time_zone=settings.time_zone, replace=True, report=report
    ):
        facts = {
            "rows read": loaded.cleaned.n_read,
            "clean": len(loaded.cleaned.rows),
            "rejected": len(loaded.cleaned.rejected),
        }
        out.print(reports.facts_table(f"Source {loaded.source}", facts))
    train(settings)
    publication = publish(
        store,
        load_champion(settings.mlflow_uri),
        currency=settings.currency,
        discount_rate=settings.discount_rate,
        policy=settings.tier_policy,
        report=report,
    )
    store.close()
    out.print(reports.tiers_table(publication.scores, settings.currency))
    figures = hold_against_truth(
        publication.scores,
        pd.read_parquet(folder / "truth.parquet").set_index("customer_id"),
        horizon_days=settings.horizon_days,
        discount_rate=settings.discount_rate,
    )
    title = f"Against the truth, {settings.horizon_days} days ahead"
    out.print(reports.facts_table(title, figures))
    out.print(
        "Note: the simulator obeys laws that the models assume; this shows that the road is whole, "
        "not how accurate it is on real customers.",
        highlight=False,
    )


def hold_against_truth(
    scores: pd.DataFrame, truth: pd.DataFrame, *, horizon_days: int, discount_rate: float
) -> dict[str, str]:
    """Compare scores with what is truly to be expected of the same customers.

    Parameters
    ----------
    scores : DataFrame of shape (n_customers, n_columns), indexed by customer_id
        Columns expected_purchases and clv_expected, as published.
    truth : DataFrame of shape (n_customers, n_columns), indexed by customer_id
        As `simulation.write_company` wrote it; customers without a score are left aside.
    horizon_days : int
        Of the scores: 90, 180 or 365.
    discount_rate : float
        Annual, of the scores' values.

    Returns
    -------
    dict of str to str
        Number of customers; rank correlation (Spearman, -1 to 1) and bias of the total, for
        purchases and for value.
    """
    both = scores[["expected_purchases", "clv_expected"]].join(truth, how="inner")
    factor = discount_factor(horizon_days, discount_rate)
    pairs = {
        "expected purchases": (
            both["expected_purchases"],
            both[f"expected_purchases_{horizon_days}d"],
        ),
        "expected value": (
            both["clv_expected"],
            both[f"expected_margin_{horizon_days}d"] * factor,
        ),
    }
    figures = {"customers compared": f"{len(both):,}"}
    for name, (score, true) in pairs.items():
        figures[f"{name}: rank correlation"] = f"{score.corr(true, method='spearman'):.3f}"
        figures[f"{name}: bias of the total"] = f"{score.sum() / true.sum() - 1:+.1%}"
    return figures


def _say_what_is_next(out: Console, folder: Path, *, is_trained: bool) -> None:
    config = folder / CONFIG_FILE
    commands = ("serve",) if is_trained else ("ingest", "train", "score", "serve")
    out.print("[bold]What next[/]")
    for command in commands:
        out.print(f"  worth {command} --config {config}", highlight=False, soft_wrap=True)
