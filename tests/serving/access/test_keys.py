import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import httpx
import pytest
import sqlalchemy as sa

from serving import audit
from serving.app import create_app
from serving.auth import (
    KeyFacts,
    NoSuchKeyError,
    create_key,
    list_keys,
    revoke_key,
    rotate_key,
)
from serving.store import SQLiteStore, Store
from serving.store.tables import API_KEYS

Ask = Callable[..., httpx.Response]
Visit = Callable[..., list[httpx.Response]]

_SIGNALS = {"url": "/v1/signals"}


def _prefix(key: str) -> str:
    return key.split("_")[1]


def _facts(store: Store, key: str) -> KeyFacts:
    (facts,) = [facts for facts in list_keys(store) if facts.prefix == _prefix(key)]
    return facts


def _with(key: str) -> dict[str, object]:
    return _SIGNALS | {"headers": {"X-API-Key": key}}


class TestChecking:
    def test_no_key_is_refused_with_the_way_to_one(self, ask_of: Ask, store: Store) -> None:
        answer = ask_of(store, "/v1/signals", scopes=())

        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert "worth keys create --scope scores:read" in answer.json()["detail"]

    @pytest.mark.parametrize("header", ["Authorization", "X-API-Key"])
    @pytest.mark.parametrize(
        "key",
        [
            *("wk_00000000_guess", "guess", "wk__", "_", "wk_", "' OR 1=1 --", "\x00", "\xff\xfe"),
            *("wk_0000000g_guess", "wk_00000000_", "eyJhbGciOiJub25lIn0.e30.", "9" * 100_000),
        ],
    )
    def test_a_wrong_key_is_refused(self, ask_of: Ask, store: Store, header: str, key: str) -> None:
        value = f"Bearer {key}" if header == "Authorization" else key
        headers = {header: value.encode("latin-1")}
        answer = ask_of(store, "/v1/signals", scopes=(), headers=headers)

        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
        assert answer.json()["detail"] == "This API key is not known here."

    def test_a_wrong_secret_of_a_known_prefix_is_refused(self, ask_of: Ask, store: Store) -> None:
        key = create_key(store, ["scores:read"])
        for wrong in (key[:-1], key + "0", key.replace("wk_", "xx_"), key.rpartition("_")[0] + "_"):
            answer = ask_of(store, "/v1/signals", scopes=(), headers={"X-API-Key": wrong})
            assert answer.status_code == 401

    def test_a_key_is_checked_before_the_request(self, ask_of: Ask, store: Store) -> None:
        assert ask_of(store, "/v1/target-lists/preview?limit=-1", scopes=()).status_code == 401

    def test_both_headers_are_taken(self, ask_of: Ask, store: Store) -> None:
        key = create_key(store, ["scores:read"])
        for headers in ({"Authorization": f"Bearer {key}"}, {"X-API-Key": key}):
            assert ask_of(store, "/v1/signals", scopes=(), headers=headers).status_code == 200

    def test_the_store_holds_no_secret(self, store: Store) -> None:
        mark, prefix, secret = create_key(store, ["lists:read", "scores:read"]).split("_", 2)
        with store.reading() as connection:
            row = connection.execute(sa.select(API_KEYS)).one()
        assert (mark, row.prefix, row.scopes) == ("wk", prefix, "lists:read scores:read")
        assert not any(secret in str(value) for value in row)
        store.close()
        if not isinstance(store, SQLiteStore):
            return

        files = [file.read_bytes() for file in store.path.parent.glob("worth.db*")]
        assert any(prefix.encode() in content for content in files)
        assert not any(secret.encode() in content for content in files)

    def test_a_key_is_looked_up_once_a_second(self, store: Store, visit: Visit) -> None:
        lookups = []

        @sa.event.listens_for(store.engine, "before_cursor_execute")
        def count(_c: object, _cursor: object, statement: str, *_: object) -> None:
            if "FROM api_keys" in statement:
                lookups.append(time.monotonic())

        key = create_key(store, ["scores:read"])
        answers = visit(create_app(store), [_with(key)] * 50)

        assert {answer.status_code for answer in answers} == {200}
        assert len(lookups) >= 1
        assert all(later - earlier >= 1.0 for earlier, later in pairwise(lookups))


