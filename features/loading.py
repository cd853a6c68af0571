"""A ledger straight from sources, without a store: for one question, a notebook or a test."""

from collections.abc import Callable, Mapping

import pyarrow as pa

from features.cleaning import FIELDS, Cleaned, Company, clean
from features.ledger import Ledger
from features.schema import TABLES
from features.sources import Source, SourceError, read

__all__ = ["load_ledger"]

_NOBODY = Company()


def load_ledger(
    sources: Mapping[str, Source],
    *,
    time_zone: str = "UTC",
    latest_day: int | None = None,
    company: Company = _NOBODY,
    report: Callable[[str], None] = lambda _: None,
) -> tuple[Ledger, dict[str, Cleaned]]:
    """Read and clean sources into a ledger in memory: invoices before payments.

    Parameters
    ----------
    sources : mapping of str to Source
        By name; at most one a table, for without a store nothing merges two.
    time_zone : str, default "UTC"
        The company's.
    latest_day : int, optional
        The last day something can have happened on, in days since 1970-01-01.
    company : Company, optional
        Its currency, rates and aliases of customers.
    report : callable, optional
        Told what is being done.

    Returns
    -------
    tuple of (Ledger, dict of str to Cleaned)
        The clean rows, and by source what cleaning made of it.

    Raises
    ------
    SourceError
        If a source cannot be read, or two of them fill one table.
    """
    tables: dict[str, pa.Table] = {}
    cleaned: dict[str, Cleaned] = {}
    for name, source in sorted(sources.items(), key=lambda item: [*TABLES].index(item[1].table)):
        report(f"reading {name}")
        raw = read(source, name=name, fields=list(FIELDS[source.table]))
        cleaned[name] = clean(
            raw,
            source,
            time_zone=time_zone,
            latest_day=latest_day,
            company=company,
            invoices=tables.get("invoices"),
        )
        _add(tables, source.table, cleaned[name].rows)
        settled = cleaned[name].payments
        if settled is not None and len(settled):
            _add(tables, "payments", settled)
    return Ledger(tables), cleaned


def _add(tables: dict[str, pa.Table], name: str, rows: pa.Table) -> None:
    if name in tables:
        raise SourceError(
            f"Two sources fill the table {name}. Give one, or load both into a store with "
            "'worth ingest', which tells their rows apart."
        )
    tables[name] = rows
