"""Checks of the order lines: their columns and their money."""

from collections.abc import Callable, Iterator, Mapping

from features.usability.finding import Finding, Level
from features.usability.survey import Survey, as_percent, signals_without

__all__ = ["SALES_CHECKS"]

# As training decides whether value counts margin or revenue.
_COST_KNOWN = 0.90
_MANY_ZEROS = 0.05
_MANY_RETURNS = 0.20
_OUTLIER_MEDIANS = 1_000

_OPTIONAL = ("product_id", "category", "quantity", "discount", "channel")


def _cost_unknown(survey: Survey) -> Iterator[Finding]:
    found = survey.row(
        "SELECT COUNT(*) AS of, COUNT(*) FILTER (cost IS NULL) AS n, "
        "MIN(order_id) FILTER (cost IS NULL) AS example FROM order_lines"
    )
    n, of = found["n"], found["of"]
    if not n:
        return
    known = of - n
    level: Level = "warning" if 0 < known < _COST_KNOWN * of else "recommendation"
    if known >= _COST_KNOWN * of:
        effect = "Margins leave them out."
    elif known:
        effect = f"Below {_COST_KNOWN:.0%} with a cost, value counts revenue and not margin."
    else:
        effect = (
            "Value counts revenue and not margin, and these signals are null: "
            f"{signals_without('order_lines', 'cost')}."
        )
    yield Finding(
        check="cost_unknown",
        level=level,
        step="training",
        table="order_lines",
        column="cost",
        count=n,
        of=of,
        example=found["example"],
        message=f"{as_percent(n, of)} of lines have no cost: {n:,} of {of:,} "
        f"(first: order '{found['example']}'). {effect}",
        way_out="Map cost, unit_cost or profit of the source, or fill the costs in there.",
    )


def _empty_columns(survey: Survey) -> Iterator[Finding]:
    n_lines = survey.rows["order_lines"]
    if not n_lines:
        return
    counts = ", ".join(f"COUNT({column}) AS {column}" for column in _OPTIONAL)
    known = survey.row(f"SELECT {counts} FROM order_lines")
    for column in _OPTIONAL:
        signals = signals_without("order_lines", column)
        if known[column] or not signals:
            continue
        yield Finding(
            check="empty_column",
            level="recommendation",
            step="signals",
            table="order_lines",
            column=column,
            count=n_lines,
            of=n_lines,
            message=f"None of {n_lines:,} lines has a {column}, so these signals are null: "
            f"{signals}.",
            way_out=f"Map {column} if the source has it.",
        )


def _revenue_zero(survey: Survey) -> Iterator[Finding]:
    found = survey.row(
        "SELECT COUNT(*) AS of, COUNT(*) FILTER (revenue = 0) AS n, "
        "MIN(order_id) FILTER (revenue = 0) AS example FROM order_lines"
    )
    n, of = found["n"], found["of"]
    if n <= _MANY_ZEROS * of:
        return
    yield Finding(
        check="revenue_zero",
        level="warning",
        step="signals",
        table="order_lines",
        column="revenue",
        count=n,
        of=of,
        example=found["example"],
        message=f"{as_percent(n, of)} of lines have a revenue of 0: {n:,} of {of:,} "
        f"(first: order '{found['example']}'). They count as purchases and make the mean "
        "purchase smaller.",
        way_out="Look whether revenue is mapped to the right column; leave samples, gifts and "
        "internal bookings out of the source.",
    )


def _many_returns(survey: Survey) -> Iterator[Finding]:
    found = survey.row(
        "SELECT COUNT(*) AS of, COUNT(*) FILTER (revenue < 0) AS n, "
        "MIN(order_id) FILTER (revenue < 0) AS example FROM order_lines"
    )
    n, of = found["n"], found["of"]
    if n <= _MANY_RETURNS * of:
        return
    yield Finding(
        check="many_returns",
        level="warning",
        step="signals",
        table="order_lines",
        column="revenue",
        count=n,
        of=of,
        example=found["example"],
        message=f"{as_percent(n, of)} of lines are returns or credits (negative revenue): {n:,} "
        f"of {of:,} (first: order '{found['example']}').",
        way_out="Look at the sign of revenue and at cancelled_prefix in the source; bookings that "
        "are corrected and booked again are better left out.",
    )


def _revenue_outlier(survey: Survey) -> Iterator[Finding]:
    found = survey.row(
        "WITH typical AS (SELECT MEDIAN(ABS(revenue)) AS median FROM order_lines "
        "WHERE revenue <> 0) "
        "SELECT ANY_VALUE(median) AS median, COUNT(*) AS n, MAX(ABS(revenue)) AS largest, "
        "ARG_MAX(order_id, (ABS(revenue), order_id)) AS example "
        "FROM order_lines, typical WHERE ABS(revenue) > median * $medians",
        medians=_OUTLIER_MEDIANS,
    )
    if not found["n"]:
        return
    n, of = found["n"], survey.rows["order_lines"]
    yield Finding(
        check="revenue_outlier",
        level="warning",
        step="training",
        table="order_lines",
        column="revenue",
        count=n,
        of=of,
        example=found["example"],
        message=f"{n:,} of {of:,} lines have more than {_OUTLIER_MEDIANS:,} times the median "
        f"revenue of {found['median']:,.2f} (largest: order '{found['example']}', "
        f"{found['largest']:,.2f}).",
        way_out="Look for a wrong currency, a missing decimal mark or a sum in place of a line, "
        "and correct it in the source. If it is real, leave it.",
    )


def _lines_repeated(survey: Survey) -> Iterator[Finding]:
    # A hash keeps ten million lines in memory; two lines that share one by chance are one in 1e12.
    found = survey.row(
        "WITH repeated AS (SELECT COUNT(*) - 1 AS n, MIN(order_id) AS order_id FROM order_lines "
        "GROUP BY HASH(customer_id, day, order_id, product_id, category, quantity, revenue, cost, "
        "channel) HAVING COUNT(*) > 1) "
        "SELECT COALESCE(SUM(n), 0)::BIGINT AS n, MIN(order_id) AS example FROM repeated"
    )
    n, of = found["n"], survey.rows["order_lines"]
    if not n:
        return
    yield Finding(
        check="lines_repeated",
        level="recommendation",
        step="signals",
        table="order_lines",
        count=n,
        of=of,
        example=found["example"],
        message=f"{as_percent(n, of)} of lines repeat another in every column: {n:,} of {of:,} "
        f"(first: order '{found['example']}'). They may be real twins or rows loaded twice.",
        way_out="Where lines have a key in the source, map line_id, and leave those that are still "
        'alike. Where they have none, duplicates = "reject" leaves repeated ones out. If two '
        "sources overlap, cut one of them.",
    )


SALES_CHECKS: Mapping[str, Callable[[Survey], Iterator[Finding]]] = {
    "cost_unknown": _cost_unknown,
    "empty_column": _empty_columns,
    "revenue_zero": _revenue_zero,
    "many_returns": _many_returns,
    "revenue_outlier": _revenue_outlier,
    "lines_repeated": _lines_repeated,
}
