"""Answer events: with the score that knows them, or with the reason why there is none."""

from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import Any

import sqlalchemy as sa

from serving.events.acceptance import Accepted
from serving.events.among import among
from serving.live import LiveScore, NoScore
from serving.scores.schemas import score_of
from serving.state import Service
from serving.store.tables import EVENTS, SCORE_CHANGES

__all__ = ["answer_events"]

_Answered = Mapping[str, Any]


def answer_events(
    service: Service, accepted: Accepted, scores: Mapping[str, LiveScore | NoScore]
) -> dict[str, Any]:
    """Write the answer to a request.

    Parameters
    ----------
    service : Service
        It knows the store, and from when on a score is stale.
    accepted : Accepted
        What came of its events.
    scores : mapping of str to LiveScore or NoScore
        By customer, those made just now.

    Returns
    -------
    dict
        The fields of `EventAnswers`, ready for JSON.
    """
    fresh = {who: _said(service, score) for who, score in scores.items()}
    # Repeats, and those whom another request was faster to score.
    others = [
        event.event_id
        for n, event in enumerate(accepted.events)
        if n not in accepted.refusals
        and (accepted.repeats.get(event.event_id) is not None or event.customer_id not in fresh)
    ]
    kept = _kept(service, others)
    answers = []
    for n, event in enumerate(accepted.events):
        refusal = accepted.refusals.get(n)
        said: _Answered = (
            {"score": None, "score_missing": refusal.detail}
            if refusal
            else kept.get(event.event_id) or fresh.get(event.customer_id) or _ERASED
        )
        answers.append(
            {
                "event_id": event.event_id,
                "status": refusal.status if refusal else "accepted",
                "position": None if refusal else accepted.positions[event.event_id],
                "customer_id": event.customer_id,
                "detail": refusal.detail if refusal else None,
                **said,
            }
        )
    return {"accepted": len(answers) - len(accepted.refusals), "answers": answers}


def _said(service: Service, score: LiveScore | NoScore) -> dict[str, Any]:
    if isinstance(score, NoScore):
        return {"score": None, "score_missing": score.words}
    return {"score": score_of(SimpleNamespace(**score.row), service), "score_missing": None}


_ERASED: _Answered = {"score": None, "score_missing": NoScore.ERASED.words}


def _kept(service: Service, event_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Read what was answered before."""
    asked = list(event_ids)
    if not asked:
        return {}
    with service.store.reading() as connection:
        rows = connection.execute(_SCORES, {"ids": asked}).all()
    return {row.event_id: _said_before(service, row) for row in rows}


_SCORES = (
    sa.select(EVENTS.c.event_id, EVENTS.c.scored_position, SCORE_CHANGES)
    .select_from(
        EVENTS.outerjoin(
            SCORE_CHANGES,
            sa.and_(
                SCORE_CHANGES.c.customer_id == EVENTS.c.customer_id,
                SCORE_CHANGES.c.position == EVENTS.c.scored_position,
            ),
        )
    )
    .where(among(EVENTS.c.event_id, "ids"), EVENTS.c.scored_position.is_not(None))
)


def _said_before(service: Service, row: Any) -> dict[str, Any]:
    if row.scored_position < 0:
        return {"score": None, "score_missing": NoScore(row.scored_position).words}
    return {"score": score_of(row, service), "score_missing": None}
