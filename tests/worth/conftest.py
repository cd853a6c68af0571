import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from worth.cli import main


@dataclass(frozen=True)
class Ran:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The one sentence of a refusal, after what was being done."""
        assert self.code == 1
        *_, last = self.err.splitlines()
        assert self.err.count("worth: ") == 1
        return last.removeprefix("worth: ")


@pytest.fixture
def worth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ran]:
    """Run the command line in this process, in a folder and with a state of its own.

    What it does not refuse in a sentence is raised, as a traceback would be.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORTH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["worth", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main()
        assert isinstance(stop.value.code, int)
        return Ran(stop.value.code, *capsys.readouterr())

    return run
