"""Load sources into the ledger: each source whole or not at all, twice the same as once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from features.cleaning import FIELDS, Cleaned, clean_order_lines
from features.ledger import day_of
from features.schema import TABLES
from features.sources import Source, SourceError, read
from serving.store import Store
from serving.store.tables import INGESTS, LEDGER, REJECTED_ROWS

__all__ = ["Loaded", "ingest"]


@dataclass(frozen=True)
class Loaded:
    """What came of loading one source.

    Parameters
    ----------
    source : str
        Its name.
    cleaned : Cleaned
        Its rows, clean and rejected.
    n_new : int
        How many clean rows the ledger did not hold before.
    """

    source: str
    cleaned: Cleaned
    n_new: int


def ingest(
    store: Store,
    sources: Mapping[str, Source],
    *,
    time_zone: str,
    report: Callable[[str], None] = lambda _: None,
) -> list[Loaded]:
    """Load sources into the ledger, one after the other.

    Parameters
    ----------
    store : Store
        Where the ledger is.
    sources : mapping of str to Source
        What to load, by name.
    time_zone : str
        The company's.
    report : callable, optional
        Told what is being done.

    Returns
    -------
    list of Loaded
        One a source.

    Raises
    ------
    SourceError
        If a source cannot be read. Those before it are loaded, it and those after it are not.
    """
    loaded = []
    for name, source in sources.items():
        report(f"reading {name}")
        cleaned = _cleaned(name, source, time_zone)
        report(f"loading {len(cleaned.rows):,} rows of {name}")
        n_new = _load(store, name, source.table, cleaned)
        loaded.append(Loaded(name, cleaned, n_new))
    return loaded


def _cleaned(name: str, source: Source, time_zone: str) -> Cleaned:
    if source.table != "order_lines":
        raise SourceError(
            f"Source '{name}' fills the table {source.table}, which this version does not load "
            "yet. It loads order_lines."
        )
    today = day_of(datetime.now(ZoneInfo(time_zone)).date())
    raw = read(source, name=name, fields=list(FIELDS[source.table]))
    return clean_order_lines(raw, source, time_zone=time_zone, latest_day=today)


def _load(store: Store, name: str, table_name: str, cleaned: Cleaned) -> int:
    table, key = LEDGER[table_name], TABLES[table_name].key
    # In the order of the table's key, so that the database appends instead of inserting.
    rows = cleaned.rows.sort_by([(column, "ascending") for column in key])
    with store.staged({"clean": rows, "rejected": cleaned.rejected}) as (connection, staged):
        n_new = _n_unknown(connection, table, staged["clean"])
        # The same row may read otherwise by now: another content of its line key, another mapping.
        for part in staged.values():
            read_again = table.c.row_key.in_(sa.select(part.c.row_key))
            connection.execute(sa.delete(table).where(read_again))
        connection.execute(_insert(table, staged["clean"]))
        connection.execute(sa.delete(REJECTED_ROWS).where(REJECTED_ROWS.c.source == name))
        connection.execute(_insert(REJECTED_ROWS, staged["rejected"]))
        connection.execute(
            sa.insert(INGESTS).values(
                source=name,
                table_name=table_name,
                loaded_at=datetime.now(UTC).isoformat(timespec="seconds"),
                n_read=cleaned.n_read,
                n_rejected=len(cleaned.rejected),
                n_new=n_new,
            )
        )
    return n_new


def _insert(table: sa.Table, staged: sa.TableClause) -> sa.Insert:
    """Insert the staged rows that are not there yet."""
    names = [name for name in table.c.keys() if name in staged.c]  # noqa: SIM118 - no dict
    # WHERE TRUE, because SQLite reads ON after a bare SELECT as a join's.
    rows = sa.select(*(staged.c[name] for name in names)).where(sa.true())
    keys = [column.name for column in table.primary_key]
    return sqlite.insert(table).from_select(names, rows).on_conflict_do_nothing(index_elements=keys)


def _n_unknown(connection: sa.Connection, table: sa.Table, staged: sa.TableClause) -> int:
    is_known = staged.c.row_key.in_(sa.select(table.c.row_key))
    count = sa.select(sa.func.count()).select_from(staged).where(~is_known)
    return int(connection.execute(count).scalar_one())
