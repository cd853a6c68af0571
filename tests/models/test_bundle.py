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
from models.value.forecaster import QUESTIONS, ValueForecaster

FACTS = {"horizon_days": 90, "currency": "EUR", "grade": "A", "customers": "顾客"}


@pytest.fixture(scope="module")
def X(signals: pd.DataFrame) -> pd.DataFrame:
    return signals.assign(days_since_last_purchase=signals["T"] - signals["recency"])


@pytest.fixture(scope="module")
def latent(signals: pd.DataFrame) -> ValueForecaster:
    """The latent model alone."""
    return ValueForecaster(LatentValueModel().fit(signals), horizon_days=90)


@pytest.fixture(scope="module")
def forecaster(latent: ValueForecaster, X: pd.DataFrame) -> ValueForecaster:
    """A blend, calibrated and with bounds."""
    outcomes = pd.DataFrame({"purchases": X["frequency"] % 2, "value": X["revenue"] / 3})
    seen = X[["T", "days_since_last_purchase"]]
    base = latent.latent.forecast(X, 90)
    boosted = {"boosted": BoostedValueModel(90).fit(seen, outcomes, base=base)}
    weights = {question: {"latent": 0.5, "boosted": 0.5} for question in QUESTIONS}
    model = ValueForecaster(latent.latent, boosted, weights, horizon_days=90)
    return model.calibrate(model.forecast(X), outcomes)


@pytest.fixture(scope="module")
def bundle(forecaster: ValueForecaster) -> Bundle:
    return Bundle("champion", forecaster, facts=FACTS)


@pytest.fixture
def folder(bundle: Bundle, tmp_path: Path) -> Path:
    return bundle.save(tmp_path / "bundle")


def test_a_loaded_bundle_forecasts_the_same(bundle: Bundle, folder: Path, X: pd.DataFrame) -> None:
    loaded = Bundle.load(folder)
    pd.testing.assert_frame_equal(loaded.forecast(X), bundle.forecast(X), check_exact=True)
    assert (loaded.name, loaded.facts, loaded.digest) == ("champion", FACTS, bundle.digest)


def test_a_bundle_forecasts_what_its_forecaster_does(
    latent: ValueForecaster, forecaster: ValueForecaster, X: pd.DataFrame, tmp_path: Path
) -> None:
    for name, model in (("latent", latent), ("blend", forecaster)):
        loaded = Bundle.load(Bundle(name, model, facts=FACTS).save(tmp_path / name))
        pd.testing.assert_frame_equal(loaded.forecast(X), model.forecast(X), check_exact=True)
        assert loaded.required_columns == model.required_columns


def test_the_required_columns_are_enough(bundle: Bundle, X: pd.DataFrame) -> None:
    columns = [*bundle.required_columns]
    needed = bundle.forecaster.latent.required_columns
    assert columns == sorted({*needed, "T", "days_since_last_purchase"})
    assert bundle.forecast(X[columns]).equals(bundle.forecast(X))


def test_the_digest_tells_bundles_apart(bundle: Bundle, latent: ValueForecaster) -> None:
    other = Bundle("champion", bundle.forecaster, facts=FACTS | {"grade": "B"})
    assert bundle.digest.startswith("sha256:")
    assert len(bundle.digest) == 71
    assert other.digest != bundle.digest
    assert Bundle("champion", latent, facts=FACTS).digest != bundle.digest


def test_only_json_and_text_is_written(folder: Path) -> None:
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    boosters = [f"boosters/boosted/{head}.txt" for head in ("active", "purchases", "spend")]
    assert files == [*boosters, "bundle.json", "forecaster.json"]
    assert [*folder.parent.iterdir()] == [folder]


FILES = ["bundle.json", "forecaster.json", "boosters/boosted/spend.txt"]


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
    (folder / "forecaster.json").rename(folder.parent / "forecaster.json")
    (folder / "forecaster.json").symlink_to(folder.parent / "forecaster.json")
    with pytest.raises(BundleError, match=r"'forecaster\.json', which is not in the folder"):
        Bundle.load(folder)


@pytest.mark.parametrize(
    ("number", "sentence"),
    [(2, "has format 2, which this version no longer reads. 'worth train' makes"),
     (4, "has format 4; this version reads up to 3")],
)  # fmt: skip
def test_another_format_is_refused_by_its_number(folder: Path, number: int, sentence: str) -> None:
    with pytest.raises(BundleError, match=sentence):
        Bundle.load(forged(folder, lambda manifest: manifest.update(format=number)))


def test_a_bundle_without_forecaster_is_refused(folder: Path) -> None:
    with pytest.raises(BundleError, match=r"names no forecaster\.json"):
        Bundle.load(forged(folder, lambda manifest: manifest["files"].pop("forecaster.json")))


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": NaN}', '{"format": 1}'])
def test_something_else_is_refused(folder: Path, content: str) -> None:
    (folder / "bundle.json").write_text(content)
    with pytest.raises(BundleError, match=r"bundle\.json"):
        Bundle.load(folder)


def test_a_bundle_is_never_overwritten(bundle: Bundle, folder: Path) -> None:
    with pytest.raises(FileExistsError, match="a bundle is never changed"):
        bundle.save(folder)
    assert Bundle.load(folder).digest == bundle.digest


def test_nothing_is_left_behind_when_writing_fails(latent: ValueForecaster, tmp_path: Path) -> None:
    broken = Bundle("broken", latent, facts={"horizon_days": 90, "gini": math.nan})
    with pytest.raises(ValueError, match="not JSON compliant"):
        broken.save(tmp_path / "bundle")
    assert not [*tmp_path.iterdir()]


def test_the_horizons_must_agree(latent: ValueForecaster) -> None:
    with pytest.raises(ValueError, match="looks 90 days ahead, the bundle 30"):
        Bundle("x", latent, facts={"horizon_days": 30})
    with pytest.raises(ValueError, match="'horizon_days' parameter of Bundle"):
        Bundle("x", latent, facts={})


_FORECAST = """
import sys
from pathlib import Path
import pandas as pd
from models.bundle import Bundle
Bundle.load(Path(sys.argv[1])).forecast(pd.read_json(sys.argv[2], orient="table"))
slow = {"lifetimes", "lightgbm", "mlflow", "autograd", "sklearn", "scipy.stats", "scipy.optimize"}
sys.exit(" ".join(slow & set(sys.modules)))
"""


def test_loading_a_bundle_and_forecasting_need_no_training_library(
    folder: Path, X: pd.DataFrame, tmp_path: Path
) -> None:
    X.head(20).to_json(rows := tmp_path / "signals.json", orient="table")
    command = [sys.executable, "-c", _FORECAST, str(folder), str(rows)]
    root = Path(__file__).parents[2]
    ran = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert ran.stderr.strip() == ""
