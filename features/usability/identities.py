"""Checks of who the customers are: ids that miss each other, accounts that are not one customer."""

from collections.abc import Callable, Iterator, Mapping

from features.usability.finding import Finding, Level
from features.usability.survey import Survey, as_percent, on_day

__all__ = ["IDENTITY_CHECKS"]

_COLLECTIVE_SHARE = 0.30
# Among fewer customers one may well have 30 % of the orders.
_COLLECTIVE_AMONG = 10
# What share of a table's customers may never have bought, and how bad more is. Debtors have bought;
# prospects have not.
_NEVER_BOUGHT: Mapping[str, tuple[float, Level]] = {
    "invoices": (0.05, "warning"),
    "payments": (0.05, "warning"),
    "interactions": (0.50, "recommendation"),
    "customers": (0.50, "recommendation"),
}
# What share of the buyers may be missing from a table. Where some pay at the till, not everyone has
# an invoice; few are ever visited.
_BUYERS_MISSING: Mapping[str, tuple[float, Level]] = {
    "invoices": (0.50, "recommendation"),
    "customers": (0.05, "warning"),
}


def _ids_spelt_differently(survey: Survey) -> Iterator[Finding]:
    found = survey.row(
        "WITH alike AS (SELECT COUNT(*) AS n, LIST(customer_id ORDER BY customer_id) AS spelt "
        "FROM ids WHERE in_table = 'order_lines' GROUP BY plain_id HAVING COUNT(*) > 1) "
        "SELECT COALESCE(SUM(n), 0)::BIGINT AS n, MIN(spelt) AS example FROM alike"
    )
    n, of = found["n"], survey.n_customers
    if not n:
        return
    one, other = found["example"][:2]
    yield Finding(
        check="ids_spelt_differently",
        level="warning",
        step="signals",
        table="order_lines",
        column="customer_id",
        count=n,
        of=of,
        example=f"'{one}' and '{other}'",
        message=f"{n:,} of {of:,} customer ids differ from another only in case, blanks or leading "
        f"zeros (first: '{one}' and '{other}'). Each counts as a customer of its own.",
        way_out="If they are the same customers, write their ids alike in the source, or name them "
        "in the file of aliases.",
    )


def _ids_that_miss(survey: Survey) -> Iterator[Finding]:
    if not survey.days:
        return
    rows = survey.table(
        "WITH unmet AS (SELECT * FROM ids WHERE in_table <> 'order_lines' "
        "AND customer_id NOT IN (SELECT customer_id FROM buyers)) "
        "SELECT unmet.in_table, COUNT(DISTINCT unmet.customer_id) AS n, "
        "MIN([unmet.customer_id, ids.customer_id]) AS example "
        "FROM unmet JOIN ids ON ids.in_table = 'order_lines' AND ids.plain_id = unmet.plain_id "
        "GROUP BY unmet.in_table ORDER BY unmet.in_table"
    )
    for row in rows:
        table, (one, other) = row["in_table"], row["example"]
        of = _n_in(survey, table)
        yield Finding(
            check="ids_that_miss",
            level="warning",
            step="signals",
            table=table,
            column="customer_id",
            count=row["n"],
            of=of,
            example=f"'{one}' and '{other}'",
            message=f"{row['n']:,} of {of:,} customer ids of {table} are spelt otherwise in "
            f"order_lines (first: '{one}' there is '{other}'): case, blanks or leading zeros. "
            "Their rows reach no customer.",
            way_out="Write the ids alike in the sources. Ids that are numbers lose their leading "
            "zeros in spreadsheets: keep them as text.",
        )


def _never_bought(survey: Survey) -> Iterator[Finding]:
    for table, (most, level) in _NEVER_BOUGHT.items():
        found = survey.row(
            "SELECT COUNT(*) AS of, COUNT(*) FILTER (buyers.customer_id IS NULL) AS n, "
            "MIN(ids.customer_id) FILTER (buyers.customer_id IS NULL) AS example "
            "FROM ids LEFT JOIN buyers USING (customer_id) WHERE in_table = $name",
            name=table,
        )
        n, of = found["n"], found["of"]
        if not survey.days or n <= most * of:
            continue
        yield Finding(
            check="never_bought",
            level=level,
            step="signals",
            table=table,
            column="customer_id",
            count=n,
            of=of,
            example=found["example"],
            message=f"{as_percent(n, of)} of the customers in {table} have no order line: {n:,} of "
            f"{of:,} (first: '{found['example']}'). They are not scored.",
            way_out="Look whether both sources use the same customer number, and whether order "
            "lines are missing. Prospects may stay.",
        )


