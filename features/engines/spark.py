"""The same text on Spark, for a company that outgrows one machine."""

from typing import TYPE_CHECKING

from features.ledger import Ledger
from features.pipeline import signals_statement

if TYPE_CHECKING:  # An optional group: whoever has a session has it.
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["compute_signals", "lay_ledger"]


def compute_signals(session: "SparkSession", as_of: int) -> "DataFrame":
    """Compute every signal of every customer, as known on `as_of`.

    Parameters
    ----------
    session : pyspark.sql.SparkSession
        In which the canonical tables are known by their names, as tables or views.
    as_of : int
        The last day known, inclusive, in days since 1970-01-01.

    Returns
    -------
    pyspark.sql.DataFrame
        One row a customer: customer_id and one column a signal of the catalogue, computed where
        the session computes, once it is asked for; `as_typed(frame.toArrow().to_pandas())` is
        what the other engines return.
    """
    return session.sql(signals_statement("spark"), args={"as_of": int(as_of)})


def lay_ledger(ledger: Ledger, session: "SparkSession") -> None:
    """Name a ledger's tables in a session.

    Parameters
    ----------
    ledger : Ledger
        The clean tables.
    session : pyspark.sql.SparkSession
        In which they are known by their names then.
    """
    for name, table in ledger.tables.items():
        session.createDataFrame(table).createOrReplaceTempView(name)
