"""Run the views over a ledger in memory. They read `known_<table>` only, as the signals do."""

from datetime import date
from functools import cache
from importlib.resources import files

import duckdb
import pandas as pd
import pyarrow as pa
import sqlglot
from sqlglot import exp

from features.ledger import Ledger, date_of, day_of
from features.pipeline import Dialect, known_statement
from features.views.catalogue import VIEWS, Unit, View

__all__ = [
    "abc",
    "by_kind",
    "by_region",
    "calendar",
    "categories",
    "compute_view",
    "monthly_trade",
    "movements",
    "pareto",
    "product_turnover",
    "products",
    "turnover",
    "view_statement",
    "yearly_trade",
]

# What a file that serves several views calls the column by which they differ.
_GROUPED_BY = "grouped_by"
# Before any day of a ledger, and still an int32 when a day is taken from it.
_EVER = -(2**30)

_DTYPES: dict[Unit, str] = {
    "name": "str", "year": "int64", "month": "int64", "count": "int64", "units": "float64",
    "money": "float64", "share": "float64", "rate": "float64", "days": "float64", "flag": "int64",
}  # fmt: skip


@cache
def view_statement(name: str, dialect: Dialect = "duckdb", *, pretty: bool = False) -> str:
    """Write the statement that computes a view.

    Parameters
    ----------
    name : str
        The view's.
    dialect : str, default "duckdb"
        Whose SQL to write.
    pretty : bool, default False
        Whether to lay it out for people.

    Returns
    -------
    str
        SQL with the parameter `as_of` and, of a view with a window, `since` (the last day before
        it), both in days since 1970-01-01. Where it reads a table `calendar`, that holds `day`,
        `year` and `month` of every day.

    Raises
    ------
    ValueError
        If there is no such view.

    Examples
    --------
    >>> ":since" in view_statement("abc", "sqlite")
    True
    """
    view = _view(name)
    text = files("features.views").joinpath(f"{view.file or name}.sql").read_text(encoding="utf-8")
    statement = sqlglot.parse_one(text, dialect="duckdb")
    assert isinstance(statement, exp.Select)
    for identifier in statement.find_all(exp.Identifier):
        if identifier.name == _GROUPED_BY:
            identifier.set("this", view.columns[0].name)
    return known_statement(statement, dialect, pretty=pretty)


def calendar(first_day: int, last_day: int) -> pa.Table:
    """List the days of whole years with their year and month, so that no engine need know them.

    Parameters
    ----------
    first_day, last_day : int
        Days in the first and in the last year, in days since 1970-01-01.

    Returns
    -------
    pyarrow.Table
        Columns day, year and month, one row a day.

    Examples
    --------
    >>> days = calendar(10, 400)
    >>> days.num_rows, days["year"][364].as_py(), days["month"][-1].as_py()
    (730, 1970, 12)
    """
    start = day_of(date(date_of(first_day).year, 1, 1))
    end = day_of(date(date_of(last_day).year, 12, 31))
    days = [date_of(day) for day in range(start, end + 1)]
    return pa.table(
        {
            "day": pa.array(range(start, end + 1), pa.int32()),
            "year": pa.array([day.year for day in days], pa.int32()),
            "month": pa.array([day.month for day in days], pa.int32()),
        }
    )


def compute_view(name: str, ledger: Ledger, as_of: int, *, days: int | None = None) -> pd.DataFrame:
    """Compute a view by its name.

    Parameters
    ----------
    name : str
        The view's, as in `VIEWS`.
    ledger : Ledger
        The clean tables. Rows after `as_of` are ignored.
    as_of : int
        The last day known, inclusive, in days since 1970-01-01.
    days : int, optional
        How many days up to `as_of` count; the view's own `window_days` where it is not given.

    Returns
    -------
    DataFrame
        The columns of the catalogue; without rows where the ledger has none to show.

    Raises
    ------
    ValueError
        If there is no such view, or `days` is given to a view without a window or is not positive.

    Examples
    --------
    >>> list(compute_view("pareto", Ledger({}), as_of=0).columns)
    ['n_customers', 'customer_share', 'revenue', 'revenue_share']
    """
    view = _view(name)
    _check_days(view, days)
    parameters = {"as_of": int(as_of)}
    if view.has_window:
        window = view.window_days if days is None else days
        parameters["since"] = _EVER if window is None else int(as_of) - window
    return _typed(view, _run(view, ledger, parameters))


def by_kind(ledger: Ledger, as_of: int, *, days: int | None = None) -> pd.DataFrame:
    """Compose customers, revenue and margin by kind of customer.

    Parameters
    ----------
    ledger : Ledger
        The clean tables. Rows after `as_of` are ignored.
    as_of : int
        The last day known, inclusive, in days since 1970-01-01.
    days : int, optional
        How many days up to `as_of` count; the whole history where it is not given.

    Returns
    -------
    DataFrame
        One row a kind, with the columns of the catalogue.
    """
    return compute_view("by_kind", ledger, as_of, days=days)


def by_region(ledger: Ledger, as_of: int, *, days: int | None = None) -> pd.DataFrame:
    """Compose customers, revenue and margin by region.

    Parameters
    ----------
    ledger : Ledger
        The clean tables. Rows after `as_of` are ignored.
    as_of : int
        The last day known, inclusive, in days since 1970-01-01.
    days : int, optional
        How many days up to `as_of` count; the whole history where it is not given.

    Returns
    -------
    DataFrame
        One row a region, with the columns of the catalogue.
    """
    return compute_view("by_region", ledger, as_of, days=days)


