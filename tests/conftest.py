import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import count
from pathlib import Path

import mlflow
import pandas as pd
import psycopg
import pytest
import sqlalchemy as sa
from hypothesis import settings as hypothesis_settings

from benchmarks.postgres_server import NoServerError, postgres_server
from features.cleaning import FIELDS, clean
from features.engines.duckdb import compute_signals
from features.ledger import Ledger, day_of
from features.pipeline import signals_digest
from features.sources import Source, read, read_dataframe
from models.bundle import Bundle
from models.value.forecaster import ValueForecaster
from models.value.latent import LatentValueModel
from serving.publish import publish
from serving.registry import load_champion
from serving.store import SQLiteStore, Store, open_store
from training.tracking import Tracking
from training.train import train
from worth.demo import DEMO_SOURCE, demo_settings
from worth.settings import Settings

# CI tries the same examples every time; elsewhere each run tries others.
hypothesis_settings.register_profile("ci", derandomize=True, deadline=None)
if os.environ.get("CI"):
    hypothesis_settings.load_profile("ci")

_SHARED = Path(__file__).parents[1] / ".." / "shared" / "data"

LedgerOf = Callable[..., Ledger]
Once = Callable[[str, Callable[[Path], object]], Path]


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to share tests out by their ids: tests of one id would count as one, and be lost.

    All that Schemathesis asks has one id since pytest 9.2.
    """
    if config.getoption("dist", "no") in {"loadscope", "loadfile", "loadgroup"}:
        raise pytest.UsageError("Run the tests with --dist worksteal: other ways lose some.")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test starts from the defaults, whatever the developer's shell says."""
    for name in [name for name in os.environ if name.startswith("WORTH_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Fill a folder once for all workers: who comes first fills it, who comes meanwhile waits.

    It is for reading; to write, copy it.
    """
    run = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        run = run.parent

    def fill(name: str, fill_it: Callable[[Path], object]) -> Path:
        folder, is_full = run / f"once-{name}", run / f"once-{name}.full"
        with (run / f"once-{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not is_full.exists():
                shutil.rmtree(folder, ignore_errors=True)  # What a worker that failed has left.
                folder.mkdir()
                fill_it(folder)
                is_full.touch()
        return folder

    return fill


@pytest.fixture(scope="session")
def shared() -> Path:
    """The real data sets that stand beside the repository."""
    if not _SHARED.exists():
        reason = "the real data sets (../shared/data) are not beside this checkout"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return _SHARED.resolve()


@pytest.fixture(scope="session")
def ledger_of() -> LedgerOf:
    """Make a ledger from rows, by the road that all rows take."""

    def make(rows: pd.DataFrame | list[Mapping[str, object]], **source: object) -> Ledger:
        frame = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(rows)
        raw = read_dataframe(frame, name="test", fields=list(FIELDS["order_lines"]))
        return Ledger({"order_lines": clean(raw, Source(**source)).rows})

    return make


@pytest.fixture(scope="session")
def cdnow() -> Ledger:
    """The ledger of the demo: 2,357 customers, 1997-01-01 to 1998-06-30."""
    raw = read(DEMO_SOURCE, name="cdnow", fields=list(FIELDS["order_lines"]))
    return Ledger({"order_lines": clean(raw, DEMO_SOURCE).rows})


# Whose tests of the store run on PostgreSQL, too.
_ON_BOTH = {
    "test_audit",
    "test_erasure",
    "test_ingest",
    "test_keys",
    "test_publish",
    "test_predictions",
    "test_statements",
    "test_store",
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests of a store on both databases where they differ."""
    name = metafunc.module.__name__.rpartition(".")[2]
    if "store" in metafunc.fixturenames and name in _ON_BOTH:
        metafunc.parametrize("store", ["sqlite", "postgres"], indirect=True)


@pytest.fixture
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store; on SQLite, unless its test runs on both."""
    is_postgres = getattr(request, "param", "sqlite") == "postgres"
    place = request.getfixturevalue("postgres_place") if is_postgres else tmp_path / "worth.db"
    store = open_store(place)
    yield store
    store.close()


@pytest.fixture
def unguard_audit_log() -> Callable[[Store], None]:
    """Let rows of the audit log be changed, as whoever may lay tables can."""

    def unguard(store: Store) -> None:
        with store.writing() as connection:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql("ALTER TABLE audit_log DISABLE TRIGGER USER")
                return
            found = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
            for name in connection.exec_driver_sql(found).scalars().all():
                connection.exec_driver_sql(f"DROP TRIGGER {name}")

    return unguard


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The address of a PostgreSQL server of our own."""
    server = postgres_server()
    try:
        url = server.__enter__()
    except NoServerError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))
    yield url
    server.__exit__(None, None, None)


