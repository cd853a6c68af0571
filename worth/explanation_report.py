"""Reasons in money, as tables for people."""

from collections.abc import Iterable

import pandas as pd
from rich.table import Table

from worth.reports import titled_table, written

__all__ = ["drivers_table", "factors_table"]


def factors_table(
    rows: Iterable[tuple[str, float, object, object, str]],
    *,
    base: float,
    expected: float,
    currency: str,
) -> Table:
    """Lay out what one customer's expected value is made of.

    Parameters
    ----------
    rows : iterable of (str, float, object, object, str)
        Signal, money it adds, the customer's value, the typical customer's, meaning.
    base : float
        What a typical customer is worth, in money.
    expected : float
        What this one is: the base and all rows.
    currency : str
        Of the money.

    Returns
    -------
    rich.table.Table
        For a console.
    """
    table = titled_table("Why: a typical customer's expected value, and what differs here")
    for name in ("signal", currency, "here", "typical"):
        table.add_column(name, justify="left" if name == "signal" else "right")
    table.add_column("meaning")
    table.add_row("a typical customer", f"{base:,.2f}", "", "", "The median of every signal.")
    for name, amount, value, typical, meaning in rows:
        table.add_row(name, f"{amount:+,.2f}", _known(value), _known(typical), meaning)
    table.add_row("expected value", f"{expected:,.2f}", "", "", "The sum.", style="bold")
    return table


def drivers_table(title: str, rows: pd.DataFrame, currency: str) -> Table:
    """Lay out what drives the expected value of a company's customers.

    Parameters
    ----------
    title : str
        Above it.
    rows : DataFrame of shape (n_signals, 4)
        Columns signal, mean_absolute, mean_signed and total, in money.
    currency : str
        Of the money.

    Returns
    -------
    rich.table.Table
        For a console.
    """
    table = titled_table(title)
    table.add_column("signal")
    for name in ("moves a customer by", "adds to the mean", "adds to them all"):
        table.add_column(f"{name}, {currency}", justify="right")
    for name, size, mean, total in rows.itertuples(index=False):
        table.add_row(str(name), f"{size:,.2f}", f"{mean:+,.2f}", f"{total:+,.0f}")
    return table


def _known(value: object) -> str:
    return "-" if value is None else written(value)