def _buyers_missing(survey: Survey) -> Iterator[Finding]:
    for table, (most, level) in _BUYERS_MISSING.items():
        found = survey.row(
            "SELECT COUNT(*) AS n, MIN(customer_id) AS example FROM buyers WHERE customer_id "
            "NOT IN (SELECT customer_id FROM ids WHERE in_table = $name)",
            name=table,
        )
        n, of = found["n"], survey.n_customers
        if not survey.rows[table] or n <= most * of:
            continue
        yield Finding(
            check="buyers_missing",
            level=level,
            step="signals",
            table=table,
            column="customer_id",
            count=n,
            of=of,
            example=found["example"],
            message=f"{as_percent(n, of)} of the customers with an order line are missing from "
            f"{table}: {n:,} of {of:,} (first: '{found['example']}').",
            way_out="Look whether both sources use the same customer number, and load the rest.",
        )


def _collective_account(survey: Survey) -> Iterator[Finding]:
    if survey.n_customers < _COLLECTIVE_AMONG:
        return
    found = survey.row(
        "SELECT SUM(n_orders)::BIGINT AS of, MAX(n_orders) AS n, "
        "ARG_MAX(customer_id, (n_orders, customer_id)) AS example FROM buyers"
    )
    n, of, example = found["n"], found["of"], found["example"]
    if n <= _COLLECTIVE_SHARE * of:
        return
    yield Finding(
        check="collective_account",
        level="warning",
        step="training",
        table="order_lines",
        column="customer_id",
        count=n,
        of=of,
        example=example,
        message=f"One customer, '{example}', has {as_percent(n, of)} of all orders: {n:,} of "
        f"{of:,}. It may be a collective account such as 'cash customer'.",
        way_out="If it is, leave its lines out of the source: nobody can be won back by it.",
    )


def _acquired_late(survey: Survey) -> Iterator[Finding]:
    found = survey.row(
        "SELECT COUNT(acquired_day) AS of, "
        "COUNT(*) FILTER (acquired_day > first_purchase_day) AS n, "
        "MIN([customer_id]) FILTER (acquired_day > first_purchase_day) AS example "
        "FROM customers JOIN buyers USING (customer_id)"
    )
    n, of = found["n"], found["of"]
    if not n:
        return
    example = found["example"][0]
    days = survey.row(
        "SELECT acquired_day, first_purchase_day FROM customers JOIN buyers USING (customer_id) "
        "WHERE customer_id = $customer",
        customer=example,
    )
    yield Finding(
        check="acquired_late",
        level="warning",
        step="signals",
        table="customers",
        column="acquired_day",
        count=n,
        of=of,
        example=example,
        message=f"{n:,} of {of:,} customers were won after their first purchase (first: "
        f"'{example}', won {on_day(days['acquired_day'])}, bought "
        f"{on_day(days['first_purchase_day'])}).",
        way_out="Look whether acquired_at is the day on which the record was made or changed. "
        "Leave it unmapped then.",
    )


def _consent_unknown(survey: Survey) -> Iterator[Finding]:
    found = survey.row(
        "SELECT COUNT(*) AS of, COUNT(*) FILTER (marketing_consent IS NULL) AS n, "
        "MIN(customer_id) FILTER (marketing_consent IS NULL) AS example FROM customers"
    )
    n, of = found["n"], found["of"]
    if not n:
        return
    yield Finding(
        check="consent_unknown",
        level="recommendation",
        step="scoring",
        table="customers",
        column="marketing_consent",
        count=n,
        of=of,
        example=found["example"],
        message=f"Of {n:,} of {of:,} customers nobody knows whether they may be contacted "
        f"(first: '{found['example']}').",
        way_out="Map marketing_consent (1 = may be contacted, 0 = may not), so that target lists "
        "leave out who may not.",
    )


def _n_in(survey: Survey, table: str) -> int:
    found = survey.row("SELECT COUNT(*) AS n FROM ids WHERE in_table = $name", name=table)
    return int(found["n"])


IDENTITY_CHECKS: Mapping[str, Callable[[Survey], Iterator[Finding]]] = {
    "ids_spelt_differently": _ids_spelt_differently,
    "ids_that_miss": _ids_that_miss,
    "never_bought": _never_bought,
    "buyers_missing": _buyers_missing,
    "collective_account": _collective_account,
    "acquired_late": _acquired_late,
    "consent_unknown": _consent_unknown,
}
