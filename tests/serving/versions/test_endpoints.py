from typing import Any

import pytest
import sqlalchemy as sa

from serving.store.tables import AUDIT_LOG, SHADOW_SCORES
from serving.versions import bundles
from serving.versions.notes import RegistryNote, note

_WHY = "it forecasts too little"


def _log(stage: Any) -> list[tuple[str, str, str]]:
    with stage.store.reading() as connection:
        rows = connection.execute(sa.select(AUDIT_LOG).where(AUDIT_LOG.c.action.like("model.%")))
        # What serves on account of a call is noted by itself.
        return [(r.action, r.object, r.reason) for r in rows if r.action != "model.served"]


@pytest.fixture
def with_two(stage: Any) -> Any:
    """A service in which version 2 serves, and version 1 served before."""
    for version in ("1", "2"):
        stage.promote(version, stage.register(version))
        stage.keeper.look()
    return stage


class TestList:
    def test_a_service_without_a_model_says_so(self, stage: Any) -> None:
        answer = stage.ask("/v1/models").json()

        assert (answer["serving"], answer["versions"]) == (None, [])
        assert answer["registry"] == {"state": "not asked yet", "since": None, "error": None}

    def test_it_tells_what_is_known_of_each_version(self, with_two: Any) -> None:
        with_two.register("10", is_on_disk=False)

        answer = with_two.ask("/v1/models").json()

        assert [one["version"] for one in answer["versions"]] == ["10", "2", "1"]
        assert [one["is_on_disk"] for one in answer["versions"]] == [False, True, True]
        assert answer["serving"]["version"] == answer["champion"] == "2"
        assert answer["rollback_to"] == "1"
        assert answer["versions"][1] == {
            "version": "2",
            "digest": answer["serving"]["digest"],
            "grade": "B",
            "as_of": "1998-06-30",
            "is_champion": True,
            "is_serving": True,
            "is_pinned": False,
            "is_shadow": False,
            "is_on_disk": True,
            "problem": None,
        }


class TestPin:
    def test_a_pinned_version_goes_before_the_champion_until_it_is_unpinned(
        self, with_two: Any
    ) -> None:
        answer = with_two.post("pin", version="1", reason=_WHY)
        assert (answer.status_code, answer.json()["serving"]) == (200, "1")
        assert answer.json()["detail"] == "Version 1 serves."
        with_two.keeper.look()
        told = with_two.ask("/v1/models").json()
        assert told["serving"]["version"] == "1"
        assert (told["pinned"]["version"], told["pinned"]["reason"]) == ("1", _WHY)

        answer = with_two.post("unpin", reason="all is well")
        assert (answer.status_code, answer.json()["serving"]) == (200, "2")
        assert _log(with_two) == [
            ("model.pinned", "model version 1", _WHY),
            ("model.unpinned", "model version 1", "all is well"),
        ]

    def test_a_version_that_is_not_on_disk_is_served_once_it_is(self, with_two: Any) -> None:
        with_two.register("3", is_on_disk=False)

        answer = with_two.post("pin", version="3", reason=_WHY)

        assert answer.status_code == 202
        assert answer.json() == {
            "is_done": False,
            "serving": "2",
            "detail": "Version 3 serves once its files are fetched. Version 2 serves until then.",
        }
        with_two.fetch("3")
        with_two.keeper.look()
        assert with_two.ask("/v1/models").json()["serving"]["version"] == "3"

    def test_while_the_registry_is_away_the_answer_says_so(self, with_two: Any) -> None:
        with_two.register("3", is_on_disk=False)
        note(with_two.home, RegistryNote(state="away", error="Nobody answers."))

        answer = with_two.post("pin", version="3", reason=_WHY)

        assert answer.json()["detail"].endswith("The model registry is away: Nobody answers.")

    def test_an_unknown_version_is_404_and_the_known_ones_are_named(self, with_two: Any) -> None:
        answer = with_two.post("pin", version="9", reason=_WHY)

        assert answer.status_code == 404
        assert "There is no version 9 among those known here: 2, 1." in answer.json()["detail"]

    def test_where_no_version_is_known_the_state_of_the_registry_is_told(self, stage: Any) -> None:
        answer = stage.post("pin", version="9", reason=_WHY)

        assert answer.status_code == 404
        assert answer.json()["detail"].endswith("The model registry is not asked yet.")

    def test_a_version_that_is_not_fit_is_409_and_not_chosen(self, with_two: Any) -> None:
        with_two.register("3", signals_digest="sha256:other")

        answer = with_two.post("pin", version="3", reason=_WHY)

        assert answer.status_code == 409
        assert "other definitions of the signals" in answer.json()["detail"]
        assert with_two.ask("/v1/models").json()["pinned"] is None
        assert _log(with_two) == []

    @pytest.mark.parametrize(
        "body",
        [
            {"version": "1"},
            {"version": "1", "reason": " "},
            {"version": "1", "reason": "a\0b"},
            {"version": "../1", "reason": _WHY},
            {"version": "1", "reason": "x" * 501},
            {"version": "1", "reason": _WHY, "anyway": "yes"},
        ],
    )
    def test_a_choice_without_version_and_reason_is_422(
        self, with_two: Any, body: dict[str, str]
    ) -> None:
        assert with_two.post("pin", **body).status_code == 422

    def test_what_was_not_pinned_cannot_be_unpinned(self, with_two: Any) -> None:
        answer = with_two.post("unpin", reason=_WHY)

        assert (answer.status_code, answer.json()["title"]) == (409, "Nothing to undo")


