from collections.abc import Callable, Mapping

import pytest

from features.engines.duckdb import compute_signals
from features.ledger import Ledger
from features.signals.catalogue import CATALOGUE

SignalsOf = Callable[..., dict[str, object]]
LedgerWith = Callable[..., Ledger]

AS_OF = 2000

_LINES = [
    {"day": 1500, "revenue": 10.0, "discount": 0.0, "channel": "shop"},
    {"day": 1700, "revenue": 30.0, "discount": 5.0, "channel": "web"},
    {"day": 1850, "revenue": 100.0},
    {"day": 1855, "revenue": -50.0, "discount": 9.0, "channel": "post"},
    {"day": 1990, "revenue": 20.0, "discount": 2.0, "channel": "shop"},
]
_VISITS = [
    {"kind": "visit", "day": day}
    # Not followed; followed on the day; followed on the 30th day; too young; not known yet.
    for day in (1600, 1850, 1960, 1995, 2001)
]
_CAMPAIGNS = [
    {"kind": f"campaign_{kind}", "day": day, "campaign_id": campaign}
    for kind, day, campaign in [
        ("contact", 1650, "answered"),
        ("response", 1660, "answered"),
        ("contact", 1900, "not answered"),
        ("contact", 1905, "not answered"),
        ("contact", 1910, None),
        ("response", 1920, None),
        ("response", 1930, "not contacted"),
    ]
]
_COMPLAINTS = [
    {"kind": "complaint", "day": day, "topic": topic, "resolved_day": resolved}
    for day, topic, resolved in [
        (1600, "quality", 1610),  # the next purchase is 100 days away
        (1630, "contract", 1650),  # followed after 70 days
        (1700, "transport", 2005),  # followed on the day itself, which proves nothing; open
        (1980, "service", None),  # followed, but too young; open
        (1992, "quality", 1999),  # too young
        (1995, None, None),  # too young; open
    ]
]
_OTHERS = [
    {"kind": "service", "day": 1635, "topic": "quality", "resolved_day": 1636},
    {"kind": "survey", "day": 1700, "satisfaction": 0.5},
    {"kind": "survey", "day": 1820, "satisfaction": 0.6},
    {"kind": "survey", "day": 1821, "satisfaction": 0.8},
    {"kind": "survey", "day": 1990, "satisfaction": 0.9},
]
_CONTACTS = [*_VISITS, *_CAMPAIGNS, *_COMPLAINTS, *_OTHERS]
_BY_HAND: Mapping[str, Mapping[str, object]] = {
    "attachment": {
        "tenure_days": 600, "repeat_rate": 3 * 365 / 500, "regularity_share": 3 / 4,
        "on_discount_share": 50 / 60, "n_channels": 2, "loyalty_level": "behavioural",
    },
    "visits": {
        "n_contacts_365d": 18, "n_visits": 4, "n_visits_365d": 3, "days_since_last_visit": 5,
        "visit_response_share": 2 / 3,
    },
    "campaigns": {
        "n_campaign_contacts": 4, "n_campaign_responses": 3, "campaign_response_share": 1 / 2,
    },
    "complaints": {
        "n_complaints": 6, "n_complaints_365d": 4, "n_complaints_quality": 2,
        "n_complaints_contract": 1, "n_complaints_transport": 1, "n_complaints_service": 1,
        "n_complaints_open": 3, "complaint_open_days": 300,
        "resolution_mean_days": (10 + 20 + 7) / 3, "complaint_tolerance_share": 1 / 3,
    },
    "satisfaction": {"satisfaction_mean": 0.7, "satisfaction_trend": 0.85 - 0.55},
}  # fmt: skip


class TestByHand:
    def test_covers_the_family(self) -> None:
        covered = [name for group in _BY_HAND.values() for name in group]
        assert sorted(covered) == sorted(n for n, s in CATALOGUE.items() if s.family == "loyalty")

    @pytest.mark.parametrize("group", _BY_HAND)
    def test_of_a_customer_with_all(self, group: str, signals_of: SignalsOf) -> None:
        won = [{"acquired_day": 1400}]
        found = signals_of(order_lines=_LINES, interactions=_CONTACTS, customers=won)
        expected = _BY_HAND[group]
        assert {name: found[name] for name in expected} == pytest.approx(expected)

    def test_without_contacts_all_that_tells_of_them_is_null(self, ledger_with: LedgerWith) -> None:
        others = [contact | {"customer_id": "D"} for contact in _CONTACTS]
        ledger = ledger_with(order_lines=_LINES, interactions=others)
        (found,) = compute_signals(ledger, AS_OF).to_dict("records")
        told = [n for n, s in CATALOGUE.items() if any(x.startswith("inter") for x in s.needs)]
        assert all(found[name] != found[name] for name in told)
        assert found["loyalty_level"] == "behavioural"


