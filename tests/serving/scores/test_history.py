from collections.abc import Callable
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from features.engines.duckdb import compute_signals
from features.ledger import Ledger, day_of
from features.pipeline import signals_digest
from models.bundle import Bundle
from models.value.forecaster import ValueForecaster
from models.value.latent import LatentValueModel
from serving.champion import Champion
from serving.publish import publish
from serving.scores.history_schemas import History
from serving.store import SQLiteStore
from serving.store.tables import LEDGER, SCORE_CHANGES
from serving.versions.bundles import keep_bundle, remove_bundle

Send = Callable[..., httpx.Response]

_PATH = "/v1/customers/0001/history"
_PARTS = ("passing_time", "new_model", "new_data")


@pytest.fixture(scope="module")
def other(cdnow: Ledger) -> Champion:
    """Another model of the same company."""
    known = compute_signals(cdnow, cdnow.last_day - 90)
    forecaster = ValueForecaster(LatentValueModel().fit(known), horizon_days=90)
    facts = {"horizon_days": 90, "value_basis": "revenue", "signals_digest": signals_digest()}
    return Champion("worth", "2", Bundle("other", forecaster, facts=facts))


def _publish(store: SQLiteStore, champion: Champion, *, as_of: int) -> None:
    publish(store, champion, currency="USD", discount_rate=0.1, policy="predicted", as_of=as_of)


def _check_sums(scores: list[dict[str, Any]]) -> None:
    for before, after in pairwise(scores):
        change, split = after["change"], after["change"]["split"]
        for name, unit in (("clv", 100), ("churn_probability", 1_000_000)):
            assert sum(round(split[part][name] * unit) for part in _PARTS) == round(
                change[name] * unit
            )
        moved = round(after["clv"]["expected"], 2) - round(before["clv"]["expected"], 2)
        assert change["clv"] == pytest.approx(moved, abs=1e-9)
        assert change["tier_before"] == before["tier"]["code"]


class TestHistory:
    def test_an_unknown_customer_is_404(self, send: Send) -> None:
        assert send("/v1/customers/nobody/history").status_code == 404

    def test_who_opted_out_has_none(self, send: Send, opt_out: Callable[[str], None]) -> None:
        opt_out("0001")

        assert send(_PATH).json()["title"] == "No score"

    def test_the_first_score_has_no_change(self, send: Send) -> None:
        (score,) = send(_PATH).json()["scores"]

        assert (score["cause"], score["change"]) == ("batch", None)

    def test_passing_time_alone_is_told_as_such(
        self, send: Send, scored_store: SQLiteStore, registered: Champion, cdnow: Ledger
    ) -> None:
        _publish(scored_store, registered, as_of=cdnow.last_day + 30)

        _, after = send(_PATH).json()["scores"]
        split = after["change"]["split"]
        assert split["passing_time"]["clv"] == after["change"]["clv"] < 0
        assert split["passing_time"]["churn_probability"] > 0
        for part in ("new_model", "new_data"):
            assert split[part] == {"clv": 0.0, "churn_probability": 0.0}

    def test_a_new_model_and_new_data_add_up_exactly(
        self,
        send: Send,
        scored_store: SQLiteStore,
        scored_home: Path,
        registered: Champion,
        other: Champion,
        cdnow: Ledger,
    ) -> None:
        keep_bundle(scored_home, other)
        lines = LEDGER["order_lines"]
        with scored_store.writing() as connection:
            row = connection.execute(sa.select(lines).where(lines.c.customer_id == "0001")).first()
            assert row is not None
            bought = {"row_key": b"new", "order_id": "new", "day": cdnow.last_day + 20}
            connection.execute(sa.insert(lines).values(dict(row._mapping) | bought))
        _publish(scored_store, other, as_of=cdnow.last_day + 30)
        _publish(scored_store, registered, as_of=cdnow.last_day + 30)

        scores = send(_PATH).json()["scores"]
        # Of the set before the last, and of the two newest.
        assert [score["model"]["version"] for score in scores] == ["1", "2", "1"]
        _check_sums(scores)
        first, second = (score["change"]["split"] for score in scores[1:])
        assert first["new_data"]["clv"] > 0
        assert first["passing_time"]["clv"] < 0
        assert second["passing_time"] == {"clv": 0.0, "churn_probability": 0.0}
        assert second["new_data"] == {"clv": 0.0, "churn_probability": 0.0}
        assert second["new_model"] != {"clv": 0.0, "churn_probability": 0.0}

    def test_without_the_model_the_split_is_null_and_says_why(
        self,
        send: Send,
        scored_store: SQLiteStore,
        scored_home: Path,
        other: Champion,
        cdnow: Ledger,
    ) -> None:
        remove_bundle(scored_home, other.bundle.digest)
        _publish(scored_store, other, as_of=cdnow.last_day)

        change = send(_PATH).json()["scores"][-1]["change"]
        assert change["split"] is None
        assert "is not kept here" in change["split_missing"]
        assert isinstance(change["clv"], float)

    def test_events_stand_in_it_by_the_time_of_their_scores(
        self, send: Send, scored_store: SQLiteStore
    ) -> None:
        before = send(_PATH).json()["scores"]
        with scored_store.writing() as connection:
            names = [column.name for column in SCORE_CHANGES.c]
            found = (
                connection.execute(
                    sa.text(
                        "SELECT * FROM scores JOIN score_sets ON set_id = id "
                        "WHERE customer_id = '0001'"
                    )
                )
                .one()
                ._mapping
            )
            row = {name: found[name] for name in names if name in found}
            later = {"position": 1, "scored_at": "2999-01-01T00:00:00.000+00:00", "tier": "C"}
            connection.execute(sa.insert(SCORE_CHANGES).values(row | later))

        answer = send(_PATH).json()
        assert [score["cause"] for score in answer["scores"]] == ["batch", "event"]
        assert answer["scores"][0] == before[0]
        _check_sums(answer["scores"])
        assert len(send(f"{_PATH}?limit=1").json()["scores"]) == 1
        History.model_validate(answer)


def test_the_earlier_day_of_a_backfill_is_split_too(
    send: Send, scored_store: SQLiteStore, registered: Champion
) -> None:
    _publish(scored_store, registered, as_of=day_of(date(1998, 5, 31)))

    _check_sums(send(_PATH).json()["scores"])
