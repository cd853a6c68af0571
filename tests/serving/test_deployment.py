import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_UNIT = _ROOT / "deploy" / "worth.service"
_DOCKERFILE = _ROOT / "deploy" / "Dockerfile"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="this machine has no systemd")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    # It looks whether the program is there.
    text = _UNIT.read_text().replace("/opt/worth/.venv/bin/worth", sys.executable)
    (tmp_path / "worth.service").write_text(text)
    command = ["systemd-analyze", "verify", str(tmp_path / "worth.service")]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)

    about_us = [line for line in ran.stderr.splitlines() if "worth.service" in line]
    assert (ran.returncode, about_us) == (0, [])


def test_all_that_the_image_copies_is_there() -> None:
    lines = re.findall(r"^COPY (?!--from)(.+)$", _DOCKERFILE.read_text(), flags=re.MULTILINE)
    sources = [source for line in lines for source in line.split()[:-1]]

    assert len(sources) > 8
    assert [source for source in sources if not (_ROOT / source).exists()] == []


def test_the_image_runs_as_nobody_special_and_looks_after_itself() -> None:
    text = _DOCKERFILE.read_text()

    assert text.index("USER worth") < text.index("ENTRYPOINT")
    assert "--require-hashes" in text
    assert "/healthz" in text.partition("HEALTHCHECK")[2]
