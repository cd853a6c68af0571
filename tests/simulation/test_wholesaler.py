"""What anyone who looks at the tables can see of the world's parameters."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pytest

from simulation import WHOLESALER, Block, simulate
from simulation.tables import canonical_table
from simulation.world import IntArray

_N_TESTED = 20_000


def _invoices(block: Block) -> pd.DataFrame:
    invoices = canonical_table("invoices", block).to_pandas()
    payments = canonical_table("payments", block).to_pandas()
    paid = payments.groupby("invoice_id").agg(paid=("amount", "sum"), paid_day=("day", "max"))
    invoices["reliability"] = block.customers.reliability[block.orders.owner]
    joined: pd.DataFrame = invoices.join(paid, on="invoice_id")
    return joined


def _per_kind(block: Block, counts: IntArray) -> list[float]:
    totals = np.bincount(block.customers.kind, counts, minlength=4)
    return list(totals / np.bincount(block.customers.kind, minlength=4))


def test_kinds_have_their_shares_and_the_larger_ones_buy_more_often_and_more(block: Block) -> None:
    shares = np.bincount(block.customers.kind) / _N_TESTED
    orders = np.bincount(block.orders.owner, minlength=_N_TESTED)
    sold = np.bincount(block.lines.owner, block.lines.revenue, minlength=_N_TESTED)

    assert shares == pytest.approx(WHOLESALER.of_kind("share"), abs=0.015)
    for per_kind in (_per_kind(block, orders), _per_kind(block, sold)):
        assert per_kind == sorted(per_kind, reverse=True)


def test_margins_are_what_the_price_lists_make_them(block: Block) -> None:
    kind = block.customers.kind[block.lines.owner]
    revenue = np.bincount(kind, block.lines.revenue)
    rate = 1 - np.bincount(kind, block.lines.cost) / revenue

    assert list(rate) == sorted(rate)
    assert (rate > 0.1).all()
    assert (rate < 0.6).all()
    assert block.lines.is_return.mean() == pytest.approx(WHOLESALER.return_share, abs=0.003)


def test_bargain_hunters_buy_on_discount(block: Block) -> None:
    is_discounted = block.lines.discount > 0
    is_hunter = block.customers.is_bargain_hunter[block.lines.owner]

    assert is_discounted[is_hunter].mean() == pytest.approx(0.60, abs=0.02)
    assert is_discounted[~is_hunter].mean() == pytest.approx(0.08, abs=0.01)


def test_late_payers_pay_late_and_defaulters_do_not_pay(block: Block) -> None:
    invoices = _invoices(block)
    ripe = invoices[invoices["due_day"] < WHOLESALER.last_day - 250]
    late = (ripe["paid_day"] > ripe["due_day"]).groupby(ripe["reliability"]).mean()
    unpaid = (ripe["paid"].fillna(0) < ripe["amount"] - 0.01).groupby(ripe["reliability"]).mean()
    disputed = invoices["disputed_day"].notna().groupby(invoices["reliability"]).mean()

    assert late[0] < 0.12 < 0.5 < late[1]
    for share in (unpaid, disputed):
        assert list(share) == sorted(share)
    assert unpaid[3] > 0.35


def test_complaints_cost_satisfaction_and_customers(block: Block) -> None:
    customers, interactions = block.customers, block.interactions
    has_complained = np.bincount(customers.complaint_owner, minlength=_N_TESTED) > 0
    asked = ~np.isnan(interactions.satisfaction)
    who = interactions.owner[asked]
    score = interactions.satisfaction[asked]

    assert score[has_complained[who]].mean() < score[~has_complained[who]].mean() - 0.05
    assert np.corrcoef(score, customers.reliability[who])[0, 1] < -0.1
    # Of those who differ in nothing but what their complaints added.
    hardly = replace(WHOLESALER, complaint_hazard=0.0)
    (patient,) = simulate(_N_TESTED, seed=1, world=hardly)
    assert customers.departure.mean() < patient.customers.departure.mean()


def test_campaigns_contact_by_chance_alone(block: Block) -> None:
    customers, contacts = block.customers, block.contacts
    for campaign in np.unique(contacts.campaign):
        day = WHOLESALER.campaigns()[campaign]
        could = customers.has_consent & (customers.acquired_day < day)
        was = np.zeros(_N_TESTED, dtype=bool)
        was[contacts.owner[contacts.campaign == campaign]] = True
        assert not was[~could].any()
        for kind in range(4):
            of_kind = was[could & (customers.kind == kind)]
            assert abs(of_kind.mean() - 0.5) < 4 * 0.5 / np.sqrt(len(of_kind))


def test_a_contact_raises_purchases_by_the_known_uplift() -> None:
    # Everyone consents and nobody differs by what they were sold before, so that half of them are
    # a control group for the other half.
    world = replace(WHOLESALER, consent_share=1.0, purchase_factor=3.0)
    (block,) = simulate(_N_TESTED, seed=9, world=world)
    customers = block.customers
    day = world.campaigns()[-1]
    is_contacted = np.zeros(_N_TESTED, dtype=bool)
    is_contacted[block.contacts.owner[block.contacts.day == day]] = True
    in_time = (block.orders.day > day) & (block.orders.day <= day + world.campaign_days)
    bought = np.bincount(block.orders.owner[in_time], minlength=_N_TESTED)
    eligible = customers.acquired_day < day

    retail = eligible & (customers.kind == 3)
    lift = bought[retail & is_contacted].mean() / bought[retail & ~is_contacted].mean() - 1
    # Purchases on one day count once, so that a little less than the uplift is seen.
    assert lift == pytest.approx(customers.uplift[retail].mean(), abs=0.12)


def test_who_responded_bought_on_that_day(block: Block) -> None:
    responded = block.contacts.response_day >= 0
    who, day = block.contacts.owner[responded], block.contacts.response_day[responded]
    orders = set(zip(block.orders.owner.tolist(), block.orders.day.tolist(), strict=True))

    assert set(zip(who.tolist(), day.tolist(), strict=True)) <= orders
    assert (day > block.contacts.day[responded]).all()


def test_purchases_follow_the_season() -> None:
    world = replace(WHOLESALER, season=0.8)
    (block,) = simulate(_N_TESTED, seed=2, world=world)
    repeat = block.orders.number > 1
    year = (block.orders.day[repeat] - world.season_peak) % 365
    near = np.minimum(year, 365 - year) < 60
    far = np.minimum(year, 365 - year) > 120

    assert near.sum() > 3 * far.sum()


def test_plans_are_near_what_planned_customers_buy(block: Block) -> None:
    customers = canonical_table("customers", block)
    planned = np.array(customers["planned_revenue"].to_pandas())
    is_planned = ~np.isnan(planned)
    sold = np.bincount(block.lines.owner, block.lines.revenue, minlength=_N_TESTED)
    years = (np.minimum(block.customers.departure, block.end) - block.customers.acquired_day) / 365
    settled = is_planned & (years > 1)
    yearly = sold[settled] / years[settled]

    assert (planned[is_planned] >= 0).all()
    assert np.corrcoef(planned[settled], yearly)[0, 1] > 0.7


def test_flags_and_attributes_are_filled(block: Block) -> None:
    customers = canonical_table("customers", block)
    consent, opt_out = (
        customers[name].to_numpy().mean() for name in ("marketing_consent", "profiling_opt_out")
    )

    assert consent == pytest.approx(0.85, abs=0.01)
    assert opt_out == pytest.approx(0.01, abs=0.004)
    assert customers["attributes"][0].as_py().startswith('{"employees":')
    assert pc.count_distinct(customers["owner"]).as_py() == 40
