"""What the command line prints: tables for people."""

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from math import isnan
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from rich.console import Console
from rich.table import Table

from features.sources import SourceError

__all__ = [
    "facts_table",
    "figures_rows",
    "figures_table",
    "frame_table",
    "list_table",
    "progress_on",
    "reasons_table",
    "score_table",
    "signals_table",
    "tiers_table",
    "titled_table",
    "write_frame",
    "written",
]

# What an analyst compares models by, in this order; all others are in MLflow and in --json.
_FIGURES = {
    "value_tweedie": "value: Tweedie deviance (lower is better)",
    "value_gini": "value: normalised Gini (higher is better)",
    "value_wape": "value: WAPE",
    "value_bias": "value: bias of the total",
    "purchases_mae": "purchases: MAE",
    "churn_auc": "churn: AUC (higher is better)",
    "churn_brier": "churn: Brier (lower is better)",
}


def progress_on(console: Console) -> Callable[[str], None]:
    """Make the callable that jobs tell what they do.

    Parameters
    ----------
    console : Console
        Where to print it, with the seconds since the start.

    Returns
    -------
    callable
        Takes a message.
    """
    start = time.monotonic()

    def report(message: str) -> None:
        console.print(f"{time.monotonic() - start:6.1f} s  {message}", style="dim", highlight=False)

    return report


def facts_table(title: str, facts: Mapping[str, object]) -> Table:
    """Lay out named facts, one a row.

    Parameters
    ----------
    title : str
        Above them.
    facts : mapping of str to object
        Name and value.

    Returns
    -------
    rich.table.Table
        For a console.
    """
    table = titled_table(title, show_header=False)
    for name, value in facts.items():
        table.add_row(name, written(value))
    return table


def reasons_table(counts: Mapping[str, int]) -> Table:
    """Lay out how many rows were rejected, by reason.

    Parameters
    ----------
    counts : mapping of str to int
        Rows by reason.

    Returns
    -------
    rich.table.Table
        For a console.
    """
    table = titled_table("Rejected rows")
    table.add_column("reason")
    table.add_column("rows", justify="right")
    for reason, count in counts.items():
        table.add_row(reason, f"{count:,}")
    return table


def figures_table(title: str, figures: Mapping[str, Mapping[str, float]]) -> Table:
    """Lay out the figures of several models side by side.

    Parameters
    ----------
    title : str
        Above them.
    figures : mapping of str to mapping of str to float
        Figures by model.

    Returns
    -------
    rich.table.Table
        For a console.
    """
    table = titled_table(title)
    table.add_column("figure")
    for model in figures:
        table.add_column(model, justify="right")
    for meaning, cells in figures_rows(figures):
        table.add_row(meaning, *cells)
    return table


def figures_rows(figures: Mapping[str, Mapping[str, float]]) -> list[tuple[str, list[str]]]:
    """Write the figures that models are compared by.

    Parameters
    ----------
    figures : mapping of str to mapping of str to float
        Figures by model.

    Returns
    -------
    list of (str, list of str)
        What a figure means, and its value by model.
    """
    return [
        (meaning, [_figure(name, metrics[name]) for metrics in figures.values()])
        for name, meaning in _FIGURES.items()
    ]


def _figure(name: str, value: float) -> str:
    if isnan(value):
        return "-"
    return f"{value:+.1%}" if name.endswith("_bias") else f"{value:.3f}"


def tiers_table(scores: pd.DataFrame, currency: str) -> Table:
    """Lay out how many customers are in each tier and what they are worth.

    Parameters
    ----------
    scores : DataFrame of shape (n_customers, n_columns)
        With tier and clv_expected.
    currency : str
        Of the value.

    Returns
    -------
    rich.table.Table
        For a console.
    """
    table = titled_table("Tiers")
    for name in ("tier", "customers", f"expected value, {currency}"):
        table.add_column(name, justify="right")
    for tier, values in scores.groupby("tier")["clv_expected"]:
        table.add_row(str(tier), f"{len(values):,}", f"{values.sum():,.0f}")
    return table


def score_table(score: Mapping[str, Any]) -> Table:
    """Lay out one customer's score as the service answered it.

    Parameters
    ----------
    score : mapping
        The answer.

    Returns
    -------
    rich.table.Table
        For a console.
    """
    currency, days = score["currency"], score["horizon_days"]
    return facts_table(
        f"Customer {score['customer_id']} as of {score['as_of']}",
        {
            "tier": f"{score['tier']['code']} since {score['tier']['since']}",
            f"expected value in {days} days": _money(score["clv"]["expected"], currency),
            "four times in five between": _between(score["clv"], currency),
            f"expected purchases in {days} days": f"{score['expected_purchases']:.2f}",
            "probability of no purchase in them": f"{score['churn_probability']:.0%}",
            "probability of still being a customer": f"{score['p_alive']:.0%}",
            "value so far": _money(score["historic_value"], currency),
            "value counts": score["value_basis"].replace("_", " "),
            "model": f"{score['model']['name']} version {score['model']['version']}",
        },
    )


