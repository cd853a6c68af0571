from contextlib import closing
from pathlib import Path

import pytest

from serving.store import SQLiteStore, StoreError, open_store
from serving.store.postgres import PostgresStore
from worth.settings import SettingsError, load_settings

_NO_SERVER = "postgresql://worth:sekrit@127.0.0.1:1/worth?connect_timeout=2"


@pytest.mark.parametrize("is_address", [True, False])
def test_a_file_is_opened_by_its_path_or_address(tmp_path: Path, is_address: bool) -> None:
    path = tmp_path / "a home" / "worth.db"

    store = open_store(f"sqlite:///{path}" if is_address else path)
    assert isinstance(store, SQLiteStore)
    assert store.path == path
    assert path.exists()


def test_connections_stay_open_where_they_are_pooled(tmp_path: Path) -> None:
    with closing(open_store(tmp_path / "worth.db", is_pooled=True)) as store:
        seen = set()
        for _ in range(3):
            with store.reading() as connection:
                seen.add(id(store.driver(connection)))
        assert len(seen) == 1


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_a_database_is_opened_by_its_address(postgres_place: str, scheme: str) -> None:
    address = postgres_place.replace("postgresql", scheme, 1)

    with closing(open_store(address)) as store:
        assert isinstance(store, PostgresStore)
        assert store.is_writable()


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("mysql://worth:sekrit@localhost/worth", "must begin with postgresql:// or sqlite:///"),
        ("sqlite://", "names no file"),
        ("worth:sekrit@localhost", "It must look like postgresql://user:password@host:5432"),
        ("postgresql://worth:sekrit@localhost:port/x", "It must look like postgresql://user"),
        (_NO_SERVER, "did not answer: connection failed.*The store is the database worth on 127"),
        (f"{_NO_SERVER}&colour=red", 'opened as a store: invalid connection option "colour"\\.$'),
    ],
)
def test_what_cannot_be_opened_is_refused_without_its_password(address: str, sentence: str) -> None:
    with pytest.raises(StoreError, match=f"(?s){sentence}") as error:
        open_store(address)
    assert "sekrit" not in str(error.value)


class TestTheSetting:
    def test_its_password_is_never_shown(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("WORTH_STORE_URL", _NO_SERVER)

        settings = load_settings()
        assert settings.store_place == _NO_SERVER
        assert "sekrit" not in f"{settings!r} {settings} {settings.model_dump_json()}"

    def test_a_wrong_one_is_not_repeated(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "worth.toml").write_text("store_url = 20240101\n")

        with pytest.raises(SettingsError, match=r"'store_url' in worth\.toml is wrong") as error:
            load_settings()
        assert "20240101" not in str(error.value)

    def test_without_it_the_store_is_a_file_at_home(self) -> None:
        assert load_settings(home=Path("here")).store_place == Path("here/worth.db")
