"""A bundle's files, whichever models stand in it: whole and unchanged, small, and nobody's data."""

import json
from pathlib import Path

import pandas as pd
import pytest

from models.bundle import FORMAT, Bundle, BundleError, _digest, _rendered
from models.value.boosted import BoostedValueModel
from models.value.forecaster import QUESTIONS, ValueForecaster
from models.value.latent import LatentValueModel


@pytest.fixture(scope="module")
def forecaster(signals: pd.DataFrame) -> ValueForecaster:
    latent = LatentValueModel().fit(signals)
    outcomes = pd.DataFrame({"purchases": signals["frequency"], "value": signals["revenue"]})
    boosted = BoostedValueModel(90).fit(signals, outcomes, base=latent.forecast(signals, 90))
    weights = {question: {"latent": 0.5, "boosted": 0.5} for question in QUESTIONS}
    return ValueForecaster(latent, {"boosted": boosted}, weights, horizon_days=90)


@pytest.fixture(scope="module")
def bundle(forecaster: ValueForecaster) -> Bundle:
    return Bundle("champion", forecaster, facts={"horizon_days": 90, "currency": "EUR"})


@pytest.fixture
def folder(bundle: Bundle, tmp_path: Path) -> Path:
    return bundle.save(tmp_path / "bundle")


def files_of(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file())


@pytest.mark.parametrize("where", [0, 0.3, 0.7, 1])
def test_one_changed_byte_in_any_file_is_refused_by_name(folder: Path, where: float) -> None:
    for file in files_of(folder):
        content = file.read_bytes()
        changed = bytearray(content)
        changed[int(where * (len(content) - 1))] ^= 1
        file.write_bytes(changed)
        with pytest.raises(BundleError, match=f"^{file} (was changed|is not a manifest)"):
            Bundle.load(folder)
        file.write_bytes(content)
    Bundle.load(folder)


@pytest.mark.parametrize("tail", [b"\n", b"\0"])
def test_bytes_added_to_any_file_are_refused_by_name(folder: Path, tail: bytes) -> None:
    for file in files_of(folder):
        content = file.read_bytes()
        file.write_bytes(content + tail)
        with pytest.raises(BundleError, match=f"^{file} (was changed|is not a manifest)"):
            Bundle.load(folder)
        file.write_bytes(content)


def test_any_missing_file_is_refused_by_name(folder: Path) -> None:
    for file in files_of(folder):
        content = file.read_bytes()
        file.unlink()
        with pytest.raises(BundleError, match=f"^{file} is missing"):
            Bundle.load(folder)
        file.write_bytes(content)


def test_files_that_changed_places_are_refused(folder: Path) -> None:
    first, second, *_ = (file for file in files_of(folder) if file.name != "bundle.json")
    contents = first.read_bytes(), second.read_bytes()
    first.write_bytes(contents[1])
    second.write_bytes(contents[0])
    with pytest.raises(BundleError, match="was changed after it was written"):
        Bundle.load(folder)


def test_a_file_that_the_manifest_does_not_name_is_never_read(
    bundle: Bundle, folder: Path, signals: pd.DataFrame
) -> None:
    for file in files_of(folder):
        (file.parent / "extra.txt").write_bytes(b"\xff")
    loaded = Bundle.load(folder)
    assert loaded.digest == bundle.digest
    assert loaded.forecast(signals).equals(bundle.forecast(signals))


def test_the_next_format_is_refused_by_its_number(folder: Path) -> None:
    manifest = json.loads((folder / "bundle.json").read_text())
    del manifest["digest"]
    manifest["format"] = FORMAT + 1
    sealed = manifest | {"digest": _digest(manifest)}
    (folder / "bundle.json").write_bytes(_rendered(sealed))
    sentence = rf"bundle\.json has format {FORMAT + 1}; this version reads up to {FORMAT}. Upgrade"
    with pytest.raises(BundleError, match=sentence):
        Bundle.load(folder)


def test_a_bundle_above_5_mb_is_not_saved(forecaster: ValueForecaster, tmp_path: Path) -> None:
    facts = {"horizon_days": 90, "remark": "x" * 5_000_000}
    with pytest.raises(
        BundleError, match=r"at most 5 MB. Got 5.* MB instead, most .* bundle\.json"
    ):
        Bundle("large", forecaster, facts=facts).save(tmp_path / "large")
    assert not [*tmp_path.iterdir()]


def test_a_bundle_below_5_mb_is_saved(forecaster: ValueForecaster, tmp_path: Path) -> None:
    facts = {"horizon_days": 90, "remark": "x" * 4_000_000}
    Bundle.load(Bundle("large", forecaster, facts=facts).save(tmp_path / "large"))


def test_no_file_holds_a_customer(folder: Path, signals: pd.DataFrame) -> None:
    text = "\n".join(file.read_text() for file in files_of(folder))
    assert signals.index[0] == "C-0000"
    assert not [customer for customer in signals.index if customer in text]
