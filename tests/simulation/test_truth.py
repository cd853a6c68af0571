from dataclasses import replace

import numpy as np
import pytest

from simulation import WHOLESALER, Block, World, simulate
from simulation.truth import HORIZONS, truth_table
from simulation.world import FloatArray


def _happened(block: Block, horizon: int) -> dict[str, FloatArray]:
    """What each customer did after the last day: the orders placed, and what stayed sold."""
    n = len(block.customers)
    last = block.world.last_day
    placed = block.orders.owner[(block.orders.day > last) & (block.orders.day <= last + horizon)]
    order_day = block.orders.day[block.lines.order]
    sold = (order_day > last) & (order_day <= last + horizon)
    owner, revenue = block.lines.owner[sold], block.lines.revenue[sold]
    return {
        "purchases": np.bincount(placed, minlength=n).astype(float),
        "revenue": np.bincount(owner, revenue, minlength=n),
        "margin": np.bincount(owner, revenue - block.lines.cost[sold], minlength=n),
    }


# Complaints, growth and season at work, and more of them than usual.
_STORMY = replace(WHOLESALER, complaints_per_year=1.5, complaint_hazard=1.5, season=0.6)


@pytest.mark.parametrize("world", [WHOLESALER, _STORMY], ids=["usual", "stormy"])
def test_the_truth_is_what_happens_on_average_when_the_world_runs_on(world: World) -> None:
    # Fourteen days more, so that what came back of the last orders is known.
    (block,) = simulate(20_000, seed=11, world=world, extra_days=365 + 14)
    truth = truth_table(world, block.customers)

    for horizon in HORIZONS:
        for name, happened in _happened(block, horizon).items():
            expected = truth[f"expected_{name}_{horizon}d"].to_numpy()
            difference = happened - expected
            standard_error = np.sqrt((difference**2).sum())
            assert abs(difference.sum()) < 3.5 * standard_error, (name, horizon)
            assert standard_error < 0.05 * expected.sum()


def test_the_truth_holds_for_each_kind_and_each_number_of_complaints() -> None:
    (block,) = simulate(20_000, seed=12, world=_STORMY, extra_days=90)
    truth = truth_table(_STORMY, block.customers)
    difference = _happened(block, 90)["purchases"] - truth["expected_purchases_90d"].to_numpy()
    known = block.customers.complaint_day <= _STORMY.last_day
    complaints = np.bincount(block.customers.complaint_owner[known], minlength=20_000)

    for groups in (block.customers.kind, np.minimum(complaints, 3)):
        for group in range(4):
            of_group = difference[groups == group]
            assert abs(of_group.sum()) < 3.5 * np.sqrt((of_group**2).sum())


def test_the_departed_buy_no_more_and_the_living_ever_more(block: Block) -> None:
    truth = truth_table(WHOLESALER, block.customers).to_pandas()

    assert 0.4 < truth["is_alive"].mean() < 0.8
    for what in ("purchases", "revenue", "margin"):
        columns = [f"expected_{what}_{horizon}d" for horizon in HORIZONS]
        assert (truth.loc[~truth["is_alive"], columns] == 0).all(axis=None)
        assert (truth.loc[truth["is_alive"], columns].diff(axis=1).iloc[:, 1:] > 0).all(axis=None)


def test_who_is_departed_has_no_order_after(block: Block) -> None:
    assert (block.orders.day < block.customers.departure[block.orders.owner]).all()
