"""What was rejected while the ledger was loaded, by source and reason."""

import sqlalchemy as sa

from features.usability import RejectedReason
from serving.store import Store
from serving.store.tables import INGESTS, REJECTED_ROWS

__all__ = ["rejected_reasons"]


def rejected_reasons(store: Store) -> list[RejectedReason]:
    """Count the rejected rows of every source by reason.

    Parameters
    ----------
    store : Store
        Where they are kept.

    Returns
    -------
    list of RejectedReason
        By source, the most frequent reason first, each with one row as an example.
    """
    rows = REJECTED_ROWS
    counted = (
        sa.select(
            rows.c.source,
            rows.c.reason,
            sa.func.count().label("count"),
            sa.func.min(rows.c.source_row).label("example_row"),
        )
        .group_by(rows.c.source, rows.c.reason)
        .subquery()
    )
    read = (
        sa.select(INGESTS.c.source, sa.func.max(INGESTS.c.n_read).label("n_read"))
        .group_by(INGESTS.c.source)
        .subquery()
    )
    content = (
        sa.select(sa.func.min(rows.c.content))
        .where(
            rows.c.source == counted.c.source,
            rows.c.reason == counted.c.reason,
            rows.c.source_row == counted.c.example_row,
        )
        .scalar_subquery()
    )
    statement = (
        sa.select(counted, read.c.n_read, content.label("content"))
        .join(read, read.c.source == counted.c.source)
        .order_by(counted.c.source, counted.c["count"].desc(), counted.c.reason)
    )
    with store.reading() as connection:
        return [
            RejectedReason(
                source=row.source,
                reason=row.reason,
                count=row._mapping["count"],
                n_read=max(row.n_read, row._mapping["count"]),
                example_row=row.example_row,
                example_content=row.content or "",
            )
            for row in connection.execute(statement)
        ]
