"""Load sources into the ledger: each source whole or not at all, twice the same as once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from features.cleaning import FIELDS, Cleaned, Company, clean, source_mark
from features.ledger import day_of
from features.schema import KEY_COLUMN, TABLES
from features.sources import Source, SourceError, read
from serving.aliases import keep_strictest_consent, unify_ledger
from serving.audit import record
from serving.privacy.suppression import Suppression, hold_erasures
from serving.store import Store
from serving.store.tables import INGESTS, LEDGER, REJECTED_ROWS

__all__ = ["Loaded", "ingest"]

# Payments are matched with invoices, so these come first.
_ORDER = ("customers", "order_lines", "invoices", "payments", "interactions")
# Their rows always have a key, and loaded again under it they are replaced however they are read.
_ALWAYS_KEYED = ("customers", "invoices")
_NOBODY = Company()


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
    n_changed : int
        How many it held with another content.
    n_suppressed : int
        How many clean rows were left out, because their customers were erased.
    """

    source: str
    cleaned: Cleaned
    n_new: int
    n_changed: int
    n_suppressed: int = 0


def ingest(
    store: Store,
    sources: Mapping[str, Source],
    *,
    time_zone: str,
    company: Company = _NOBODY,
    replace: bool = False,
    home: Path | None = None,
    actor: str = "worth",
    report: Callable[[str], None] = lambda _: None,
) -> list[Loaded]:
    """Load sources into the ledger, one after the other: invoices before payments.

    What stands in the ledger under an alias is given to the customer who counts first.

    Parameters
    ----------
    store : Store
        Where the ledger is.
    sources : mapping of str to Source
        What to load, by name.
    time_zone : str
        The company's.
    company : Company, optional
        Its currency, rates and aliases of customers.
    replace : bool, default False
        Whether to take out first what the sources brought so far.
    home : Path, optional
        The folder with the key by which erased customers are known again; needed once somebody
        was erased.
    actor : str, default "worth"
        Who loads, for the audit log.
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
    if n_unified := unify_ledger(store, company.aliases):
        report(f"gave {n_unified:,} rows of aliases to their customers")
    suppression = _suppression(store, home)
    loaded = []
    for name, source in sorted(sources.items(), key=lambda item: _ORDER.index(item[1].table)):
        report(f"reading {name}")
        cleaned = _cleaned(store, name, source, time_zone, company)
        if not replace:
            _check_reading(store, name, _reading_of(source, cleaned))
        if not len(cleaned.rows):
            reason, count = next(iter(cleaned.counts_by_reason().items()))
            raise SourceError(
                f"Not one of the {cleaned.n_read:,} rows of source '{name}' is clean, so nothing "
                f"was loaded. Of {count:,} of them: {reason}."
            )
        report(f"loading {len(cleaned.rows):,} rows of {name}")
        load = partial(_load, store, name, source, cleaned, replace=replace, actor=actor)
        # Who was erased while the source was read must not come back with it.
        while (done := load(suppression)) is None:
            suppression = _suppression(store, home)
        loaded.append(done)
    return loaded


def _reading_of(source: Source, cleaned: Cleaned) -> str:
    """Describe what names the rows of a source; where it lies may change from load to load."""
    if source.table in _ALWAYS_KEYED:
        keys = {name: source.columns.get(name, name) for name in ("customer_id", "invoice_id")}
        return f"{source.table} {keys}"
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


def _cleaned(store: Store, name: str, source: Source, time_zone: str, company: Company) -> Cleaned:
    today = day_of(datetime.now(ZoneInfo(time_zone)).date())
    raw = read(source, name=name, fields=list(FIELDS[source.table]))
    invoices = _known_invoices(store) if source.table == "payments" else None
    return clean(
        raw, source, time_zone=time_zone, latest_day=today, company=company, invoices=invoices
    )


def _known_invoices(store: Store) -> pa.Table:
    table, names = TABLES["invoices"], ("invoice_id", "customer_id", "day")
    schema = pa.schema([table.arrow_schema.field(name) for name in names])
    statement = sa.select(*(LEDGER["invoices"].c[name] for name in names))
    return store.read_tables({"invoices": (statement, schema)})["invoices"]


def _suppression(store: Store, home: Path | None) -> Suppression:
    with store.reading() as connection:
        return Suppression.read(connection, home or Path())


def _load(
    store: Store,
    name: str,
    source: Source,
    cleaned: Cleaned,
    suppression: Suppression,
    *,
    replace: bool,
    actor: str,
) -> Loaded | None:
    """Load a source; None, and nothing done, where others were erased than it was told."""
    tables = {source.table: suppression.leave_out(cleaned.rows)}
    if cleaned.payments is not None:
        tables["payments"] = suppression.leave_out(cleaned.payments)
    rejected = _printable(suppression.blank_out(cleaned.rejected))
    # In the order of the table's key, so that the database appends instead of inserting.
    new = {
        f"new_{table}": rows.sort_by([(column, "ascending") for column in TABLES[table].key])
        for table, rows in tables.items()
    }
    with store.staged(new | {"rejected": rejected}) as (connection, staged):
        if hold_erasures(store, connection) != suppression.subjects:
            return None
        if replace:
            _take_out(connection, name)
        if source.table == "customers":
            keep_strictest_consent(connection, staged["new_customers"])
        table, rows = LEDGER[source.table], staged[f"new_{source.table}"]
        n_new = _n_unknown(connection, table, rows)
        n_changed = _n_changed(connection, table, rows)
        for filled in tables:
            _put(connection, LEDGER[filled], staged[f"new_{filled}"], read=list(staged.values()))
        n_suppressed = len(cleaned.rows) - len(tables[source.table])
        loaded = Loaded(name, cleaned, n_new, n_changed, n_suppressed)
        ingest_id = _note(connection, source, loaded)
        _keep_rejected(connection, staged["rejected"], name, ingest_id)
        action = "ledger.replaced" if replace else "ledger.loaded"
        record(connection, actor=actor, action=action, object=name, n=n_new + n_changed)
    return loaded


def _printable(rejected: pa.Table) -> pa.Table:
    """Show a NUL, which PostgreSQL cannot keep in a text, by its sign."""
    for place, field in enumerate(rejected.schema):
        if field.type == pa.string():
            shown = pc.replace_substring(rejected[field.name], "\0", "␀")
            rejected = rejected.set_column(place, field, shown)
    return rejected


def _take_out(connection: sa.Connection, name: str) -> None:
    """Take out what a source brought, whatever table it filled then."""
    mark = source_mark(name)
    for table in LEDGER.values():
        is_of_source = sa.func.substr(table.c.row_key, 1, len(mark)) == mark
        connection.execute(sa.delete(table).where(is_of_source))


def _put(
    connection: sa.Connection, table: sa.Table, rows: sa.TableClause, *, read: list[sa.TableClause]
) -> None:
    """Put rows in, in the place of those of the same key or name."""
    # A row of a known key may say something else by now, or nothing that can be believed; and an
    # invoice that told of a payment, nothing of it.
    for part in read:
        read_again = table.c.row_key.in_(sa.select(part.c.row_key))
        connection.execute(sa.delete(table).where(read_again))
    if own := _own_name(table):
        connection.execute(sa.delete(table).where(_is_among(table, rows, own)))
    names = list(table.c.keys())
    columns = sa.select(*(rows.c[name] for name in names))
    connection.execute(sa.insert(table).from_select(names, columns))


def _own_name(table: sa.Table) -> tuple[str, ...]:
    """Give the columns that name a row, where that is not its key alone."""
    key = TABLES[table.name].key
    return () if KEY_COLUMN in key else key


def _is_among(
    rows: sa.FromClause, others: sa.FromClause, names: tuple[str, ...]
) -> sa.ColumnElement[bool]:
    theirs = sa.select(*(others.c[name] for name in names))
    return sa.tuple_(*(rows.c[name] for name in names)).in_(theirs)


def _note(connection: sa.Connection, source: Source, loaded: Loaded) -> int:
    new_ingest = (
        sa.insert(INGESTS)
        .values(
            source=loaded.source,
            table_name=source.table,
            loaded_at=datetime.now(UTC).isoformat(timespec="seconds"),
            reading=_reading_of(source, loaded.cleaned),
            n_read=loaded.cleaned.n_read,
            n_rejected=len(loaded.cleaned.rejected),
            n_new=loaded.n_new,
            n_changed=loaded.n_changed,
        )
        .returning(INGESTS.c.id)
    )
    return int(connection.execute(new_ingest).scalar_one())


def _keep_rejected(
    connection: sa.Connection, staged: sa.TableClause, name: str, ingest_id: int
) -> None:
    """Keep the rejected rows of this load; those of the same file loaded before are the same."""
    names = ["source_row", "reason", "content"]
    before = sa.select(*(REJECTED_ROWS.c[column] for column in names)).where(
        REJECTED_ROWS.c.source == name
    )
    new = sa.except_(sa.select(*(staged.c[column] for column in names)), before).subquery()
    rows = sa.select(sa.literal(ingest_id), sa.literal(name), *(new.c[column] for column in names))
    columns = ["ingest_id", "source", *names]
    connection.execute(sa.insert(REJECTED_ROWS).from_select(columns, rows))


def _n_unknown(connection: sa.Connection, table: sa.Table, staged: sa.TableClause) -> int:
    """Count the rows whose key the ledger does not hold, nor their name."""
    is_known: sa.ColumnElement[bool] = staged.c.row_key.in_(sa.select(table.c.row_key))
    if own := _own_name(table):
        is_known = sa.or_(is_known, _is_among(staged, table, own))
    count = sa.select(sa.func.count()).select_from(staged).where(~is_known)
    return int(connection.execute(count).scalar_one())


def _n_changed(connection: sa.Connection, table: sa.Table, staged: sa.TableClause) -> int:
    """Count the rows that the ledger holds with another content."""
    is_same: sa.ColumnElement[bool] = table.c.row_key == staged.c.row_key
    if own := _own_name(table):
        has_name = sa.and_(*(table.c[name] == staged.c[name] for name in own))
        is_same = sa.or_(is_same, has_name)
    differs = sa.or_(*(column.is_distinct_from(staged.c[column.name]) for column in table.c))
    statement = (
        sa.select(sa.func.count(staged.c.row_key.distinct()))
        .select_from(staged)
        .join(table, is_same)
        .where(differs)
    )
    return int(connection.execute(statement).scalar_one())
