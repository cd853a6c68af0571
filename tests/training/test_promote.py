import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import mlflow
import pytest

from models.bundle import Bundle, _digest, _rendered
from serving.registry import load_champion
from training.promote import VersionError, find_version, promote, roll_back
from training.tracking import Tracking, TrackingError
from training.versions import Version, promotions_of

Register = Callable[..., Bundle]
BUNDLE = "artifacts/bundle"


def files_of(tracking: Tracking, version: str) -> Path:
    client = mlflow.MlflowClient(tracking.uri, registry_uri=tracking.uri)
    return Path(urlsplit(client.get_model_version_download_uri("worth", version)).path)


def bundle_files(tracking: Tracking, version: str) -> list[Path]:
    """The manifest, and then the files of the model, whichever they are."""
    files = [file for file in (files_of(tracking, version) / BUNDLE).rglob("*") if file.is_file()]
    return sorted(files, key=lambda file: (file.name != "bundle.json", file))


def champion_of(tracking: Tracking) -> str | None:
    return next((v.number for v in tracking.versions() if v.is_champion), None)


def change_a_byte(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def make_newer(file: Path) -> None:
    manifest = json.loads(file.read_text())
    del manifest["digest"]
    manifest["format"] = 99
    file.write_bytes(_rendered(manifest | {"digest": _digest(manifest)}))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("9", "Model 'worth' has no version 9. 'worth models list' shows them all."),
        ("0", "has no version 0."),
        ("99999999999999999999", "has no version 99999999999999999999."),
        ("first", "A version is a number, or champion, or challenger. Got 'first' instead."),
        ("1.0", "Got '1.0' instead"),
        ("-1", "Got '-1' instead"),
        ("²", "Got '²' instead"),
        ("", "Got '' instead"),
        ("champion", "Model 'worth' has no champion yet"),
    ],
)
def test_what_is_no_version_is_refused(name: str, sentence: str) -> None:
    only = Version("1", "", datetime(2026, 1, 1, tzinfo=UTC), ("challenger",))
    assert find_version([only], "01") is find_version([only], "challenger") is only
    with pytest.raises(VersionError) as refused:
        find_version([only], name)
    assert sentence in str(refused.value)


