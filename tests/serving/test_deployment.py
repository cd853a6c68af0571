import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from worth.settings import Settings

_ROOT = Path(__file__).parents[2]
_UNIT = _ROOT / "deploy" / "worth.service"
_DOCKERFILE = _ROOT / "deploy" / "Dockerfile"
_README = _ROOT / "deploy" / "README.md"
_BUILD = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
# With an option that it does not know, a command says so instead of showing its help.
_ASK = """
import sys, worth.cli
print(worth.__file__)
for command in sys.argv[1:]:
    sys.argv[:] = [*command.split(), "--help"]
    try:
        worth.cli.main()
    except SystemExit as ended:
        print("ended:", command, ended.code or 0)
"""


def _copied() -> list[str]:
    lines = re.findall(r"^COPY (?!--from)(.+)$", _DOCKERFILE.read_text(), flags=re.MULTILINE)
    return [source for line in lines for source in line.split()[:-1]]


def _said_to_run() -> set[str]:
    """Find the commands of worth in all that deploys it."""
    entry, default = re.findall(r'^(?:ENTRYPOINT|CMD) \["(\w+)"\]$', _DOCKERFILE.read_text(), re.M)
    (unit,) = re.findall(r"^ExecStart=\S+/(worth .+)$", _UNIT.read_text(), re.M)
    readme = re.findall(r"(?:bin/worth|:ro\" worth) ([a-z][^`,\n]*)", _README.read_text())
    return {f"{entry} {default}", unit, *(f"worth {rest}" for rest in readme)}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the image would install, made of nothing but what it copies."""
    folder = tmp_path_factory.mktemp("image")
    without = shutil.ignore_patterns("__pycache__")
    for source in map(Path, _copied()):
        if (_ROOT / source).is_dir():
            shutil.copytree(_ROOT / source, folder / source, ignore=without)
        else:
            (folder / source).parent.mkdir(exist_ok=True)
            shutil.copy(_ROOT / source, folder / source)
    subprocess.run(
        [sys.executable, "-c", _BUILD, str(folder)], cwd=folder, check=True, capture_output=True
    )
    (wheel,) = folder.glob("*.whl")
    shutil.unpack_archive(wheel, folder / "installed", format="zip")
    return folder / "installed"


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
    assert len(_copied()) > 8
    assert [source for source in _copied() if not (_ROOT / source).exists()] == []


def test_the_image_has_every_file_of_its_packages(installed: Path) -> None:
    packages = [_ROOT / source for source in _copied() if (_ROOT / source).is_dir()]
    files = [file for package in packages for file in package.rglob("*") if file.is_file()]
    expected = {str(f.relative_to(_ROOT)) for f in files if "__pycache__" not in f.parts}

    assert {name for name in expected if not (installed / name).is_file()} == set()


def test_every_command_that_deploys_is_one_of_worth(installed: Path, tmp_path: Path) -> None:
    commands = _said_to_run()
    assert {"worth serve", "worth score"} <= commands
    assert "worth serve --config /etc/worth/worth.toml" in commands

    ran = subprocess.run(
        [sys.executable, "-c", _ASK, *sorted(commands)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout.startswith(str(installed)), ran.stderr
    ended = re.findall(r"^ended: (.+) (\d+)$", ran.stdout, re.M)
    assert ended == [(command, "0") for command in sorted(commands)]


def test_every_variable_that_deploys_is_a_setting() -> None:
    texts = [path.read_text() for path in (_DOCKERFILE, _UNIT, _README)]
    names = {name for text in texts for name in re.findall(r"WORTH_([A-Z_]+)=", text)}

    assert names >= {"HOME", "HOST", "PORT"}
    assert {name.lower() for name in names} <= set(Settings.model_fields)


def test_the_image_runs_as_nobody_special_and_looks_after_itself() -> None:
    text = _DOCKERFILE.read_text()

    assert text.index("USER worth") < text.index("ENTRYPOINT")
    assert "--require-hashes" in text
    assert "/healthz" in text.partition("HEALTHCHECK")[2]
