from collections.abc import Callable

import httpx

from features.signals.catalogue import CATALOGUE
from serving.store import SQLiteStore

Ask = Callable[..., httpx.Response]


class TestSignals:
    def test_a_post_is_405(self, ask_of: Ask, store: SQLiteStore) -> None:
        assert ask_of(store, "/v1/signals", method="POST").status_code == 405

    def test_every_signal_is_listed_before_anything_is_published(
        self, ask_of: Ask, store: SQLiteStore
    ) -> None:
        entries = ask_of(store, "/v1/signals").json()

        assert [entry["name"] for entry in entries] == list(CATALOGUE)
        assert all(entry["meaning"] and entry["unit"] for entry in entries)

    def test_a_class_has_values_and_a_number_has_a_range(
        self, ask_of: Ask, store: SQLiteStore
    ) -> None:
        entries = {entry["name"]: entry for entry in ask_of(store, "/v1/signals").json()}

        assert (entries["frequency"]["low"], entries["frequency"]["high"]) == (0, None)
        for entry in entries.values():
            assert bool(entry["values"]) == (entry["unit"] == "class")
