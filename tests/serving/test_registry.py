from pathlib import Path
from urllib.parse import urlsplit

import mlflow
import pytest

from features.engines.duckdb import compute_signals
from features.ledger import Ledger
from models.bundle import BundleError
from serving.champion import Champion
from serving.registry import RegistryError, load_champion
from training.tracking import Tracking


@pytest.fixture
def registered(tracking: Tracking, champion: Champion, cdnow: Ledger) -> Tracking:
    """A registry with a version that is not champion yet."""
    with tracking.run("test", {}):
        tracking.register(champion.bundle, compute_signals(cdnow, cdnow.last_day))
    return tracking


def test_a_missing_registry_is_refused_and_not_made(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"

    with pytest.raises(
        RegistryError, match=r"no model registry at .*mlflow\.db yet. 'worth train'"
    ):
        load_champion(f"sqlite:///{path}")
    assert not path.exists()


def test_a_registry_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    path.write_text("orders of 2024\n" * 100)

    with pytest.raises(RegistryError, match="cannot be read: file is not a database"):
        load_champion(f"sqlite:///{path}")


def test_a_registry_without_a_model_is_refused(tracking: Tracking) -> None:
    with pytest.raises(RegistryError, match=r"names no champion .* 'worth train' makes one"):
        load_champion(tracking.uri)


def test_a_challenger_alone_does_not_score(registered: Tracking) -> None:
    with pytest.raises(RegistryError, match="names no champion"):
        load_champion(registered.uri)


def test_the_champion_is_loaded_and_a_changed_byte_is_refused_by_file_name(
    registered: Tracking, champion: Champion, tmp_path: Path
) -> None:
    with registered.run("promote", {}):
        registered.promote("1", "it is the only one")

    # Whatever registry the process spoke to before.
    mlflow.set_registry_uri(f"sqlite:///{tmp_path / 'other.db'}")
    loaded = load_champion(registered.uri)
    assert (loaded.name, loaded.version) == ("worth", "1")
    assert loaded.bundle.digest == champion.bundle.digest

    client = mlflow.MlflowClient(registered.uri, registry_uri=registered.uri)
    location = urlsplit(client.get_model_version_download_uri("worth", "1")).path
    (file,) = Path(location).rglob("forecaster.json")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(BundleError, match=r"forecaster\.json was changed after it was written"):
        load_champion(registered.uri)
