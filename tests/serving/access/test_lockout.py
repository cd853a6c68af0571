from collections.abc import Callable

import httpx
import pytest

from serving import audit
from serving.access.lockout import Lockouts, place_of
from serving.app import create_app
from serving.auth import create_key
from serving.options import ServiceOptions
from serving.store import SQLiteStore

Visit = Callable[..., list[httpx.Response]]


class _Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_so_many_failures_within_a_minute_lock_a_place_out_for_a_minute() -> None:
    clock = _Clock()
    lockouts = Lockouts(3, clock=clock)

    assert [lockouts.fail("a") for _ in range(3)] == [False, False, True]
    assert (lockouts.wait("a"), lockouts.wait("b")) == (60, 0)
    clock.now += 59.5
    assert lockouts.wait("a") == 1
    clock.now += 0.5
    assert lockouts.wait("a") == 0
    assert not lockouts.fail("a")


def test_failures_spread_over_more_than_a_minute_do_not() -> None:
    clock = _Clock()
    lockouts = Lockouts(3, clock=clock)
    for _ in range(100):
        clock.now += 30.0
        assert not lockouts.fail("a")


def test_a_flood_from_many_addresses_takes_bounded_memory() -> None:
    lockouts = Lockouts(1_000, clock=_Clock(), most_in_all=100)
    for number in range(10_000):
        lockouts.fail(f"place {number % 70}")
        lockouts.fail(f"other place {number}")

    assert len(lockouts) <= 100
    assert sum(len(known.failed_at) for known in lockouts._records.values()) <= 100


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        (None, "", True),
        ("testclient", "testclient", True),
    ],
)
def test_addresses_of_one_network_of_ipv6_are_one_place(
    one: str | None, other: str | None, is_same: bool
) -> None:
    assert (place_of(one) == place_of(other)) == is_same


class TestService:
    @pytest.fixture
    def app(self, store: SQLiteStore) -> object:
        return create_app(store, options=ServiceOptions(lockout_failures=3))

    def test_after_too_many_wrong_keys_only_right_ones_are_taken(
        self, app: object, store: SQLiteStore, visit: Visit
    ) -> None:
        wrong = {"url": "/v1/signals", "headers": {"X-API-Key": "wk_00000000_guess"}}
        right = create_key(store, ["scores:read"])
        answers = visit(
            app, [wrong] * 4 + [{"url": "/v1/signals", "headers": {"X-API-Key": right}}]
        )

        assert [answer.status_code for answer in answers] == [401, 401, 429, 429, 200]
        refused = answers[3]
        assert 58 <= int(refused.headers["Retry-After"]) <= 60
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.json()["detail"].startswith("Too many wrong keys came from this address.")
        (elsewhere,) = visit(app, [wrong], address="198.51.100.7")
        assert elsewhere.status_code == 401

    def test_neither_no_key_nor_one_that_was_right_once_counts(
        self, app: object, store: SQLiteStore, visit: Visit
    ) -> None:
        from serving.auth import revoke_key

        revoked = create_key(store, ["scores:read"])
        revoke_key(store, revoked.split("_")[1])
        old = {"url": "/v1/signals", "headers": {"X-API-Key": revoked}}

        answers = visit(app, [old, {"url": "/v1/signals"}] * 5)

        assert {answer.status_code for answer in answers} == {401}

    def test_it_stands_in_the_audit_log_once_and_without_the_address(
        self, app: object, store: SQLiteStore, visit: Visit, capsys: pytest.CaptureFixture[str]
    ) -> None:
        wrong = {"url": "/v1/signals", "headers": {"X-API-Key": "wk_00000000_guess"}}
        visit(app, [wrong] * 9, pause=0.2, address="203.0.113.9")

        with store.reading() as connection:
            (row,) = audit.last_rows(connection, 10)
        assert (row["action"], row["n"]) == ("access.locked_out", 3)
        assert row["actor"].startswith("address:")
        said = capsys.readouterr()
        assert "203.0.113" not in f"{row}{said.out}{said.err}"
