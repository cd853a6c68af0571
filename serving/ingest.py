"""Load sources into the ledger: each source whole or not at all, twice the same as once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from features.cleaning import FIELDS, Cleaned, clean_order_lines, source_mark
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
    replace: bool = False,
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
    replace : bool, default False
        Whether to take out first what the sources brought so far.
    report : callable, optional
        Told what is being done.

    Returns
    -------
    list of Loaded
        One a source.

    Raises
    ------
    SourceError
        If a source cannot be read, or is read otherwise than before. Those before it are loaded,
        it and those after it are not.
    """
    loaded = []
    for name, source in sources.items():
        report(f"reading {name}")
        cleaned = _cleaned(name, source, time_zone)
        if not replace:
            _check_reading(store, name, _reading_of(source, cleaned))
        if not len(cleaned.rows):
            reason, count = next(iter(cleaned.counts_by_reason().items()))
            raise SourceError(
                f"Not one of the {cleaned.n_read:,} rows of source '{name}' is clean, so nothing "
                f"was loaded. Of {count:,} of them: {reason}."
            )
        report(f"loading {len(cleaned.rows):,} rows of {name}")
        n_new = _load(store, name, source, cleaned, replace=replace)
        loaded.append(Loaded(name, cleaned, n_new))
    return loaded


def _reading_of(source: Source, cleaned: Cleaned) -> str:
    """Describe how a source is read; where it lies may change from load to load."""
    options = source.model_dump_json(exclude={"path", "url", "query"})
    return f"{','.join(cleaned.fields)} {options}"


def _check_reading(store: Store, name: str, reading: str) -> None:
    """Refuse to read a source otherwise than before: its rows would be in the ledger twice."""
    with store.reading() as connection:
        before = connection.execute(
            sa.select(INGESTS.c.reading)
            .where(INGESTS.c.source == name)
            .order_by(INGESTS.c.id.desc())
            .limit(1)
        ).scalar()
    if before is not None and before != reading:
        raise SourceError(
            f"Source '{name}' was loaded before with other fields or options, and read like this "
            "its rows would be in the ledger twice. 'worth ingest --replace' takes out what it "
            "brought so far and loads it anew; another name makes it another source."
        )


def _cleaned(name: str, source: Source, time_zone: str) -> Cleaned:
    if source.table != "order_lines":
        raise SourceError(
            f"Source '{name}' fills the table {source.table}, which this version does not load "
            "yet. It loads order_lines."
        )
    today = day_of(datetime.now(ZoneInfo(time_zone)).date())
    raw = read(source, name=name, fields=list(FIELDS[source.table]))
    return clean_order_lines(raw, source, time_zone=time_zone, latest_day=today)


def _load(store: Store, name: str, source: Source, cleaned: Cleaned, *, replace: bool) -> int:
    table, key = LEDGER[source.table], TABLES[source.table].key
    # In the order of the table's key, so that the database appends instead of inserting.
    rows = cleaned.rows.sort_by([(column, "ascending") for column in key])
    with store.staged({"clean": rows, "rejected": cleaned.rejected}) as (connection, staged):
        if replace:
            mark = source_mark(name)
            is_of_source = sa.func.substr(table.c.row_key, 1, len(mark)) == mark
            connection.execute(sa.delete(table).where(is_of_source))
        n_new = _n_unknown(connection, table, staged["clean"])
        # A line of a known key may say something else by now, or nothing that can be believed.
        for part in staged.values():
            read_again = table.c.row_key.in_(sa.select(part.c.row_key))
            connection.execute(sa.delete(table).where(read_again))
        connection.execute(_insert(table, staged["clean"]))
        new_ingest = (
            sa.insert(INGESTS)
            .values(
                source=name,
                table_name=source.table,
                loaded_at=datetime.now(UTC).isoformat(timespec="seconds"),
                reading=_reading_of(source, cleaned),
                n_read=cleaned.n_read,
                n_rejected=len(cleaned.rejected),
                n_new=n_new,
            )
            .returning(INGESTS.c.id)
        )
        ingest_id = int(connection.execute(new_ingest).scalar_one())
        _keep_rejected(connection, staged["rejected"], name, ingest_id)
    return n_new


def _keep_rejected(
    connection: sa.Connection, staged: sa.TableClause, name: str, ingest_id: int
) -> None:
    """Keep the rejected rows of this load; those of the same file loaded before are the same."""
    names = ["source_row", "reason", "content"]
    rows = sa.select(
        sa.literal(ingest_id), sa.literal(name), *(staged.c[column] for column in names)
    )
    before = REJECTED_ROWS.alias("before")
    is_known = sa.and_(
        before.c.source == name,
        before.c.source_row == staged.c.source_row,
        before.c.reason == staged.c.reason,
        before.c.content == staged.c.content,
    )
    rows = rows.where(~sa.exists().where(is_known))
    columns = ["ingest_id", "source", *names]
    connection.execute(sa.insert(REJECTED_ROWS).from_select(columns, rows))


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