class TestPromote:
    @pytest.mark.parametrize("reason", ["", "  \n"])
    def test_a_promotion_without_a_reason_is_refused(
        self, tracking: Tracking, register: Register, reason: str
    ) -> None:
        register()
        with pytest.raises(VersionError, match="this one is empty"):
            promote(tracking, "1", reason)
        assert champion_of(tracking) is None

    @pytest.mark.parametrize(
        ("facts", "sentence"),
        [
            ({"grade": "C"}, "Version 1 has grade C, so it has not earned to be champion"),
            ({"grade": "insufficient"}, "Version 1 has grade insufficient"),
            ({"beats_baseline": False}, "Version 1 does not beat the baseline"),
            ({"grade": None}, "Version 1 does not beat the baseline"),
        ],
    )
    def test_what_was_not_earned_is_refused_but_for_anyway(
        self, tracking: Tracking, register: Register, facts: dict[str, object], sentence: str
    ) -> None:
        register(**facts)
        with pytest.raises(VersionError, match=f"{sentence}.*--anyway"):
            promote(tracking, "1", "to see")
        assert champion_of(tracking) is None

        promote(tracking, "1", "to see", anyway=True)
        assert champion_of(tracking) == "1"

    def test_an_older_version_without_grade_is_promoted_if_it_beats_the_baseline(
        self, tracking: Tracking, register: Register
    ) -> None:
        register(grade=None, beats_baseline=True)
        promote(tracking, "1", "to see")
        assert champion_of(tracking) == "1"

    @pytest.mark.parametrize("which", [0, 1])
    def test_a_changed_byte_is_refused_even_anyway(
        self, tracking: Tracking, register: Register, which: int
    ) -> None:
        register()
        file = bundle_files(tracking, "1")[which]
        change_a_byte(file)
        with pytest.raises(VersionError, match=f"^Version 1 cannot be used: {file.name} (was|is)"):
            promote(tracking, "1", "to see", anyway=True)
        assert champion_of(tracking) is None

    @pytest.mark.parametrize("which", [0, 1])
    def test_a_missing_file_is_refused_by_name(
        self, tracking: Tracking, register: Register, which: int
    ) -> None:
        register()
        file = bundle_files(tracking, "1")[which]
        file.unlink()
        with pytest.raises(
            VersionError, match=f"^Version 1 cannot be used: {file.name} is missing"
        ):
            promote(tracking, "1", "to see")

    def test_a_missing_example_is_refused(self, tracking: Tracking, register: Register) -> None:
        register()
        (files_of(tracking, "1") / "input_example.json").unlink()
        with pytest.raises(VersionError, match=r"cannot be used: input_example.json is missing"):
            promote(tracking, "1", "to see")

    def test_missing_files_altogether_are_refused(
        self, tracking: Tracking, register: Register
    ) -> None:
        register()
        folder = files_of(tracking, "1")
        folder.rename(folder.with_name("elsewhere"))
        with pytest.raises(TrackingError, match=r"The files of version 1 cannot be had: .* Put"):
            promote(tracking, "1", "to see")

    def test_a_newer_format_is_refused(self, tracking: Tracking, register: Register) -> None:
        register()
        make_newer(files_of(tracking, "1") / BUNDLE / "bundle.json")
        with pytest.raises(VersionError, match=r"bundle.json has format 99; this version reads up"):
            promote(tracking, "1", "to see")

    @pytest.mark.parametrize("content", ["", "[]", '{"columns": ["T"], "data": [[1, 2]]}'])
    def test_a_broken_example_is_refused(
        self, tracking: Tracking, register: Register, content: str
    ) -> None:
        register()
        (files_of(tracking, "1") / "input_example.json").write_text(content)
        with pytest.raises(VersionError, match=r"input_example.json was changed"):
            promote(tracking, "1", "to see")

    def test_a_model_that_cannot_forecast_is_refused(
        self, tracking: Tracking, register: Register
    ) -> None:
        register()
        example = '{"columns": ["T"], "data": [[1.0]]}'
        (files_of(tracking, "1") / "input_example.json").write_text(example)
        with pytest.raises(VersionError, match="Version 1 cannot forecast its own input example"):
            promote(tracking, "1", "to see")

    def test_other_definitions_of_the_signals_are_refused(
        self, tracking: Tracking, register: Register
    ) -> None:
        register(signals_digest="sha256:0")
        with pytest.raises(VersionError, match="'worth train' makes one that fits"):
            promote(tracking, "1", "to see", anyway=True)

    def test_the_champion_is_not_promoted_again(
        self, tracking: Tracking, register: Register
    ) -> None:
        register()
        promote(tracking, "1", "to see")
        with pytest.raises(VersionError, match="Version 1 is champion already"):
            promote(tracking, "1", "to see again")

    def test_it_serves_from_then_on(self, tracking: Tracking, register: Register) -> None:
        bundle = register()
        register(n_customers=100)
        promote(tracking, "1", "to see")
        assert load_champion(tracking.uri).bundle.digest == bundle.digest
        assert [v.aliases for v in tracking.versions()] == [("challenger",), ("champion",)]


