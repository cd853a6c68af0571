import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import mlflow
import pytest
import sqlalchemy as sa

from models.bundle import Bundle
from serving.registry import Registry
from serving.store import SQLiteStore
from serving.store.tables import MODEL_CHOICES, MODELS
from serving.versions.bundles import bundle_folder, find_bundle, has_bundle, kept_digests
from serving.versions.notes import noted_champion, noted_registry
from serving.versions.watching import Watcher
from training.tracking import Tracking

Register = Callable[..., Bundle]


@pytest.fixture
def watcher(tracking: Tracking, store: SQLiteStore, tmp_path: Path) -> Watcher:
    return Watcher(Registry(tracking.uri), store, tmp_path)


def _pin(store: SQLiteStore, version: str) -> None:
    row = {"what": "pinned", "version": version, "reason": "a test", "actor": "x", "at": "now"}
    with store.writing() as connection:
        connection.execute(sa.insert(MODEL_CHOICES).values(**row))


def _rows(store: SQLiteStore) -> list[Mapping[str, Any]]:
    with store.reading() as connection:
        return list(connection.execute(sa.select(MODELS).order_by(MODELS.c.version)).mappings())


def test_the_champion_is_fetched_noted_and_all_versions_remembered(
    watcher: Watcher, tracking: Tracking, register: Register, store: SQLiteStore, tmp_path: Path
) -> None:
    first, second = register(), register(n_customers=250, grade="A", as_of="1998-03-31")
    tracking.promote("1", "the first")

    watcher.ask()

    champion = noted_champion(tmp_path)
    assert champion is not None
    assert (champion.name, champion.version, champion.digest) == ("worth", "1", first.digest)
    loaded = find_bundle(tmp_path, first.digest)
    assert loaded is not None
    assert loaded.digest == first.digest
    assert not has_bundle(tmp_path, second.digest)
    assert noted_registry(tmp_path).state == "reachable"
    facts = [(row["version"], row["digest"], row["grade"], row["as_of"]) for row in _rows(store)]
    assert facts == [("1", first.digest, "B", 10_407), ("2", second.digest, "A", 10_316)]


def test_what_people_chose_is_fetched_too(
    watcher: Watcher, tracking: Tracking, register: Register, store: SQLiteStore, tmp_path: Path
) -> None:
    register()
    second = register(n_customers=250)
    tracking.promote("1", "the first")
    watcher.ask()
    assert not watcher.is_wanted()

    _pin(store, "2")
    assert watcher.is_wanted()
    watcher.ask()

    assert has_bundle(tmp_path, second.digest)
    assert not watcher.is_wanted()


def test_a_registry_that_is_away_leaves_the_champion_and_says_so_in_a_sentence(
    watcher: Watcher, tracking: Tracking, register: Register, tmp_path: Path
) -> None:
    register()
    tracking.promote("1", "the first")
    watcher.ask()
    (tmp_path / "mlflow.db").rename(tmp_path / "gone.db")

    watcher.ask()
    away = noted_registry(tmp_path)
    assert away.state == "away"
    assert away.error is not None
    assert away.error.startswith("There is no model registry at")
    watcher.ask()
    assert noted_registry(tmp_path).since == away.since
    champion = noted_champion(tmp_path)
    assert champion is not None
    assert champion.version == "1"

    (tmp_path / "gone.db").rename(tmp_path / "mlflow.db")
    watcher.ask()
    assert (noted_registry(tmp_path).state, noted_registry(tmp_path).error) == ("reachable", None)


def test_a_broken_bundle_is_named_and_never_noted_as_champion(
    watcher: Watcher, tracking: Tracking, register: Register, tmp_path: Path
) -> None:
    register()
    second = register(n_customers=250)
    tracking.promote("1", "the first")
    watcher.ask()
    for file in (tmp_path / "mlflow-artifacts").rglob("forecaster.json"):
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    tracking.promote("2", "it is broken")

    watcher.ask()

    champion = noted_champion(tmp_path)
    assert champion is not None
    assert champion.version == "1"
    assert not has_bundle(tmp_path, second.digest)
    problem = noted_registry(tmp_path).problems["2"]
    assert problem.startswith("Version 2 cannot be fetched")
    assert "forecaster.json was changed after it was written" in problem


def test_a_bundle_that_was_broken_on_disk_is_fetched_anew(
    watcher: Watcher, tracking: Tracking, register: Register, tmp_path: Path
) -> None:
    bundle = register()
    tracking.promote("1", "the first")
    watcher.ask()
    folder = bundle_folder(tmp_path, bundle.digest)
    (folder / "forecaster.json").write_text("{}")

    Watcher(watcher._registry, watcher._store, tmp_path).ask()

    assert Bundle.load(folder).digest == bundle.digest


def test_versions_that_the_registry_has_no_more_are_forgotten_and_files_that_differ_refused(
    watcher: Watcher, tracking: Tracking, register: Register, store: SQLiteStore, tmp_path: Path
) -> None:
    register()
    register(n_customers=250)
    watcher.ask()
    client = mlflow.MlflowClient(tracking.uri, registry_uri=tracking.uri)
    client.delete_model_version("worth", "1")
    client.set_model_version_tag("worth", "2", "digest", "sha256:" + "0" * 64)
    tracking.promote("2", "it says what it is not")

    watcher.ask()

    assert [row["version"] for row in _rows(store)] == ["2"]
    assert "are not those that were registered" in noted_registry(tmp_path).problems["2"]
    assert noted_champion(tmp_path) is None


def test_bundles_that_nothing_refers_to_are_removed_but_for_the_newest(
    watcher: Watcher, tracking: Tracking, register: Register, tmp_path: Path
) -> None:
    bundle = register()
    tracking.promote("1", "the first")
    watcher.ask()
    folder = bundle_folder(tmp_path, bundle.digest)
    for number in range(25):
        shutil.copytree(folder, folder.with_name(f"{number:064x}"))

    Watcher(watcher._registry, watcher._store, tmp_path).ask()

    kept = kept_digests(tmp_path)
    assert bundle.digest in kept
    assert len(kept) in (20, 21)
