"""Interactions: complaints, visits, campaign contacts and whatever else was had with a customer."""

from features.cleaning.rules import Fault, Reading, Rules
from features.schema import KEY_COLUMN

__all__ = ["INTERACTIONS", "KINDS", "TOPICS"]

KINDS = ("complaint", "visit", "service", "campaign_contact", "campaign_response", "survey")
TOPICS = ("quality", "contract", "transport", "service")


def _in(words: tuple[str, ...]) -> str:
    return f"({', '.join(map(repr, words))})"


def _faults(reading: Reading) -> list[Fault]:
    low, high = reading.source.satisfaction_scale
    faults = [
        Fault("read_kind IS NULL", "kind is missing"),
        Fault(f"kind NOT IN {_in(KINDS)}", f"kind is none of {', '.join(KINDS)}"),
        Fault(
            f"kind = 'complaint' AND topic NOT IN {_in(TOPICS)}",
            f"topic of a complaint is none of {', '.join(TOPICS)}",
        ),
        Fault("resolved_day < day", "resolved_at is before contacted_at"),
        Fault(
            "satisfaction NOT BETWEEN 0 AND 1",
            f"satisfaction is not between {min(low, high):g} and {max(low, high):g} "
            "(satisfaction_scale says what is none and what is full)",
        ),
    ]
    if "interaction_id" in reading.present:
        faults.append(Fault("read_interaction_id IS NULL", "interaction_id is missing"))
    return faults


INTERACTIONS = Rules(
    required={
        "customer_id": (("customer_id",),),
        "contacted_at": (("contacted_at",),),
        "kind": (("kind",),),
    },
    day_fields={"day": "contacted_at", "resolved_day": "resolved_at"},
    columns={
        "kind": "LOWER(read_kind)",
        # The topics of other contacts are the company's own words.
        "topic": "CASE WHEN kind = 'complaint' THEN LOWER(read_topic) ELSE read_topic END",
        "satisfaction": """(read_satisfaction - $least_satisfaction)
            / ($full_satisfaction - $least_satisfaction)""",
    },
    faults=_faults,
    key=("interaction_id",),
    named_by="interaction_id",
    same_by=("read_interaction_id",),
    money=("cost",),
    published={"interaction_id": f"COALESCE(interaction_id, LOWER(hex({KEY_COLUMN})))"},
)
