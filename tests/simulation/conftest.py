from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simulation import Block, simulate, write_ledger

N_CUSTOMERS = 2_000


@pytest.fixture(scope="session")
def block() -> Block:
    """Everything that befell twenty thousand customers, in one block."""
    (only,) = simulate(20_000, seed=1)
    return only


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pa.Table]:
    """The canonical tables, and the truth, of two thousand customers."""
    folder = tmp_path_factory.mktemp("company")
    return {name: pq.read_table(folder / f"{name}.parquet") for name in _written(folder)}


def _written(folder: Path) -> list[str]:
    return list(write_ledger(folder, N_CUSTOMERS, seed=7))