@pytest.fixture(scope="session")
def new_database(postgres_url: str) -> Callable[..., str]:
    """Make a database of that server, empty or from a template, and give its address."""
    numbers = count(1)

    def make(template: str = "template0") -> str:
        name = f"worth_{next(numbers)}"
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        url = sa.make_url(postgres_url).set(database=name)
        return url.render_as_string(hide_password=False)

    return make


@pytest.fixture(scope="session")
def _laid_database(new_database: Callable[..., str]) -> str:
    """A database with the store's tables; laying them takes longer than copying them."""
    url = new_database()
    open_store(url).close()
    return str(sa.make_url(url).database)


@pytest.fixture
def postgres_place(new_database: Callable[..., str], _laid_database: str) -> str:
    """The address of an empty store on PostgreSQL."""
    return new_database(_laid_database)


@pytest.fixture(scope="session")
def laid_mlflow(once: Once) -> Path:
    """An MLflow database without a run; laying its tables takes seconds, copying them none."""

    def lay(folder: Path) -> None:
        mlflow.MlflowClient(f"sqlite:///{folder / 'mlflow.db'}").search_experiments()

    return once("mlflow", lay) / "mlflow.db"


@pytest.fixture
def tracking(laid_mlflow: Path, tmp_path: Path) -> Tracking:
    """An MLflow store without a run."""
    shutil.copy(laid_mlflow, tmp_path / "mlflow.db")
    return Tracking(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path / "mlflow-artifacts")


@pytest.fixture(scope="session")
def _small_model(cdnow: Ledger) -> Callable[[int], tuple[ValueForecaster, pd.DataFrame]]:
    """Fit a model on so many customers of CDNOW, once; with their signals."""
    signals = compute_signals(cdnow, cdnow.last_day)

    @cache
    def fit(n_customers: int) -> tuple[ValueForecaster, pd.DataFrame]:
        known = signals.head(n_customers)
        return ValueForecaster(LatentValueModel().fit(known), horizon_days=90), known

    return fit


@pytest.fixture
def register(
    tracking: Tracking, _small_model: Callable[[int], tuple[ValueForecaster, pd.DataFrame]]
) -> Callable[..., Bundle]:
    """Register a small model of CDNOW with these facts, as the training job would."""

    def make(
        *,
        n_customers: int = 200,
        loss: float = 1.5,
        into: Tracking = tracking,
        **facts: object,
    ) -> Bundle:
        forecaster, signals = _small_model(n_customers)
        known = {
            "horizon_days": 90,
            "value_basis": "revenue",
            "as_of": "1998-06-30",
            "signals_digest": signals_digest(),
            "grade": "B",
        }
        bundle = Bundle("latent", forecaster, facts=known | facts)
        with into.run("test", {}):
            into.log_candidate("naive", {"value_tweedie": 2.0, "value_gini": 0.1})
            into.log_candidate("latent", {"value_tweedie": loss, "value_gini": 0.5})
            into.register(bundle, signals)
        return bundle

    return make


@pytest.fixture(scope="session")
def _scored_home(cdnow: Ledger, laid_mlflow: Path, once: Once) -> Path:
    """The demo's state after ingest, train (as of 1998-03-31, 90 days ahead) and score."""

    def score(home: Path) -> None:
        from serving.ingest import ingest

        settings = demo_settings(Settings(home=home))
        store = SQLiteStore.open(settings.store_path)
        ingest(store, settings.sources, time_zone="UTC")
        shutil.copy(laid_mlflow, settings.home / "mlflow.db")
        train(
            cdnow,
            Tracking(settings.mlflow_uri, settings.artifacts),
            as_of=day_of(pd.Timestamp("1998-03-31").date()),
            horizon_days=90,
            currency="USD",
        )
        champion = load_champion(settings.mlflow_uri)
        publish(store, champion, currency="USD", discount_rate=0.1, policy="predicted")
        store.close()

    return demo_settings(Settings(home=once("scored", score))).home


@pytest.fixture
def scored_home(_scored_home: Path, tmp_path: Path) -> Path:
    """A copy of it, to do with as a test likes. Its MLflow still names the original's files."""
    home = tmp_path / "home"
    shutil.copytree(_scored_home, home)
    return home


@pytest.fixture
def scored_store(scored_home: Path) -> SQLiteStore:
    """A store with a published score set of CDNOW."""
    return SQLiteStore.open(scored_home / "worth.db")
