"""Customers who go by several ids: from each alias to the id that counts."""

from collections.abc import Mapping

from features.cleaning.readers import text_reader
from features.sources import Source, SourceError, read
from features.sources.scratch import scratch

__all__ = ["read_aliases", "unify"]

_NAME = "aliases"
_FIELDS = ("alias", "customer_id")


def read_aliases(source: Source) -> dict[str, str]:
    """Read the aliases of customers.

    Parameters
    ----------
    source : Source
        A table of `alias` and `customer_id`: who goes by the one is the other.

    Returns
    -------
    dict of str to str
        From each alias to the id that counts, which is no alias itself.

    Raises
    ------
    SourceError
        If it cannot be read, lacks an id, gives one alias to two customers, or runs in a circle.
    """
    raw = read(source, name=_NAME, fields=_FIELDS)
    types = {field.name: field.type for field in raw.rows.schema}
    for field in _FIELDS:
        if field not in types:
            raise SourceError(
                f"[{_NAME}] has no column for {field}. Map it, for example "
                f'columns = {{ {field} = "<its column>" }}.'
            )
    if len(raw.malformed):
        row = raw.malformed.to_pylist()[0]
        raise SourceError(f"Row {row['source_row']} of [{_NAME}] cannot be read: {row['reason']}.")
    columns = ", ".join(f"{text_reader(field, types[field])} AS {field}" for field in _FIELDS)
    with scratch(f"[{_NAME}]") as connection:
        connection.register("raw", raw.rows)
        rows = connection.sql(f"SELECT {columns}, source_row FROM raw ORDER BY source_row")
        return unify(_pairs(rows.fetchall()))


def _pairs(rows: list[tuple[str | None, str | None, int]]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for alias, customer, number in rows:
        if alias is None or customer is None:
            missing = _FIELDS[0] if alias is None else _FIELDS[1]
            raise SourceError(f"Row {number} of [{_NAME}] has no {missing}. Each row has both.")
        if pairs.setdefault(alias, customer) != customer:
            raise SourceError(
                f"[{_NAME}] gives {alias!r} to two customers, {pairs[alias]!r} and {customer!r} "
                f"(row {number}). An alias belongs to one."
            )
    return pairs


def unify(pairs: Mapping[str, str]) -> dict[str, str]:
    """Follow aliases of aliases to their end.

    Parameters
    ----------
    pairs : mapping of str to str
        From an alias to a customer, who may be an alias too.

    Returns
    -------
    dict of str to str
        From each alias to the id that counts.

    Raises
    ------
    SourceError
        If they run in a circle.

    Examples
    --------
    >>> unify({"a": "b", "b": "c"})
    {'a': 'c', 'b': 'c'}
    """
    ends: dict[str, str] = {}
    for alias in pairs:
        path = [alias]
        while path[-1] in pairs and path[-1] not in ends and pairs[path[-1]] != path[-1]:
            following = pairs[path[-1]]
            if following in path:
                circle = " -> ".join([*path[path.index(following) :], following])
                raise SourceError(
                    f"[{_NAME}] runs in a circle: {circle}. One id must be the one that counts."
                )
            path.append(following)
        end = ends.get(path[-1], path[-1])
        ends |= {step: end for step in path if step != end}
    return ends
