"""Checks of what was loaded: tables that are missing, rows that were rejected."""

from collections.abc import Callable, Iterator, Mapping

from features.usability.finding import Finding, RejectedReason
from features.usability.survey import Survey, as_percent

__all__ = ["LOADING_CHECKS"]

# As cleaning words it.
_REPEATED = ("exact duplicate", "replaced by")
_REJECTED_WARNING, _REJECTED_ERROR = 0.05, 0.30

_WOULD_BRING = {
    "invoices": "days sales outstanding, days late, overdue money and the scorecard's safety",
    "payments": "whether and when invoices are paid; without it they all look unpaid",
    "interactions": "complaints, visits, response to campaigns, satisfaction and cost to serve",
    "customers": "kind, region and owner to filter by, the plan of the year, and the consent "
    "without which target lists do not know whom not to contact",
}


def _no_order_lines(survey: Survey) -> Iterator[Finding]:
    if not survey.rows["order_lines"]:
        yield Finding(
            check="no_order_lines",
            level="error",
            step="signals",
            table="order_lines",
            count=0,
            message="The ledger holds no order lines.",
            way_out="'worth ingest' loads them; where rows were rejected, it says why.",
        )


def _missing_table(survey: Survey) -> Iterator[Finding]:
    for name, would_bring in _WOULD_BRING.items():
        if not survey.rows[name]:
            yield Finding(
                check="missing_table",
                level="recommendation",
                step="signals",
                table=name,
                count=0,
                message=f"The ledger holds no {name}.",
                way_out=f'Add a source with table = "{name}". It brings {would_bring}.',
            )


def _rejected_rows(survey: Survey) -> Iterator[Finding]:
    by_source: dict[str, list[RejectedReason]] = {}
    for reason in survey.rejected:
        # What a later row says anew is no fault of its source.
        if not reason.reason.startswith(_REPEATED):
            by_source.setdefault(reason.source, []).append(reason)
    for source, reasons in by_source.items():
        count, of = sum(r.count for r in reasons), max(r.n_read for r in reasons)
        if count <= _REJECTED_WARNING * of:
            continue
        most = reasons[0]
        yield Finding(
            check="rejected_rows",
            level="error" if count > _REJECTED_ERROR * of else "warning",
            step="signals",
            table=source,
            count=count,
            of=of,
            example=f"row {most.example_row}: {most.example_content}",
            message=f"{as_percent(count, of)} of the rows of source '{source}' were rejected: "
            f"{count:,} of {of:,}. The commonest reason: {most.reason} (first: row "
            f"{most.example_row:,}).",
            way_out="Correct the mapping or the format of the source in worth.toml, or its rows, "
            "and load it again with 'worth ingest --replace'.",
        )


LOADING_CHECKS: Mapping[str, Callable[[Survey], Iterator[Finding]]] = {
    "no_order_lines": _no_order_lines,
    "missing_table": _missing_table,
    "rejected_rows": _rejected_rows,
}
