from pathlib import Path

import pytest

from models.bundle import Bundle
from serving.champion import Champion
from serving.versions.bundles import bundle_folder, keep_folder


@pytest.fixture
def fetched(champion: Champion, tmp_path: Path) -> Path:
    return champion.bundle.save(tmp_path / "fetched")


def test_a_bundle_that_is_whole_is_never_taken_away(fetched: Path, tmp_path: Path) -> None:
    kept = bundle_folder(tmp_path, keep_folder(tmp_path, fetched))
    before = kept.stat().st_ino

    keep_folder(tmp_path, fetched)

    assert kept.stat().st_ino == before


def test_a_bundle_that_is_broken_is_replaced(fetched: Path, tmp_path: Path) -> None:
    digest = keep_folder(tmp_path, fetched)
    kept = bundle_folder(tmp_path, digest)
    (kept / "forecaster.json").write_text("{}")

    keep_folder(tmp_path, fetched)

    assert Bundle.load(kept).digest == digest