def abc(ledger: Ledger, as_of: int, *, days: int = 365) -> pd.DataFrame:
    """Cut the customers who traded lately into A, B and C by their sales.

    Parameters
    ----------
    ledger : Ledger
        The clean tables. Rows after `as_of` are ignored.
    as_of : int
        The last day known, inclusive, in days since 1970-01-01.
    days : int, default 365
        How many days up to `as_of` count.

    Returns
    -------
    DataFrame
        One row a customer, the best first, with the columns of the catalogue.
    """
    return compute_view("abc", ledger, as_of, days=days)


def pareto(ledger: Ledger, as_of: int, *, days: int = 365) -> pd.DataFrame:
    """Draw the Pareto curve: which share of the customers brings which share of the sales.

    Parameters
    ----------
    ledger : Ledger
        The clean tables. Rows after `as_of` are ignored.
    as_of : int
        The last day known, inclusive, in days since 1970-01-01.
    days : int, default 365
        How many days up to `as_of` count.

    Returns
    -------
    DataFrame
        One row a percent of the customers, from 0 to 100, with the columns of the catalogue.
    """
    return compute_view("pareto", ledger, as_of, days=days)


def yearly_trade(ledger: Ledger, as_of: int) -> pd.DataFrame:
    """Hold each customer's trade of each calendar year against the plan.

    Parameters
    ----------
    ledger : Ledger
        The clean tables. Rows after `as_of` are ignored.
    as_of : int
        The last day known, inclusive, in days since 1970-01-01.

    Returns
    -------
    DataFrame
        One row a customer and year, with the columns of the catalogue.
    """
    return compute_view("yearly_trade", ledger, as_of)


def monthly_trade(ledger: Ledger, as_of: int) -> pd.DataFrame:
    """Hold each customer's trade of each calendar month against a twelfth of the plan.

    Parameters
    ----------
    ledger : Ledger
        The clean tables. Rows after `as_of` are ignored.
    as_of : int
        The last day known, inclusive, in days since 1970-01-01.

    Returns
    -------
    DataFrame
        One row a customer and month, with the columns of the catalogue.
    """
    return compute_view("monthly_trade", ledger, as_of)


def products(ledger: Ledger, as_of: int, *, days: int | None = None) -> pd.DataFrame:
    """Compose revenue and margin by product.

    Parameters
    ----------
    ledger : Ledger
        The clean tables. Rows after `as_of` are ignored.
    as_of : int
        The last day known, inclusive, in days since 1970-01-01.
    days : int, optional
        How many days up to `as_of` count; the whole history where it is not given.

    Returns
    -------
    DataFrame
        One row a product, the best first, with the columns of the catalogue.
    """
    return compute_view("products", ledger, as_of, days=days)


def categories(ledger: Ledger, as_of: int, *, days: int | None = None) -> pd.DataFrame:
    """Compose revenue and margin by category.

    Parameters
    ----------
    ledger : Ledger
        The clean tables. Rows after `as_of` are ignored.
    as_of : int
        The last day known, inclusive, in days since 1970-01-01.
    days : int, optional
        How many days up to `as_of` count; the whole history where it is not given.

    Returns
    -------
    DataFrame
        One row a category, the best first, with the columns of the catalogue.
    """
    return compute_view("categories", ledger, as_of, days=days)


def turnover(ledger: Ledger, as_of: int) -> pd.DataFrame:
    """Follow how the assortment changes from month to month.

    Parameters
    ----------
    ledger : Ledger
        The clean tables. Rows after `as_of` are ignored.
    as_of : int
        The last day known, inclusive, in days since 1970-01-01.

    Returns
    -------
    DataFrame
        One row a calendar month, with the columns of the catalogue.
    """
    return compute_view("turnover", ledger, as_of)


def product_turnover(ledger: Ledger, as_of: int) -> pd.DataFrame:
    """Measure how fast each product sells.

    Parameters
    ----------
    ledger : Ledger
        The clean tables. Rows after `as_of` are ignored.
    as_of : int
        The last day known, inclusive, in days since 1970-01-01.

    Returns
    -------
    DataFrame
        One row a product, with the columns of the catalogue.
    """
    return compute_view("product_turnover", ledger, as_of)


def movements(ledger: Ledger, as_of: int) -> pd.DataFrame:
    """Count who started, resumed, ended and bought in each month.

    Parameters
    ----------
    ledger : Ledger
        The clean tables. Rows after `as_of` are ignored.
    as_of : int
        The last day known, inclusive, in days since 1970-01-01.

    Returns
    -------
    DataFrame
        One row a calendar month, with the columns of the catalogue.
    """
    return compute_view("movements", ledger, as_of)


def _view(name: str) -> View:
    if name not in VIEWS:
        raise ValueError(f"A view is one of {', '.join(VIEWS)}. Got {name!r} instead.")
    return VIEWS[name]


def _check_days(view: View, days: int | None) -> None:
    if days is None:
        return
    if not view.has_window:
        raise ValueError(f"The view {view.name} is of the whole history. Got days={days} as well.")
    if days < 1:
        raise ValueError(f"The 'days' of a view must be an int of at least 1. Got {days} instead.")


def _run(view: View, ledger: Ledger, parameters: dict[str, int]) -> pd.DataFrame:
    as_of = parameters["as_of"]
    first_day = min(ledger.first_day, as_of) if len(ledger.order_lines) else as_of
    with duckdb.connect() as connection:
        connection.register("calendar", calendar(first_day, as_of))
        for name, table in ledger.tables.items():
            connection.register(name, table)
        return connection.execute(view_statement(view.name), parameters).df()


def _typed(view: View, rows: pd.DataFrame) -> pd.DataFrame:
    return rows.astype({column.name: _DTYPES[column.unit] for column in view.columns})
