"""What the command line prints of models: tables for people."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
from rich.markup import escape
from rich.table import Table

from worth import reports

__all__ = ["comparison_table", "events_table", "files_table", "model_table", "versions_table"]


def versions_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Lay out the versions of the model, one a row.

    Parameters
    ----------
    rows : sequence of mapping
        As `worth models list --json` prints them.

    Returns
    -------
    rich.table.Table
        For a console.
    """
    columns = {
        "version": [int(row["version"]) for row in rows],
        "as of": [row["as_of"] for row in rows],
        "days": [row["horizon_days"] for row in rows],
        "model": [row["model"] for row in rows],
        "grade": [row["grade"] for row in rows],
        "loss": [row["loss"] for row in rows],
        "alias": [", ".join(row["aliases"]) for row in rows],
    }
    frame = pd.DataFrame(columns)
    return reports.frame_table("Model 'worth'", frame.astype({"loss": float}))


def model_table(shown: Mapping[str, Any]) -> Table:
    """Lay out what is known of one version.

    Parameters
    ----------
    shown : mapping
        As `worth models show --json` prints it.

    Returns
    -------
    rich.table.Table
        For a console.
    """
    known = {
        "model": shown["model"],
        "trained at": shown["trained_at"],
        "alias": ", ".join(shown["aliases"]) or None,
        "size": _size(shown["size_bytes"]),
        "digest": shown["digest"],
        "run in MLflow": shown["run_id"],
    }
    facts = {name: _as_text(value) for name, value in (known | dict(shown["facts"])).items()}
    return reports.facts_table(f"Version {shown['version']} of model 'worth'", facts)


def files_table(files: Mapping[str, Mapping[str, Any]]) -> Table:
    """Lay out the files of a bundle.

    Parameters
    ----------
    files : mapping of str to mapping
        Size (bytes) and SHA-256 by name.

    Returns
    -------
    rich.table.Table
        For a console.
    """
    rows = [(escape(name), file["size"], file["sha256"]) for name, file in files.items()]
    return reports.frame_table("Files", pd.DataFrame(rows, columns=["file", "bytes", "SHA-256"]))


def events_table(history: Iterable[Mapping[str, Any]]) -> Table:
    """Lay out when a version became champion, and when it ceased to be.

    Parameters
    ----------
    history : iterable of mapping
        Each with at, event and reason.

    Returns
    -------
    rich.table.Table
        For a console.
    """
    rows = [(e["at"][:19] + "Z", e["event"], escape(e["reason"])) for e in history]
    return reports.frame_table("History", pd.DataFrame(rows, columns=["when", "what", "reason"]))


def comparison_table(scores: Mapping[str, Any], titles: Sequence[str]) -> Table:
    """Lay out how the scores of two versions differ.

    Parameters
    ----------
    scores : mapping
        As `worth models compare --json` prints them.
    titles : sequence of str
        Of the two versions.

    Returns
    -------
    rich.table.Table
        For a console.
    """
    totals = zip(titles, scores["total_value"].values(), strict=True)
    correlation = scores["rank_correlation"]
    facts = {
        "customers": scores["n_customers"],
        **{f"total value by {t}, {scores['currency']}": f"{total:,.0f}" for t, total in totals},
        "rank correlation of their values": "-" if correlation is None else f"{correlation:.3f}",
        "share of customers whose tier changes": f"{scores['tier_changed_share']:.1%}",
    }
    title = f"Scores of the store's customers as of {scores['as_of']}"
    return reports.facts_table(title, facts)


def _size(n_bytes: int | None) -> str | None:
    return None if n_bytes is None else f"{n_bytes / 1000:,.1f} kB"


def _as_text(value: object) -> str:
    if value is None or value == [] or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return escape("\n".join(value))
    is_nested = isinstance(value, list | dict)
    text = json.dumps(value, ensure_ascii=False) if is_nested else str(value)
    return escape(text)
