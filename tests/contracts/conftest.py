"""Engines that are servers: each is started by the tests, from what the machine has."""

import os
import shutil
import tempfile
from collections.abc import Iterator

import psycopg
import pytest
from pyspark.sql import SparkSession


def _not_here(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def postgres(postgres_url: str) -> Iterator[psycopg.Connection]:
    """A connection to it."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """Spark on this machine, on one thread: for small ledgers more of them only get in the way."""
    if shutil.which("java") is None:
        _not_here("there is no Java on this machine (Spark needs version 17)")
    session = (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.shuffle.partitions", "1")
        # Compiling a plan this wide takes longer than running it over a few thousand rows.
        .config("spark.sql.codegen.wholeStage", "false")
        .config("spark.sql.warehouse.dir", tempfile.mkdtemp(prefix="worth-spark-"))
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()
