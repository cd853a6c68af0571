"""The company on disk: Parquet files, written block after block."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from features.schema import TABLES
from simulation.blocks import Block, simulate, world_of
from simulation.exports import SETTINGS, export_table
from simulation.tables import canonical_table
from simulation.truth import truth_table
from simulation.world import WHOLESALER, World

__all__ = ["TRUTH", "write_company", "write_ledger"]

TRUTH = "truth"
SETTINGS_FILE = "worth.toml"

_Report = Callable[[str], None]
_Form = Callable[[Block], pa.Table]

# What a reader may skip row groups by; the least and the greatest of all else is work for nothing.
_SOUGHT = ["customer_id", "day"]
# Text that is different on every row would only fill the dictionary before it is given up.
_REPEATED = [
    "product_id",
    "category",
    "channel",
    "kind",
    "topic",
    "campaign_id",
    "region",
    "owner",
    "name",
    "attributes",
    "reliability",
]


def write_ledger(
    folder: Path,
    n_customers: int,
    *,
    seed: int = 0,
    world: World = WHOLESALER,
    lines_per_customer: float | None = None,
    tables: Sequence[str] = tuple(TABLES),
    has_truth: bool = True,
    extra_days: int = 0,
    report: _Report = lambda _: None,
) -> dict[str, int]:
    """Write the company as canonical tables, for engines and benchmarks.

    Parameters
    ----------
    folder : Path
        Where `<table>.parquet` go, each sorted by the table's key, and `truth.parquet`.
    n_customers : int
        How many were won in all; 1 to 10,000,000.
    seed : int
        Of all chance, 0 or more.
    world : World
        The parameters.
    lines_per_customer : float, optional
        Order lines of a customer on average, about, in a world of `WHOLESALER`'s kinds; 2 or more,
        and as the world has it where it is not given, which is 10.
    tables : sequence of str
        Which to write. Leaving some out does not change the others.
    has_truth : bool
        Whether to write the truth.
    extra_days : int
        How far to run the world past its last day; the truth remains that of the last day.
    report : callable, optional
        Told what is being done.

    Returns
    -------
    dict of str to int
        Rows written, by file without its ending.

    Raises
    ------
    ValueError
        If a table is not one of the five, or a number out of range.
    """
    unknown = sorted(set(tables) - set(TABLES))
    if unknown:
        raise ValueError(f"A ledger holds {', '.join(TABLES)}. Got {unknown[0]!r} instead.")
    blocks = simulate(
        n_customers,
        seed=seed,
        world=world if lines_per_customer is None else world_of(lines_per_customer, world),
        extra_days=extra_days,
    )
    forms: dict[str, _Form] = {name: partial(canonical_table, name) for name in tables}
    return _write(folder, blocks, forms | (_truth_form() if has_truth else {}), report)


def write_company(
    folder: Path,
    n_customers: int,
    *,
    seed: int = 0,
    world: World = WHOLESALER,
    report: _Report = lambda _: None,
) -> dict[str, int]:
    """Write the company as its own systems would export it, with a `worth.toml`.

    Parameters
    ----------
    folder : Path
        Where the five Parquet files, `truth.parquet` and `worth.toml` go.
    n_customers : int
        How many were won in all; 1 to 10,000,000.
    seed : int
        Of all chance, 0 or more.
    world : World
        The parameters.
    report : callable, optional
        Told what is being done.

    Returns
    -------
    dict of str to int
        Rows written, by file without its ending.

    Raises
    ------
    ValueError
        If the number of customers is out of range.
    """
    blocks = simulate(n_customers, seed=seed, world=world)
    forms: dict[str, _Form] = {name: partial(export_table, name) for name in TABLES}
    counts = _write(folder, blocks, forms | _truth_form(), report)
    (folder / SETTINGS_FILE).write_text(SETTINGS, encoding="utf-8")
    return counts


def _truth_form() -> dict[str, _Form]:
    return {TRUTH: lambda block: truth_table(block.world, block.customers)}


def _write(
    folder: Path, blocks: Iterator[Block], forms: Mapping[str, _Form], report: _Report
) -> dict[str, int]:
    """Write every block in every form, a row group each."""
    counts = dict.fromkeys(forms, 0)
    n_customers = 0
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as files:
        writers: dict[str, pq.ParquetWriter] = {}
        for block in blocks:
            for name, form in forms.items():
                table = form(block)
                if name not in writers:
                    path = folder / f"{name}.parquet"
                    writers[name] = files.enter_context(_writer(path, table.schema))
                writers[name].write_table(table, row_group_size=max(len(table), 1))
                counts[name] += len(table)
            n_customers += len(block.customers)
            report(f"{n_customers:,} customers written")
    return counts


@contextmanager
def _writer(path: Path, schema: pa.Schema) -> Iterator[pq.ParquetWriter]:
    """Write beside the file's place and move it there, so that it is never half-written."""
    unfinished = path.with_name(f".{path.name}.partial")
    try:
        with pq.ParquetWriter(
            unfinished,
            schema,
            compression="snappy",
            use_dictionary=[name for name in _REPEATED if name in schema.names],
            write_statistics=[name for name in _SOUGHT if name in schema.names],
        ) as writer:
            yield writer
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
