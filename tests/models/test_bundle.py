import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from models.bundle import Bundle, BundleError, _digest, _rendered
from models.value import BoostedValueModel, LatentValueModel

FACTS = {"horizon_days": 90, "currency": "EUR", "grade": "A", "customers": "顾客"}


@pytest.fixture(scope="module")
def latent(signals: pd.DataFrame) -> LatentValueModel:
    return LatentValueModel().fit(signals)


@pytest.fixture(scope="module")
def bundle(signals: pd.DataFrame, latent: LatentValueModel) -> Bundle:
    outcomes = pd.DataFrame({"purchases": signals["frequency"], "value": signals["revenue"]})
    features = ["T", "days_since_last_purchase"]
    X = signals.assign(days_since_last_purchase=signals["T"] - signals["recency"])
    boosted = BoostedValueModel(90, features=features).fit(X, outcomes)
    return Bundle("champion", latent, boosted, facts=FACTS)


@pytest.fixture
def folder(bundle: Bundle, tmp_path: Path) -> Path:
    return bundle.save(tmp_path / "bundle")


@pytest.fixture(scope="module")
def X(signals: pd.DataFrame) -> pd.DataFrame:
    return signals.assign(days_since_last_purchase=signals["T"] - signals["recency"])


def test_a_loaded_bundle_forecasts_the_same(bundle: Bundle, folder: Path, X: pd.DataFrame) -> None:
    loaded = Bundle.load(folder)
    pd.testing.assert_frame_equal(loaded.forecast(X), bundle.forecast(X), check_exact=True)
    assert (loaded.name, loaded.facts, loaded.digest) == ("champion", FACTS, bundle.digest)


def test_a_bundle_without_booster_forecasts_as_its_latent_model(
    latent: LatentValueModel, X: pd.DataFrame, tmp_path: Path
) -> None:
    alone = Bundle("latent", latent, facts=FACTS)
    loaded = Bundle.load(alone.save(tmp_path / "new" / "bundle"))
    pd.testing.assert_frame_equal(loaded.forecast(X), latent.forecast(X, 90), check_exact=True)
    assert loaded.required_columns == tuple(sorted(latent.required_columns))


def test_the_boosted_forecast_takes_the_place_of_all_but_p_alive(
    bundle: Bundle, X: pd.DataFrame
) -> None:
    assert bundle.boosted is not None
    forecast, boosted = bundle.forecast(X), bundle.boosted.forecast(X)
    assert [*forecast] == ["expected_purchases", "p_alive", "churn_probability", "expected_value"]
    pd.testing.assert_frame_equal(forecast[boosted.columns], boosted)
    assert (forecast["p_alive"] == bundle.latent.forecast(X, 90)["p_alive"]).all()


def test_the_required_columns_are_enough(bundle: Bundle, X: pd.DataFrame) -> None:
    columns = [*bundle.required_columns]
    assert columns == sorted({*bundle.latent.required_columns, "T", "days_since_last_purchase"})
    assert bundle.forecast(X[columns]).equals(bundle.forecast(X))


def test_the_digest_tells_bundles_apart(bundle: Bundle) -> None:
    other = Bundle("champion", bundle.latent, bundle.boosted, facts=FACTS | {"grade": "B"})
    assert bundle.digest.startswith("sha256:")
    assert len(bundle.digest) == 71
    assert other.digest != bundle.digest
    assert Bundle("champion", bundle.latent, facts=FACTS).digest != bundle.digest


def test_only_json_and_text_is_written(folder: Path) -> None:
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    boosters = [f"boosters/{head}.txt" for head in ("active", "purchases", "value")]
    assert files == ["boosted.json", *boosters, "bundle.json", "latent.json"]
    assert [*folder.parent.iterdir()] == [folder]


FILES = ["bundle.json", "latent.json", "boosted.json", "boosters/value.txt"]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("where", [0, 0.3, 0.7, 1])
def test_one_changed_byte_is_refused_by_name(folder: Path, name: str, where: float) -> None:
    content = bytearray((folder / name).read_bytes())
    content[math.floor(where * (len(content) - 1))] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(BundleError, match=name):
        Bundle.load(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused_by_name(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(BundleError, match=rf"{name} is missing"):
        Bundle.load(folder)


def forged(folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """A manifest changed by someone who knows how digests are made."""
    manifest = json.loads((folder / "bundle.json").read_text())
    del manifest["digest"]
    change(manifest)
    (folder / "bundle.json").write_bytes(_rendered(manifest | {"digest": _digest(manifest)}))
    return folder


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "boosters/../../secret", "a\\b"])
def test_paths_out_of_the_folder_are_refused(folder: Path, name: str) -> None:
    (folder.parent / "secret").write_text("secret")
    entry = {name: {"sha256": "0", "size": 6}}
    with pytest.raises(BundleError, match="which is not in the folder"):
        Bundle.load(forged(folder, lambda manifest: manifest["files"].update(entry)))


def test_links_out_of_the_folder_are_refused(folder: Path) -> None:
    (folder / "latent.json").rename(folder.parent / "latent.json")
    (folder / "latent.json").symlink_to(folder.parent / "latent.json")
    with pytest.raises(BundleError, match=r"'latent\.json', which is not in the folder"):
        Bundle.load(folder)


def test_a_newer_format_is_refused_by_its_number(folder: Path) -> None:
    with pytest.raises(BundleError, match="has format 2; this version reads up to 1"):
        Bundle.load(forged(folder, lambda manifest: manifest.update(format=2)))


def test_a_bundle_without_latent_model_is_refused(folder: Path) -> None:
    with pytest.raises(BundleError, match=r"names no latent\.json"):
        Bundle.load(forged(folder, lambda manifest: manifest["files"].pop("latent.json")))


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": NaN}', '{"format": 1}'])
def test_something_else_is_refused(folder: Path, content: str) -> None:
    (folder / "bundle.json").write_text(content)
    with pytest.raises(BundleError, match=r"bundle\.json"):
        Bundle.load(folder)


def test_a_bundle_is_never_overwritten(bundle: Bundle, folder: Path) -> None:
    with pytest.raises(FileExistsError, match="a bundle is never changed"):
        bundle.save(folder)
    assert Bundle.load(folder).digest == bundle.digest


def test_nothing_is_left_behind_when_writing_fails(
    latent: LatentValueModel, tmp_path: Path
) -> None:
    broken = Bundle("broken", latent, facts={"horizon_days": 90, "gini": math.nan})
    with pytest.raises(ValueError, match="not JSON compliant"):
        broken.save(tmp_path / "bundle")
    assert not [*tmp_path.iterdir()]


def test_the_horizons_must_agree(bundle: Bundle) -> None:
    with pytest.raises(ValueError, match="looks 90 days ahead, the bundle 30"):
        Bundle("x", bundle.latent, bundle.boosted, facts={"horizon_days": 30})
    with pytest.raises(ValueError, match="'horizon_days' parameter of Bundle"):
        Bundle("x", bundle.latent, facts={})


def test_importing_and_loading_a_latent_bundle_needs_no_training_library(
    latent: LatentValueModel, tmp_path: Path
) -> None:
    folder = Bundle("latent", latent, facts=FACTS).save(tmp_path / "bundle")
    program = (
        "import sys; from pathlib import Path; from models.bundle import Bundle; "
        f"Bundle.load(Path({str(folder)!r})); "
        "sys.exit(' '.join({'lifetimes', 'lightgbm', 'mlflow', 'autograd'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]
    ran = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True)
    assert ran.stderr.strip() == ""