def list_table(target_list: Mapping[str, Any], title: str) -> Table:
    """Lay out a target list as the service answered it.

    Parameters
    ----------
    target_list : mapping
        The answer.
    title : str
        Above it.

    Returns
    -------
    rich.table.Table
        For a console.
    """
    table = titled_table(title)
    for name in ("customer", "tier", "expected value", "churn", "silent, days"):
        table.add_column(name, justify="left" if name == "customer" else "right")
    for customer in target_list["customers"]:
        table.add_row(
            customer["customer_id"],
            customer["tier"]["code"],
            _money(customer["clv"]["expected"], target_list["currency"]),
            f"{customer['churn_probability']:.0%}",
            str(customer["days_since_last_purchase"]),
        )
    return table


def signals_table(title: str, rows: Iterable[tuple[str, object, str]]) -> Table:
    """Lay out one customer's signals with their meaning.

    Parameters
    ----------
    title : str
        Above them.
    rows : iterable of (str, object, str)
        Signal, value, meaning.

    Returns
    -------
    rich.table.Table
        For a console.
    """
    table = titled_table(title)
    table.add_column("signal")
    table.add_column("value", justify="right")
    table.add_column("meaning")
    for name, value, meaning in rows:
        table.add_row(name, written(value), meaning)
    return table


def frame_table(title: str, rows: pd.DataFrame) -> Table:
    """Lay out a dataframe.

    Parameters
    ----------
    title : str
        Above it.
    rows : DataFrame of shape (n_rows, n_columns)
        What to lay out; shares and rates as per cent.

    Returns
    -------
    rich.table.Table
        For a console.
    """
    table = titled_table(title)
    for name in rows.columns:
        is_number = pd.api.types.is_numeric_dtype(rows[name])
        justify: Literal["left", "right"] = "right" if is_number else "left"
        table.add_column(str(name), justify=justify, overflow="fold")
    as_text = [rows[name].map(_in_column(str(name))) for name in rows.columns]
    for cells in zip(*as_text, strict=True):
        table.add_row(*cells)
    return table


def _in_column(name: str) -> Callable[[Any], str]:
    if name.endswith(("_share", "_rate")):
        return lambda value: "-" if pd.isna(value) else f"{value:.1%}"
    if name in {"year", "month"} or name.endswith("_id"):
        return str
    return lambda value: "-" if pd.isna(value) else written(value)


def write_frame(rows: pd.DataFrame, path: Path, ending: str) -> None:
    """Write a dataframe to a file.

    Parameters
    ----------
    rows : DataFrame of shape (n_rows, n_columns)
        What to write; its index is left out.
    path : Path
        Where.
    ending : str
        ".parquet" or ".csv".

    Raises
    ------
    SourceError
        If the ending is another.
    """
    if ending == ".parquet":
        rows.to_parquet(path, index=False)
    elif ending == ".csv":
        rows.to_csv(path, index=False)
    else:
        raise SourceError(f"A file is written as .csv or .parquet. Got {ending!r}.")


def titled_table(title: str, *, show_header: bool = True) -> Table:
    """Make a table that is at least as wide as its title.

    Parameters
    ----------
    title : str
        Above it.
    show_header : bool, default True
        Whether the columns have names.

    Returns
    -------
    rich.table.Table
        Without columns yet.
    """
    return Table(title=title, title_justify="left", min_width=len(title), show_header=show_header)


def _money(amount: float | None, currency: str) -> str:
    return "not known" if amount is None else f"{amount:,.2f} {currency}"


def _between(value: Mapping[str, float | None], currency: str) -> str:
    if value["lower"] is None or value["upper"] is None:
        return "not known"
    return f"{value['lower']:,.2f} and {value['upper']:,.2f} {currency}"


def written(value: object) -> str:
    """Write a value as people read it.

    Parameters
    ----------
    value : object
        A number, day, text or anything else.

    Returns
    -------
    str
        Numbers to four digits, or whole from a thousand on.
    """
    if isinstance(value, float):
        return "-" if isnan(value) else f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, int):
        return f"{value:,}"
    return value.isoformat() if isinstance(value, date) else str(value)
