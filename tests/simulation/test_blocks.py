from itertools import islice

import numpy as np

from simulation import simulate
from simulation.blocks import BLOCK


def test_a_block_is_the_same_however_many_follow() -> None:
    (alone,) = simulate(BLOCK, seed=5)
    (first,) = islice(simulate(BLOCK + 10, seed=5), 1)

    np.testing.assert_array_equal(alone.lines.revenue, first.lines.revenue)
    np.testing.assert_array_equal(alone.payments.day, first.payments.day)


def test_customers_are_counted_over_the_blocks() -> None:
    numbers = [block.customers.number for block in simulate(BLOCK + 10)]

    assert np.concatenate(numbers).tolist() == list(range(1, BLOCK + 11))
    assert len(numbers) == 2