class TestEnd:
    def test_a_revoked_key_opens_nothing(self, store: Store, ask_of: Ask) -> None:
        key = create_key(store, ["scores:read"])
        revoke_key(store, _prefix(key))

        answer = ask_of(store, "/v1/signals", scopes=[], headers={"X-API-Key": key})

        assert answer.status_code == 401
        assert answer.json()["detail"] == (
            f"The API key {_prefix(key)} is revoked. 'worth keys create' makes another."
        )

    def test_a_revoked_key_is_refused_within_a_second_by_a_running_service(
        self, store: Store, visit: Visit
    ) -> None:
        key, app = create_key(store, ["scores:read"]), create_app(store)
        assert visit(app, [_with(key)])[0].status_code == 200
        revoke_key(store, _prefix(key))

        assert visit(app, [_with(key)], pause=1.01)[0].status_code == 200
        assert visit(app, [_with(key)])[0].status_code == 401

    def test_a_key_expires_to_the_moment_even_while_it_is_remembered(
        self, store: Store, visit: Visit
    ) -> None:
        end = datetime.now(UTC) + timedelta(seconds=0.5)
        key, app = create_key(store, ["scores:read"], expires_at=end), create_app(store)
        wait = (end - datetime.now(UTC)).total_seconds() + 0.01

        (before,) = visit(app, [_with(key)], pause=wait)
        (after,) = visit(app, [_with(key)])

        assert (before.status_code, after.status_code) == (200, 401)
        assert f"{_prefix(key)} is expired" in after.json()["detail"]

    def test_what_is_not_in_force_cannot_be_revoked_or_rotated(self, store: Store) -> None:
        key = create_key(store, ["scores:read"])
        revoke_key(store, _prefix(key))

        with pytest.raises(NoSuchKeyError, match=f"The key '{_prefix(key)}' is revoked. 'worth"):
            revoke_key(store, _prefix(key))
        with pytest.raises(NoSuchKeyError, match=r"There is no key 'ffffffff'\. 'worth keys list'"):
            rotate_key(store, "ffffffff", overlap=timedelta(0))


class TestRotation:
    def test_the_new_key_is_like_the_old_one_which_lives_on_for_the_overlap(
        self, store: Store, ask_of: Ask
    ) -> None:
        end = datetime.now(UTC) + timedelta(days=90)
        facts = {"name": "till 4", "expires_at": end, "rate_limit": 7}
        old = create_key(store, ["scores:read", "events:write"], **facts)

        new = rotate_key(store, _prefix(old), overlap=timedelta(hours=24))

        for key in (old, new):
            answer = ask_of(store, "/v1/signals", scopes=(), headers={"X-API-Key": key})
            assert answer.status_code == 200
        was, now = _facts(store, old), _facts(store, new)
        assert (now.scopes, now.name, now.rate_limit) == (was.scopes, "till 4", 7)
        day = timedelta(days=1)
        assert was.expires_at is not None
        assert now.expires_at is not None
        assert day - timedelta(minutes=1) < was.expires_at - datetime.now(UTC) <= day
        # For as long as the old one was made.
        assert abs(now.expires_at - end) < timedelta(minutes=1)

    def test_without_overlap_the_old_key_ends_at_once(self, store: Store, ask_of: Ask) -> None:
        old = create_key(store, ["scores:read"])
        rotate_key(store, _prefix(old), overlap=timedelta(0))

        answer = ask_of(store, "/v1/signals", scopes=(), headers={"X-API-Key": old})
        assert answer.status_code == 401

    def test_the_overlap_does_not_prolong_the_old_key(self, store: Store) -> None:
        end = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
        old = create_key(store, ["scores:read"], expires_at=end)
        rotate_key(store, _prefix(old), overlap=timedelta(days=7))

        assert _facts(store, old).expires_at == end


def test_whoever_makes_rotates_or_revokes_a_key_stands_in_the_audit_log(
    store: Store,
) -> None:
    old = create_key(store, ["admin"], actor="user:ann")
    new = rotate_key(store, _prefix(old), overlap=timedelta(0), actor="user:bob")
    revoke_key(store, _prefix(new), actor="user:eve")

    with store.reading() as connection:
        rows = audit.last_rows(connection, 10)
    assert [(row["actor"], row["action"], row["object"]) for row in rows] == [
        ("user:ann", "key.created", _prefix(old)),
        ("user:bob", "key.rotated", _prefix(old)),
        ("user:eve", "key.revoked", _prefix(new)),
    ]


class TestLastUse:
    def test_a_use_is_written_behind_the_requests(self, store: Store, visit: Visit) -> None:
        used, unused = create_key(store, ["scores:read"]), create_key(store, ["scores:read"])
        visit(create_app(store), [_with(used)] * 3, pause=1.5)

        last = _facts(store, used).last_used_at
        assert last is not None
        assert timedelta(0) <= datetime.now(UTC) - last < timedelta(seconds=10)
        assert _facts(store, unused).last_used_at is None

    @pytest.mark.parametrize(
        ("ago", "is_written"),
        [(timedelta(seconds=50), False), (timedelta(seconds=70), True), (-timedelta(1), True)],
        ids=["a moment ago", "a while ago", "before the clock was set back"],
    )
    def test_it_is_written_at_most_once_a_minute(
        self, store: Store, visit: Visit, ago: timedelta, is_written: bool
    ) -> None:
        key = create_key(store, ["scores:read"])
        last = (datetime.now(UTC) - ago).isoformat(timespec="milliseconds")
        with store.writing() as connection:
            connection.execute(sa.update(API_KEYS).values(last_used_at=last))

        visit(create_app(store), [_with(key)], pause=1.5)

        written = _facts(store, key).last_used_at
        assert (written != datetime.fromisoformat(last)) == is_written

    def test_a_store_that_cannot_be_written_to_does_not_hold_up_a_request(
        self, store: Store, visit: Visit
    ) -> None:
        key, app = create_key(store, ["scores:read"]), create_app(store)
        with store.writing():
            (answer,) = visit(app, [_with(key)], pause=0.2)

        assert answer.status_code == 200
        assert answer.elapsed < timedelta(seconds=1)
