from collections.abc import Callable

import httpx
import pytest

from serving.audit import last_rows
from serving.store import SQLiteStore

Ask = Callable[..., httpx.Response]


@pytest.mark.parametrize(
    ("path", "what"),
    [("/v1/target-lists/preview?limit=7", "target-list"), ("/v1/scores?limit=7", "scores")],
)
def test_an_export_stands_in_the_audit_log_and_a_look_does_not(
    ask: Ask, scored_store: SQLiteStore, path: str, what: str
) -> None:
    assert ask(path).status_code == 200
    taken = ask(path, headers={"Accept": "text/csv"})

    assert taken.status_code == 200
    with scored_store.reading() as connection:
        (*_, row) = rows = last_rows(connection, 10)
    assert [row["action"] for row in rows].count("list.exported") == 1
    assert (row["action"], row["object"], row["n"]) == ("list.exported", what, 7)
