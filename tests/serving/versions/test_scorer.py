from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from models.bundle import Bundle
from serving.registry import Registry, RegistryError
from serving.store import SQLiteStore
from serving.store.tables import MODEL_CHOICES, SCORE_SETS
from serving.versions.bundles import has_bundle
from serving.versions.notes import noted_champion
from serving.versions.scorer import scorer
from serving.versions.watching import Watcher
from training.tracking import Tracking
from worth.cli import app

Register = Callable[..., Bundle]


@pytest.fixture
def two(tracking: Tracking, register: Register) -> tuple[Bundle, Bundle]:
    """Version 1, the champion, and version 2."""
    bundles = register(), register(n_customers=250)
    tracking.promote("1", "the first")
    return bundles


def _pin(store: SQLiteStore, version: str) -> None:
    row = {"what": "pinned", "version": version, "reason": "it is better", "actor": "x", "at": ""}
    with store.writing() as connection:
        connection.execute(sa.insert(MODEL_CHOICES).values(**row))


def test_the_champion_scores_and_is_kept_on_disk(
    two: tuple[Bundle, Bundle], tracking: Tracking, store: SQLiteStore, tmp_path: Path
) -> None:
    found = scorer(store, tmp_path, tracking.uri)

    assert (found.champion.version, found.is_pinned) == ("1", False)
    assert has_bundle(tmp_path, two[0].digest)
    noted = noted_champion(tmp_path)
    assert noted is not None
    assert (noted.version, noted.digest) == ("1", two[0].digest)


def test_the_pinned_version_scores_from_disk_where_it_is_there(
    two: tuple[Bundle, Bundle], tracking: Tracking, store: SQLiteStore, tmp_path: Path
) -> None:
    _pin(store, "2")
    found = scorer(store, tmp_path, tracking.uri)
    assert (found.champion.version, found.is_pinned, found.why) == ("2", True, "it is better")
    assert found.champion.bundle.digest == two[1].digest

    Watcher(Registry(tracking.uri), store, tmp_path).ask()
    again = scorer(store, tmp_path, f"sqlite:///{tmp_path / 'nowhere.db'}")
    assert again.champion.bundle.digest == two[1].digest


def test_a_pinned_version_that_cannot_be_had_is_refused_with_the_way_out(
    two: tuple[Bundle, Bundle], tracking: Tracking, store: SQLiteStore, tmp_path: Path
) -> None:
    _pin(store, "7")

    with pytest.raises(RegistryError, match=r"Version 7 is pinned, .* POST /v1/models:unpin"):
        scorer(store, tmp_path, tracking.uri)


def test_worth_score_says_that_the_pinned_version_scores(
    two: tuple[Bundle, Bundle],
    tracking: Tracking,
    scored_home: Path,
    scored_store: SQLiteStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _pin(scored_store, "2")
    monkeypatch.setenv("WORTH_HOME", str(scored_home))
    monkeypatch.setenv("WORTH_TRACKING_URI", tracking.uri)

    done = CliRunner().invoke(app, ["score"], catch_exceptions=False)

    assert "Version 2 scores, because it is pinned: it is better" in done.output
    with scored_store.reading() as connection:
        newest = sa.select(SCORE_SETS).order_by(SCORE_SETS.c.id.desc()).limit(1)
        row = connection.execute(newest).one()
    assert (row.model_version, row.model_digest) == ("2", two[1].digest)
