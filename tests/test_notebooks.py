import os
import subprocess
import sys
from pathlib import Path

import pytest

from serving.store import open_store
from serving.versions.scorer import scorer

_NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


@pytest.mark.parametrize("notebook", sorted(_NOTEBOOKS.glob("[0-9]*.py")), ids=lambda p: p.stem)
def test_a_notebook_runs_from_top_to_bottom(
    notebook: Path, scored_home: Path, tmp_path: Path
) -> None:
    home = scored_home.rename(tmp_path / "demo")  # Where the demo's state is looked for.
    store = open_store(home / "worth.db")
    scorer(
        store, home, f"sqlite:///{home / 'mlflow.db'}"
    )  # It keeps the model, as `worth score` does.
    store.close()
    environment = os.environ | {"WORTH_HOME": str(tmp_path), "MPLBACKEND": "Agg"}
    ran = subprocess.run(
        [sys.executable, str(notebook)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert list(tmp_path.rglob("*.png"))


def test_every_notebook_is_in_the_list_of_notebooks() -> None:
    listed = (_NOTEBOOKS / "README.md").read_text(encoding="utf-8")
    assert all(notebook.name in listed for notebook in _NOTEBOOKS.glob("[0-9]*.py"))
