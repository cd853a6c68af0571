"""Checks of the interactions: complaints, satisfaction and campaigns."""

from collections.abc import Callable, Iterator, Mapping

from features.usability.finding import Finding
from features.usability.survey import Survey, as_percent, on_day

__all__ = ["CONTACT_CHECKS"]

_OLD_DAYS = 365
_MANY_WITHOUT_TOPIC, _MANY_UNRESOLVED, _MANY_UNPROMPTED = 0.50, 0.10, 0.10
# Among fewer answers the same one may well be chance.
_EQUAL_AMONG = 10


def _complaints_without_topic(survey: Survey) -> Iterator[Finding]:
    found = survey.row(
        "SELECT COUNT(*) AS of, COUNT(*) FILTER (topic IS NULL) AS n, "
        "MIN(interaction_id) FILTER (topic IS NULL) AS example "
        "FROM interactions WHERE kind = 'complaint'"
    )
    n, of = found["n"], found["of"]
    if not n:
        return
    yield Finding(
        check="complaints_without_topic",
        level="warning" if n > _MANY_WITHOUT_TOPIC * of else "recommendation",
        step="signals",
        table="interactions",
        column="topic",
        count=n,
        of=of,
        example=found["example"],
        message=f"{as_percent(n, of)} of complaints have no topic: {n:,} of {of:,} "
        f"(first: '{found['example']}').",
        way_out="Map topic: quality, contract, transport or service.",
    )


def _complaints_unresolved(survey: Survey) -> Iterator[Finding]:
    found = survey.row(
        "SELECT COUNT(*) AS of, COUNT(*) FILTER (is_old) AS n, "
        "MIN(interaction_id) FILTER (is_old) AS example, "
        "ARG_MIN(day, interaction_id) FILTER (is_old) AS day "
        "FROM (SELECT *, resolved_day IS NULL AND day < $latest AS is_old FROM interactions "
        "WHERE kind = 'complaint')",
        latest=survey.as_of - _OLD_DAYS,
    )
    n, of = found["n"], found["of"]
    if not n:
        return
    yield Finding(
        check="complaints_unresolved",
        level="warning" if n > _MANY_UNRESOLVED * of else "recommendation",
        step="signals",
        table="interactions",
        column="resolved_day",
        count=n,
        of=of,
        example=found["example"],
        message=f"{as_percent(n, of)} of complaints are open for more than a year: {n:,} of "
        f"{of:,} (first: '{found['example']}' of {on_day(found['day'])}).",
        way_out="Map resolved_at, or close those in the source that were resolved.",
    )


def _satisfaction_equal(survey: Survey) -> Iterator[Finding]:
    found = survey.row(
        "SELECT COUNT(satisfaction) AS n, COUNT(DISTINCT satisfaction) AS n_values, "
        "MIN(satisfaction) AS value FROM interactions"
    )
    if found["n"] < _EQUAL_AMONG or found["n_values"] > 1:
        return
    yield Finding(
        check="satisfaction_equal",
        level="warning",
        step="signals",
        table="interactions",
        column="satisfaction",
        count=found["n"],
        of=found["n"],
        example=f"{found['value']:g}",
        message=f"All {found['n']:,} values of satisfaction are {found['value']:g}. That looks "
        "like a default, and says nothing of anyone.",
        way_out="Leave it empty where nobody was asked, or leave the column unmapped.",
    )


def _unprompted_responses(survey: Survey) -> Iterator[Finding]:
    found = survey.row(
        "WITH contacted AS (SELECT customer_id, campaign_id, MIN(day) AS contacted_day "
        "FROM interactions WHERE kind = 'campaign_contact' GROUP BY ALL) "
        "SELECT COUNT(*) AS of, COUNT(*) FILTER (is_unprompted) AS n, "
        "MIN(interaction_id) FILTER (is_unprompted) AS example "
        "FROM (SELECT interaction_id, contacted_day IS NULL OR contacted_day > day "
        "AS is_unprompted FROM interactions LEFT JOIN contacted "
        "ON contacted.customer_id = interactions.customer_id "
        "AND contacted.campaign_id IS NOT DISTINCT FROM interactions.campaign_id "
        "WHERE kind = 'campaign_response')"
    )
    n, of = found["n"], found["of"]
    if not n:
        return
    yield Finding(
        check="unprompted_responses",
        level="warning" if n > _MANY_UNPROMPTED * of else "recommendation",
        step="signals",
        table="interactions",
        column="campaign_id",
        count=n,
        of=of,
        example=found["example"],
        message=f"{as_percent(n, of)} of campaign responses follow no contact of the same campaign "
        f"and customer: {n:,} of {of:,} (first: '{found['example']}'). The share who respond is "
        "wrong by them.",
        way_out="Load the campaign's contacts as well, with the same campaign_id.",
    )


CONTACT_CHECKS: Mapping[str, Callable[[Survey], Iterator[Finding]]] = {
    "complaints_without_topic": _complaints_without_topic,
    "complaints_unresolved": _complaints_unresolved,
    "satisfaction_equal": _satisfaction_equal,
    "unprompted_responses": _unprompted_responses,
}
