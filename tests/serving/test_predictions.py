from collections.abc import Callable
from datetime import date
from typing import Any

import pandas as pd
import pytest

from features.ledger import day_of
from serving.champion import Champion
from serving.predictions import (
    KeptSet,
    NothingToJudgeError,
    choose_set,
    kept_sets,
    read_predictions,
)
from serving.publish import publish
from serving.store import SQLiteStore

_DAY_0 = day_of(date(2024, 1, 1))


def _kept(set_id: int, day: int, horizon_days: int = 90) -> KeptSet:
    return KeptSet(set_id, _DAY_0 + day, horizon_days, "EUR", "revenue", 0.1, "worth", "1")


class TestChooseSet:
    def test_the_latest_whose_horizon_has_passed(self) -> None:
        sets = [_kept(1, 0), _kept(2, 10), _kept(3, 11), _kept(4, 60)]

        assert choose_set(sets, _DAY_0 + 100).set_id == 2

    def test_of_one_day_the_set_published_first(self) -> None:
        sets = [_kept(1, 0), _kept(2, 10), _kept(3, 10)]

        assert choose_set(sets, _DAY_0 + 100).set_id == 2
        assert choose_set(sets, _DAY_0 + 100, _DAY_0 + 10).set_id == 2

    def test_else_the_oldest_of_which_a_quarter_has(self) -> None:
        sets = [_kept(1, 0), _kept(2, 10)]

        # A quarter of 90 days is 22.5.
        assert choose_set(sets, _DAY_0 + 23).set_id == 1
        assert choose_set(sets, _DAY_0 + 89).set_id == 1

    def test_too_early_it_says_which_sets_there_are_and_when_one_can_be_judged(self) -> None:
        with pytest.raises(
            NothingToJudgeError,
            match=r"ends on 2024-01-23, and scores are kept as of 2024-01-01, 2024-01-11. .* that "
            r"of 2024-01-01, from 2024-01-24 on\.$",
        ):
            choose_set([_kept(1, 0), _kept(2, 10)], _DAY_0 + 22)

    def test_a_day_chosen(self) -> None:
        sets = [_kept(1, 0), _kept(2, 10)]

        assert choose_set(sets, _DAY_0 + 200, _DAY_0).set_id == 1
        with pytest.raises(NothingToJudgeError, match=r"No score set as of 2024-01-02 is kept\."):
            choose_set(sets, _DAY_0 + 200, _DAY_0 + 1)
        with pytest.raises(
            NothingToJudgeError, match=r"as of 2024-01-11 can be judged from 2024-0"
        ):
            choose_set(sets, _DAY_0 + 30, _DAY_0 + 10)

    def test_without_sets_it_names_the_way_out(self) -> None:
        with pytest.raises(NothingToJudgeError, match="'worth score' publishes one"):
            choose_set([], _DAY_0)

    def test_of_many_days_the_last_are_named(self) -> None:
        sets = [_kept(day, day) for day in range(9)]

        with pytest.raises(NothingToJudgeError, match=r"2024-01-09 and 3 earlier days\."):
            choose_set(sets, _DAY_0 + 9)


def test_a_kept_set_is_read_as_it_was_published(
    store: SQLiteStore, load: Callable[..., int], champion: Champion
) -> None:
    arguments: dict[str, Any] = {"currency": "EUR", "discount_rate": 0.1, "policy": "predicted"}
    load([(who, day, 9.0) for who in ("B", "A") for day in (0, 40)])
    assert kept_sets(store) == []
    publication = publish(store, champion, **arguments)
    publish(store, champion, **arguments, as_of=_DAY_0 + 3)

    past, last = kept_sets(store)

    assert (past.as_of, last.as_of) == (_DAY_0 + 3, _DAY_0 + 40)
    assert (last.set_id, last.currency, last.model_version) == (1, "EUR", "1")
    scores = read_predictions(store, last)
    pd.testing.assert_frame_equal(
        scores, publication.scores[scores.columns], check_dtype=False, check_index_type=False
    )