class TestAttachment:
    @pytest.mark.parametrize(
        ("acquired", "tenure"), [(None, 500), (1499, 501), (1500, 500), (1700, 500), (2001, 500)]
    )
    def test_tenure_begins_when_won_or_with_the_first_purchase_if_that_was_before(
        self, acquired: int | None, tenure: int, signals_of: SignalsOf
    ) -> None:
        found = signals_of(order_lines=_LINES, customers=[{"acquired_day": acquired}])
        assert found["tenure_days"] == tenure

    def test_a_customer_listed_twice_has_one_row(self, ledger_with: LedgerWith) -> None:
        listed = [{"acquired_day": 1400}, {"acquired_day": 1300}]
        signals = compute_signals(ledger_with(order_lines=_LINES, customers=listed), AS_OF)
        assert signals["tenure_days"].to_dict() == {"C": 700}

    @pytest.mark.parametrize(
        ("days", "share"),
        [
            ([2000], 1),
            ([1911], 1),
            ([1910], 1 / 2),
            ([1910, 1911], 1),
            ([1821, 1911], 1),
            ([1820, 1911], 2 / 3),
            ([1731], 1 / 3),
            ([1730, 1911], 2 / 4),
            ([1641, 1731, 1821, 1911], 1),
            ([1640, 1641], 1 / 4),
            ([1640], 0),
        ],
    )
    def test_quarters_have_90_days_and_are_as_many_as_there_were(
        self, days: list[int], share: float, signals_of: SignalsOf
    ) -> None:
        found = signals_of(order_lines=[{"day": day} for day in days])
        assert found["regularity_share"] == pytest.approx(share)

    def test_repeat_rate_of_one_who_first_bought_today_is_unknown(
        self, signals_of: SignalsOf
    ) -> None:
        assert signals_of(order_lines=[{"day": AS_OF}])["repeat_rate"] is None
        assert signals_of(order_lines=[{"day": AS_OF - 1}])["repeat_rate"] == 0

    @pytest.mark.parametrize(
        ("discounts", "share"),
        [([None], None), ([0.0], 0), ([1.0], 1), ([1.0, 0.0], 0.5), ([1.0, None], 1)],
    )
    def test_share_on_discount_is_of_the_lines_that_tell_of_it(
        self, discounts: list[float | None], share: float | None, signals_of: SignalsOf
    ) -> None:
        lines = [{"day": 1, "discount": discount} for discount in discounts]
        assert signals_of(order_lines=lines)["on_discount_share"] == share


