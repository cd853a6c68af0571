"""Which model served from when on, so that one call leads back to the one before."""

from collections.abc import Sequence

import sqlalchemy as sa

from serving.audit import record
from serving.store import Store
from serving.store.tables import MODELS_SERVED
from serving.versions.chosen import Named

__all__ = ["note_served", "served", "served_before"]

# Rollbacks lead back this far.
_REMEMBERED = 200


def note_served(store: Store, model: Named, at: str) -> bool:
    """Note that a model serves from now on; of several workers only the first one does.

    Parameters
    ----------
    store : Store
        Where it is kept.
    model : Named
        Which.
    at : str
        Now, ISO 8601 in UTC.

    Returns
    -------
    bool
        Whether it was new.
    """
    with store.writing() as connection:
        store.lock(connection, "models_served")
        if served(connection)[-1:] == [model]:
            return False
        row = {"version": model.version, "digest": model.digest, "since": at}
        connection.execute(sa.insert(MODELS_SERVED).values(**row))
        on = f"model version {model.version}"
        record(connection, actor="worth", action="model.served", object=on)
    return True


def served(connection: sa.Connection) -> list[Named]:
    """List the models that served.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        To the store.

    Returns
    -------
    list of Named
        In the order in which they did; the last 200.
    """
    newest = sa.select(MODELS_SERVED).order_by(MODELS_SERVED.c.id.desc()).limit(_REMEMBERED)
    rows = connection.execute(newest).all()
    return [Named(row.version, row.digest) for row in reversed(rows)]


def served_before(line: Sequence[Named], now: Named | None) -> Named | None:
    """Find what a rollback leads back to.

    Going back to the model before takes the step from it back, so that two rollbacks in a row go
    back by two.

    Parameters
    ----------
    line : sequence of Named
        What served, the first one first.
    now : Named or None
        What serves.

    Returns
    -------
    Named or None
        None where nothing served before.

    Examples
    --------
    >>> first, second, third = (Named(version, "") for version in "123")
    >>> served_before([first, second, third], third).version
    '2'
    >>> served_before([first, second, third, second], second).version
    '1'
    """
    standing: list[Named] = []
    for model in line:
        if standing[-2:-1] == [model]:
            standing.pop()
        elif standing[-1:] != [model]:
            standing.append(model)
    if now in standing:
        del standing[len(standing) - standing[::-1].index(now) :]
    return next((model for model in reversed(standing) if model != now), None)
