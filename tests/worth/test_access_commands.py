import getpass
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
import sqlalchemy as sa

from serving.auth import SCOPES, KeyFacts, Scope, list_keys
from serving.store import SQLiteStore
from serving.store.tables import API_KEYS, AUDIT_LOG

Worth = Callable[..., Any]

_DAY = timedelta(days=1)


@pytest.fixture
def home_store(tmp_path: Any) -> Callable[[], SQLiteStore]:
    """Open the store that the command line keeps."""
    return lambda: SQLiteStore.open(tmp_path / "home" / "worth.db")


def _create(worth: Worth, *more: object) -> str:
    ran = worth("keys", "create", "--scope", "scores:read", *more)
    assert ran.code == 0, ran.err
    return str(ran.out.strip())


def _prefix(key: str) -> str:
    return key.split("_")[1]


def _facts(store: SQLiteStore, key: str) -> KeyFacts:
    (facts,) = [facts for facts in list_keys(store) if facts.prefix == _prefix(key)]
    return facts


class TestKeys:
    def test_every_scope_of_the_service_can_be_given(self, worth: Worth, home_store: Any) -> None:
        assert get_args(Scope) == SCOPES
        scopes = [part for scope in SCOPES for part in ("--scope", scope)]
        key = worth("keys", "create", *scopes).out.strip()

        assert set(_facts(home_store(), key).scopes) == set(SCOPES)

    def test_a_key_has_its_name_end_and_limit(self, worth: Worth, home_store: Any) -> None:
        key = _create(worth, "--name", "till 4", "--expires", "90d", "--rate-limit", "50")

        facts = _facts(home_store(), key)
        assert (facts.name, facts.rate_limit) == ("till 4", 50)
        assert facts.expires_at is not None
        assert abs(facts.expires_at - datetime.now(UTC) - 90 * _DAY) < timedelta(minutes=1)

    def test_a_day_is_the_last_one_of_the_key_where_the_company_is(
        self, worth: Worth, home_store: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("WORTH_TIME_ZONE", "Asia/Shanghai")
        key = _create(worth, "--expires", "2100-01-31")

        assert _facts(home_store(), key).expires_at == datetime(2100, 1, 31, 16, tzinfo=UTC)

    @pytest.mark.parametrize(
        "option",
        [
            ("--expires", "2020-01-31"),
            ("--expires", "0d"),
            ("--expires", "soon"),
            ("--expires", "-1d"),
            ("--expires", "90"),
            ("--expires", "999999d"),
            ("--expires", "9999-12-31"),
            ("--rate-limit", "0"),
        ],
    )
    def test_what_cannot_be_the_end_or_limit_of_a_key_is_refused(
        self, worth: Worth, home_store: Any, option: tuple[str, str]
    ) -> None:
        ran = worth("keys", "create", "--scope", "scores:read", *option)

        assert ran.code == 2
        assert ran.out == ""
        assert option[0] in ran.err
        assert list_keys(home_store()) == []

    def test_the_list_shows_what_is_known_but_no_secret(
        self, worth: Worth, home_store: Any
    ) -> None:
        keys = [_create(worth, "--name", "till 4", "--rate-limit", "5", "--expires", "1d")]
        keys += [_create(worth), _create(worth)]
        with home_store().writing() as connection:
            expire = sa.update(API_KEYS).where(API_KEYS.c.prefix == _prefix(keys[1]))
            connection.execute(expire.values(expires_at="2024-05-01T10:00:00.000+00:00"))
        worth("keys", "revoke", _prefix(keys[2]))

        first, second, third = worth("keys", "list").out.splitlines()

        assert re.fullmatch(
            rf"{_prefix(keys[0])}  in force  scores:read  made \S+ \S+  last used never  "
            r"expires \S+ \S+  5 a second  till 4",
            first,
        )
        assert second.startswith(f"{_prefix(keys[1])}  expired 2024-05-01 10:00  scores:read")
        assert third.startswith(f"{_prefix(keys[2])}  revoked {datetime.now(UTC):%Y-%m-%d}")
        assert not any(key.split("_", 2)[2] in first + second + third for key in keys)

    def test_a_rotated_key_lives_on_for_the_overlap(self, worth: Worth, home_store: Any) -> None:
        old = _create(worth, "--name", "till 4")
        new = worth("keys", "rotate", _prefix(old), "--overlap", "2h").out.strip()

        was, now = _facts(home_store(), old), _facts(home_store(), new)
        assert (now.name, now.scopes, now.expires_at) == ("till 4", ("scores:read",), None)
        assert was.expires_at is not None
        assert timedelta(minutes=119) < was.expires_at - datetime.now(UTC) <= timedelta(hours=2)

    def test_a_wrong_overlap_is_refused(self, worth: Worth) -> None:
        ran = worth("keys", "rotate", _prefix(_create(worth)), "--overlap", "a while")

        assert ran.code == 2
        assert "24h" in ran.err

    @pytest.mark.parametrize("command", ["rotate", "revoke"])
    def test_a_key_that_is_not_there_is_refused(self, worth: Worth, command: str) -> None:
        assert worth("keys", command, "ffffffff").sentence == (
            "There is no key 'ffffffff'. 'worth keys list' shows those in force."
        )


class TestAudit:
    def test_the_log_shows_who_did_what(self, worth: Worth) -> None:
        old = _create(worth)
        new = worth("keys", "rotate", _prefix(old)).out.strip()

        first, second = worth("audit", "show").out.splitlines()

        assert f"user:{getpass.getuser()}  key.created  {_prefix(old)}" in first
        assert second.endswith(f"key.rotated  {_prefix(old)}  replaced by {_prefix(new)}")
        assert worth("audit", "show", "--last", "1").out.splitlines() == [second]

    def test_what_others_wrote_does_not_steer_the_terminal(
        self, worth: Worth, home_store: Any, unguard_audit_log: Any
    ) -> None:
        _create(worth, "--name", "a\x1b[2Jb\u202e")
        unguard_audit_log(home_store())
        with home_store().writing() as connection:
            connection.execute(sa.update(AUDIT_LOG).values(reason="[red]\x1b]0;x\x07"))

        said = worth("keys", "list").out + worth("audit", "show").out
        assert "a?[2Jb?" in said
        assert "[red]?]0;x?" in said

    def test_an_untouched_log_is_verified_and_a_changed_one_refused(
        self, worth: Worth, home_store: Any, unguard_audit_log: Any
    ) -> None:
        _create(worth)
        _create(worth)
        ran = worth("audit", "verify")
        head = re.search(r"Its head is ([0-9a-f]{64})\.", ran.out)
        assert ran.code == 0
        assert ran.out.startswith("The audit log's 2 rows are as they were written.")
        assert head is not None
        _create(worth)
        assert worth("audit", "verify", "--head", head[1]).code == 0

        unguard_audit_log(home_store())
        with home_store().writing() as connection:
            connection.execute(sa.update(AUDIT_LOG).where(AUDIT_LOG.c.id == 2).values(actor="a"))
        assert worth("audit", "verify").sentence.startswith(
            "The audit log is broken: row 2 (key.created, "
        )

    def test_a_log_that_lost_its_end_is_refused_by_its_head(
        self, worth: Worth, home_store: Any, unguard_audit_log: Any
    ) -> None:
        _create(worth)
        _create(worth)
        unguard_audit_log(home_store())
        head = worth("audit", "verify").out.split("Its head is ")[1][:64]
        with home_store().writing() as connection:
            connection.execute(sa.delete(AUDIT_LOG).where(AUDIT_LOG.c.id == 2))

        assert worth("audit", "verify").code == 0
        assert f"hold no hash {head}" in worth("audit", "verify", "--head", head).sentence
