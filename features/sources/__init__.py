"""Where a table comes from: CSV, Parquet, SQL database or dataframe, through a column mapping."""

from features.sources.raw import RawTable, read, read_dataframe
from features.sources.source import Source, SourceError

__all__ = ["RawTable", "Source", "SourceError", "read", "read_dataframe"]