class TestContacts:
    @pytest.mark.parametrize(
        ("kind", "name"),
        [("visit", "n_visits"), ("complaint", "n_complaints"), ("survey", "n_contacts")],
    )
    def test_of_a_year_are_those_of_365_days(
        self, kind: str, name: str, signals_of: SignalsOf
    ) -> None:
        days = (AS_OF - 365, AS_OF - 364, AS_OF, AS_OF + 1)
        contacts = [{"kind": kind, "day": day} for day in days]
        found = signals_of(order_lines=[{"day": 1}], interactions=contacts)
        assert found[f"{name}_365d"] == 2

    @pytest.mark.parametrize(
        ("kind", "signal", "at", "share"),
        [
            ("visit", "visit_response_share", 1800, 1),
            ("visit", "visit_response_share", 1770, 1),
            ("visit", "visit_response_share", 1769, 0),
            ("visit", "visit_response_share", 1801, 0),
            ("visit", "visit_response_share", 1970, 0),
            ("visit", "visit_response_share", 1971, None),
            ("complaint", "complaint_tolerance_share", 1799, 1),
            ("complaint", "complaint_tolerance_share", 1710, 1),
            ("complaint", "complaint_tolerance_share", 1709, 0),
            ("complaint", "complaint_tolerance_share", 1800, 0),
            ("complaint", "complaint_tolerance_share", 1910, 0),
            ("complaint", "complaint_tolerance_share", 1911, None),
        ],
    )
    def test_are_followed_within_their_time_and_judged_after_it(
        self, kind: str, signal: str, at: int, share: float | None, signals_of: SignalsOf
    ) -> None:
        found = signals_of(order_lines=[{"day": 1800}], interactions=[{"kind": kind, "day": at}])
        assert found[signal] == share

    def test_that_a_return_follows_are_not_followed(self, signals_of: SignalsOf) -> None:
        lines = [{"day": 1}, {"day": 1810, "revenue": -5.0}]
        found = signals_of(order_lines=lines, interactions=[{"kind": "visit", "day": 1800}])
        assert found["visit_response_share"] == 0

    def test_two_purchases_after_one_visit_count_once(self, signals_of: SignalsOf) -> None:
        lines = [{"day": 1800}, {"day": 1801}, {"day": 1801}]
        visits = [{"kind": "visit", "day": day} for day in (1799, 1799, 1600)]
        found = signals_of(order_lines=lines, interactions=visits)
        assert found["visit_response_share"] == pytest.approx(2 / 3)

    @pytest.mark.parametrize(("as_of", "n_open", "days"), [(1609, 1, None), (1610, 0, 10)])
    def test_a_complaint_is_open_until_the_day_it_was_resolved(
        self, as_of: int, n_open: int, days: int | None, signals_of: SignalsOf
    ) -> None:
        complaint = {"kind": "complaint", "day": 1600, "resolved_day": 1610}
        found = signals_of(as_of, order_lines=[{"day": 1500}], interactions=[complaint])
        assert (found["n_complaints_open"], found["resolution_mean_days"]) == (n_open, days)
        assert found["complaint_open_days"] == (9 if n_open else None)

    def test_topics_of_none_that_names_one_are_unknown(self, signals_of: SignalsOf) -> None:
        contacts = [
            {"kind": "complaint", "day": 1},
            {"kind": "visit", "day": 1, "topic": "quality"},
        ]
        found = signals_of(order_lines=[{"day": 1}], interactions=contacts)
        assert (found["n_complaints"], found["n_complaints_quality"]) == (1, None)


class TestSatisfaction:
    @pytest.mark.parametrize(
        ("days", "trend"), [((1820, 1821), 0.5), ((1821, 1990), None), ((1, 1820), None)]
    )
    def test_trend_parts_180_days_ago(
        self, days: tuple[int, int], trend: float | None, signals_of: SignalsOf
    ) -> None:
        contacts = [
            {"day": day, "kind": "survey", "satisfaction": satisfaction}
            for day, satisfaction in zip(days, (0.25, 0.75), strict=True)
        ]
        found = signals_of(order_lines=[{"day": 1}], interactions=contacts)
        assert (found["satisfaction_mean"], found["satisfaction_trend"]) == (0.5, trend)


def _survey(*satisfactions: float) -> list[dict[str, object]]:
    return [{"kind": "survey", "day": 1, "satisfaction": value} for value in satisfactions]


class TestLevel:
    @pytest.mark.parametrize(
        ("days", "level"),
        [
            ([1911, 1821, 1731], "behavioural"),
            ([1641, 1821, 1731], "behavioural"),
            ([1911, 1821], "cognitive"),
            ([2000], "cognitive"),
            ([1636], "cognitive"),
            ([1635], None),
            ([1635, 1600, 1500, 1400], None),
        ],
    )
    def test_by_purchases_alone(
        self, days: list[int], level: str | None, signals_of: SignalsOf
    ) -> None:
        assert signals_of(order_lines=[{"day": day} for day in days])["loyalty_level"] == level

    @pytest.mark.parametrize(
        ("contacts", "level"),
        [
            (_survey(0.7, 0.7, 0.7), "affective"),
            (_survey(0.6, 0.8), "affective"),
            (_survey(0.69), "cognitive"),
            (_CAMPAIGNS[:2], "affective"),
            (_CAMPAIGNS[2:], "cognitive"),
            ([{"kind": "complaint", "day": 1905}], "affective"),
            ([{"kind": "complaint", "day": 1960}], "cognitive"),
            ([{"kind": "complaint", "day": 1990}], "cognitive"),
        ],
    )
    def test_of_who_came_back_is_raised_by_liking(
        self, contacts: list[dict[str, object]], level: str, signals_of: SignalsOf
    ) -> None:
        twice = [{"day": 1950}, {"day": 1990}]
        assert signals_of(order_lines=twice, interactions=contacts)["loyalty_level"] == level
        found = signals_of(order_lines=twice[1:], interactions=contacts)
        assert found["loyalty_level"] == "cognitive"
