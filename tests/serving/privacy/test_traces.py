from serving.privacy.erasure import erase
from serving.privacy.pseudonym import Pseudonyms
from serving.store import SQLiteStore

_WHO = "Erika-Mustermann-4711"
_NAME = "Erika Gabler, Heidestraße 17"


def test_no_trace_is_left_in_the_files_of_the_store(
    filled: SQLiteStore, pseudonyms: Pseudonyms
) -> None:
    files = lambda: list(filled.path.parent.glob(f"{filled.path.name}*"))  # noqa: E731
    needles = [_WHO.encode() + b'"', f"order_id of {_WHO}".encode(), _NAME.encode()]
    before = b"".join(file.read_bytes() for file in files())
    assert all(needle in before for needle in needles)

    assert erase(filled, pseudonyms, _WHO, reason="a test", actor="user:test").is_purged
    filled.close()

    after = b"".join(file.read_bytes() for file in files())
    assert not any(needle in after for needle in needles)
    assert b"order_id of Bob" in after
