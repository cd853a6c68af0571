"""A company with everything: a simulated wholesaler whose true future is known.

It is the ground for tests, demos and speed, and no evidence of accuracy: it obeys the very laws
that the models assume.
"""

from simulation.blocks import Block, simulate, world_of
from simulation.world import WHOLESALER, Kind, Reliability, World
from simulation.writing import write_company, write_ledger

__all__ = [
    "WHOLESALER",
    "Block",
    "Kind",
    "Reliability",
    "World",
    "simulate",
    "world_of",
    "write_company",
    "write_ledger",
]