class TestRollback:
    def test_it_serves_what_served_before_and_two_lead_back_by_two(self, with_two: Any) -> None:
        with_two.promote("3", with_two.register("3"))
        with_two.keeper.look()

        answers = [with_two.post("rollback", reason=_WHY) for _ in range(3)]

        assert [answer.status_code for answer in answers] == [200, 200, 409]
        assert [answer.json()["serving"] for answer in answers[:2]] == ["2", "1"]
        assert answers[2].json()["detail"].startswith("No other model served here before")
        assert with_two.ask("/v1/models").json()["pinned"]["version"] == "1"
        assert [action for action, *_ in _log(with_two)] == ["model.rolled_back"] * 2

    def test_the_first_model_has_none_before_it(self, stage: Any) -> None:
        stage.promote("1", stage.register("1"))
        stage.keeper.look()

        assert stage.post("rollback", reason=_WHY).status_code == 409

    def test_a_broken_one_before_is_409_and_what_serves_goes_on(
        self, with_two: Any, stage_of: Any
    ) -> None:
        restarted = stage_of(with_two.store)
        restarted.keeper.look()
        bundles._load.cache_clear()
        (first,) = [
            one["digest"]
            for one in restarted.ask("/v1/models").json()["versions"]
            if one["version"] == "1"
        ]
        restarted.spoil(first)

        answer = restarted.post("rollback", reason=_WHY)

        assert answer.status_code == 409
        assert answer.json()["detail"].endswith("What serves goes on.")
        assert restarted.ask("/v1/models").json()["serving"]["version"] == "2"


class TestShadow:
    def test_a_challenger_is_loaded_beside_the_champion_until_it_is_taken_back(
        self, with_two: Any
    ) -> None:
        assert with_two.post("shadow", version="1", reason=_WHY).json()["is_done"] is True
        assert with_two.service.models.shadow.version == "1"
        assert with_two.service.models.champion.version == "2"

        assert with_two.post("unshadow", reason=_WHY).status_code == 200
        assert with_two.service.models.shadow is None
        assert with_two.post("unshadow", reason=_WHY).status_code == 409

    def test_what_serves_is_not_compared_with_itself(self, with_two: Any) -> None:
        answer = with_two.post("shadow", version="2", reason=_WHY)

        assert answer.status_code == 409
        assert answer.json()["detail"].startswith("Version 2 serves")

    def test_the_differences_are_summarised_by_pair_of_versions(self, with_two: Any) -> None:
        assert with_two.ask("/v1/models/shadow").json() == {"shadow": None, "comparisons": []}
        rows = [
            {
                "customer_id": f"C-{number}",
                "scored_at": f"2026-01-01T00:00:0{number}.000+00:00",
                "champion_version": "2",
                "challenger_version": "1",
                "champion_clv": 10.0 * number,
                "challenger_clv": 10.0 * number + 2.0,
                "champion_churn": 0.5,
                "challenger_churn": 0.25,
            }
            for number in range(5)
        ]
        with with_two.store.writing() as connection:
            connection.execute(sa.insert(SHADOW_SCORES), rows)

        (compared,) = with_two.ask("/v1/models/shadow").json()["comparisons"]

        assert (compared["champion_version"], compared["challenger_version"]) == ("2", "1")
        assert (compared["n"], compared["n_compared"]) == (5, 5)
        assert compared["mean_clv_difference"] == pytest.approx(2.0)
        assert compared["mean_churn_difference"] == pytest.approx(-0.25)
        assert compared["clv_rank_correlation"] == pytest.approx(1.0)
        assert compared["clv_differences"]["p95"] == pytest.approx(2.0)
        assert compared["tier_changed_share"] is None
