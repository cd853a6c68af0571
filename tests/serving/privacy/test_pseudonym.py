import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from serving.privacy.pseudonym import PseudonymKeyError, Pseudonyms

_FILE = "pseudonym.key"


def test_a_folder_keeps_its_key(tmp_path: Path) -> None:
    first = Pseudonyms.kept_in(tmp_path).of("C-1")
    assert Pseudonyms.kept_in(tmp_path).of("C-1") == first


def test_two_folders_name_a_customer_differently(tmp_path: Path) -> None:
    names = {Pseudonyms.kept_in(tmp_path / home).of("C-1") for home in ("a", "b")}
    assert len(names) == 2


def test_nobody_else_can_read_the_key(tmp_path: Path) -> None:
    Pseudonyms.kept_in(tmp_path)
    assert stat.S_IMODE((tmp_path / _FILE).stat().st_mode) == 0o600


def test_processes_that_begin_together_share_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        names = set(pool.map(lambda _: Pseudonyms.kept_in(tmp_path).of("C-1"), range(32)))
    assert len(names) == 1


def test_a_key_that_is_gone_is_not_made_anew_where_somebody_was_erased(tmp_path: Path) -> None:
    with pytest.raises(PseudonymKeyError, match=r"is gone.*Restore it from a backup"):
        Pseudonyms.kept_in(tmp_path, may_be_new=False)


@pytest.mark.parametrize("text", ["", "abcd", "no key"])
def test_a_file_that_is_no_key_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / _FILE).write_text(text)
    with pytest.raises(PseudonymKeyError, match=_FILE):
        Pseudonyms.kept_in(tmp_path)


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file, not a folder")
    with pytest.raises((PseudonymKeyError, OSError)):
        Pseudonyms.kept_in(tmp_path / "home")
