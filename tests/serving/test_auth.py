from collections.abc import Callable

import httpx
import pytest
import sqlalchemy as sa

from serving.app import create_app
from serving.auth import create_key, list_keys, revoke_key
from serving.store import SQLiteStore
from serving.store.tables import API_KEYS

Ask = Callable[..., httpx.Response]

_OPEN = {"/healthz", "/readyz"}
# Of every operation, by its path in the OpenAPI document; a new one has to be added here.
_SCOPES = {
    "/v1/customers/{customer_id}/score": "scores:read",
    "/v1/target-lists/preview": "lists:read",
    "/v1/signals": "scores:read",
}
_WITH_KEY = sorted(_SCOPES)


def test_every_operation_but_health_asks_for_a_key(store: SQLiteStore) -> None:
    paths = create_app(store).openapi()["paths"]

    assert set(paths) == set(_SCOPES) | _OPEN
    for path, operations in paths.items():
        for operation in operations.values():
            assert ("security" in operation) == (path not in _OPEN)


@pytest.mark.parametrize("path", _WITH_KEY)
def test_no_key_is_refused(ask_of: Ask, store: SQLiteStore, path: str) -> None:
    answer = ask_of(store, path, scopes=())

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert f"worth keys create --scope {_SCOPES[path]}" in answer.json()["detail"]


@pytest.mark.parametrize("path", _WITH_KEY)
@pytest.mark.parametrize("header", ["Authorization", "X-API-Key"])
@pytest.mark.parametrize("key", ["wk_00000000_guess", "guess", "wk__", "_", "wk_", "' OR 1=1 --"])
def test_a_wrong_key_is_refused(
    ask_of: Ask, store: SQLiteStore, path: str, header: str, key: str
) -> None:
    value = f"Bearer {key}" if header == "Authorization" else key
    answer = ask_of(store, path, scopes=(), headers={header: value})

    assert answer.status_code == 401
    assert answer.json()["title"] == "Not authenticated"


def test_a_wrong_secret_of_a_known_prefix_is_refused(ask_of: Ask, store: SQLiteStore) -> None:
    key = create_key(store, ["scores:read"])
    for wrong in (key[:-1], key + "0", key.replace("wk_", "xx_"), key.rpartition("_")[0] + "_"):
        answer = ask_of(store, "/v1/signals", scopes=(), headers={"X-API-Key": wrong})
        assert answer.status_code == 401


def test_a_key_is_checked_before_the_request(ask_of: Ask, store: SQLiteStore) -> None:
    assert ask_of(store, "/v1/target-lists/preview?limit=-1", scopes=()).status_code == 401


@pytest.mark.parametrize("path", _WITH_KEY)
def test_a_key_of_another_scope_is_refused(ask_of: Ask, store: SQLiteStore, path: str) -> None:
    (other,) = set(_SCOPES.values()) - {_SCOPES[path]}
    answer = ask_of(store, path, scopes=(other,))

    assert answer.status_code == 403
    assert answer.json()["detail"] == (
        f"This needs a key with the scope {_SCOPES[path]}. This key has: {other}."
    )


def test_a_revoked_key_is_refused(ask_of: Ask, store: SQLiteStore) -> None:
    headers = {"X-API-Key": create_key(store, ["scores:read"])}
    assert ask_of(store, "/v1/signals", scopes=(), headers=headers).status_code == 200
    with store.writing() as connection:
        connection.execute(sa.update(API_KEYS).values(revoked_at="2024-01-01T00:00:00+00:00"))

    assert ask_of(store, "/v1/signals", scopes=(), headers=headers).status_code == 401


def test_both_headers_are_taken(ask_of: Ask, store: SQLiteStore) -> None:
    key = create_key(store, ["scores:read"])
    for headers in ({"Authorization": f"Bearer {key}"}, {"X-API-Key": key}):
        assert ask_of(store, "/v1/signals", scopes=(), headers=headers).status_code == 200


def test_the_store_holds_no_secret(store: SQLiteStore) -> None:
    mark, prefix, secret = create_key(store, ["lists:read", "scores:read"]).split("_", 2)
    with store.reading() as connection:
        row = connection.execute(sa.select(API_KEYS)).one()
    assert (mark, row.prefix, row.scopes) == ("wk", prefix, "lists:read scores:read")
    store.close()

    files = [file.read_bytes() for file in store.path.parent.glob("worth.db*")]
    assert any(prefix.encode() in content for content in files)
    assert not any(secret.encode() in content for content in files)


def test_a_revoked_key_opens_nothing(scored_store: SQLiteStore, ask_of: Ask) -> None:
    key = create_key(scored_store, ["scores:read"])
    prefix = key.split("_")[1]
    (listed,) = list_keys(scored_store)
    assert (listed["prefix"], listed["scopes"], listed["revoked_at"]) == (
        prefix,
        "scores:read",
        None,
    )

    assert revoke_key(scored_store, prefix)
    assert not revoke_key(scored_store, prefix)

    headers = {"X-API-Key": key}
    answer = ask_of(scored_store, "/v1/signals", scopes=[], headers=headers)
    assert answer.status_code == 401
    assert "revoked" in answer.json()["detail"]