class TestRollBack:
    def test_without_a_champion_it_is_refused(self, tracking: Tracking, register: Register) -> None:
        register()
        with pytest.raises(VersionError, match="Model 'worth' has no champion yet"):
            roll_back(tracking)

    def test_from_the_first_champion_it_is_refused(
        self, tracking: Tracking, register: Register
    ) -> None:
        register()
        promote(tracking, "1", "to see")
        with pytest.raises(VersionError, match="Version 1 is the first champion, so there is none"):
            roll_back(tracking)

    def test_an_empty_reason_is_refused(self, tracking: Tracking) -> None:
        with pytest.raises(VersionError, match="Leave --reason out"):
            roll_back(tracking, " ")

    def test_a_broken_version_is_not_gone_back_to(
        self, tracking: Tracking, register: Register
    ) -> None:
        for version in ("1", "2"):
            register()
            promote(tracking, version, "to see")
        change_a_byte(bundle_files(tracking, "1")[1])
        with pytest.raises(VersionError, match="Version 1 cannot be used"):
            roll_back(tracking)
        assert champion_of(tracking) == "2"

    def test_it_goes_back_one_promotion_at_a_time(
        self, tracking: Tracking, register: Register
    ) -> None:
        for _ in range(3):
            register()
        for version in ("1", "2", "1", "3"):
            promote(tracking, version, "to see")
        champions: list[str | None] = []
        while champion_of(tracking) != "1" or len(champions) < 3:
            roll_back(tracking)
            champions.append(champion_of(tracking))
        assert champions == ["1", "2", "1"]
        with pytest.raises(VersionError, match="Version 1 is the first champion"):
            roll_back(tracking)

    def test_what_is_promoted_after_a_rollback_goes_back_to_where_that_led(
        self, tracking: Tracking, register: Register
    ) -> None:
        for _ in range(3):
            register()
        promote(tracking, "1", "to see")
        promote(tracking, "2", "to see")
        roll_back(tracking)
        promote(tracking, "3", "to see")
        until_now, from_now = roll_back(tracking)
        assert (until_now.number, from_now.number) == ("3", "1")

    def test_a_champion_made_by_hand_in_mlflow_is_gone_back_to(
        self, tracking: Tracking, register: Register
    ) -> None:
        register()
        register()
        client = mlflow.MlflowClient(tracking.uri, registry_uri=tracking.uri)
        client.set_registered_model_alias("worth", "champion", "1")
        promote(tracking, "2", "to see")
        roll_back(tracking)
        assert champion_of(tracking) == "1"

    def test_a_version_that_was_deleted_is_passed_over(
        self, tracking: Tracking, register: Register
    ) -> None:
        for version in ("1", "2", "3"):
            register()
            promote(tracking, version, "to see")
        client = mlflow.MlflowClient(tracking.uri, registry_uri=tracking.uri)
        client.delete_model_version("worth", "2")
        roll_back(tracking)
        assert champion_of(tracking) == "1"


class TestHistory:
    def test_every_promotion_is_kept_with_reason_time_and_who_was_champion(
        self, tracking: Tracking, register: Register
    ) -> None:
        register()
        register()
        promote(tracking, "1", " the first ")
        promote(tracking, "2", "better [for B2B] 顾客")
        roll_back(tracking)
        promote(tracking, "2", "it was not its fault")
        roll_back(tracking, "it was")

        kept = promotions_of(tracking.versions())
        assert [(p.version, p.before, p.is_rollback, p.reason) for p in kept] == [
            ("1", None, False, "the first"),
            ("2", "1", False, "better [for B2B] 顾客"),
            ("1", "2", True, "Rolled back from version 2."),
            ("2", "1", False, "it was not its fault"),
            ("1", "2", True, "it was"),
        ]
        assert all(p.at.endswith("+00:00") for p in kept)

    def test_what_train_promotes_is_kept_too(self, tracking: Tracking, register: Register) -> None:
        register()
        with tracking.run("train", {}):
            tracking.promote("1", "it beats naive")
        ((promotion,),) = [version.promotions for version in tracking.versions()]
        assert (promotion.reason, promotion.is_rollback) == ("it beats naive", False)


def test_a_registry_that_is_not_there_is_told_of_and_not_made(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    with pytest.raises(
        TrackingError, match=r"no model registry at .*mlflow\.db yet. 'worth train'"
    ):
        Tracking(f"sqlite:///{path}", tmp_path).versions()
    assert not path.exists()


def test_a_registry_that_is_no_database_is_told_of(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    path.write_text("orders of 2024\n" * 100)
    with pytest.raises(TrackingError, match="file is not a database"):
        Tracking(f"sqlite:///{path}", tmp_path).versions()


def test_a_server_that_is_away_is_told_of() -> None:
    with pytest.raises(TrackingError, match=r"MLflow at http://127.0.0.1:9 did not do its part"):
        promote(Tracking("http://127.0.0.1:9", Path()), "1", "to see")


def test_a_registry_without_a_model_has_no_versions(tracking: Tracking) -> None:
    assert tracking.versions() == []
    with pytest.raises(VersionError, match="has no version 1"):
        promote(tracking, "1", "to see")
