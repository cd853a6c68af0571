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
        for said in ("meaning", "unit", "label", "label_zh", "null_means"):
            assert all(entry[said] for entry in entries)

    def test_an_entry_says_what_people_call_the_signal(
        self, ask_of: Ask, store: SQLiteStore
    ) -> None:
        entry = ask_of(store, "/v1/signals").json()[0]

        assert (entry["label"], entry["label_zh"]) == ("Repeat purchases", "复购次数")

    def test_a_number_has_a_range_and_a_class_its_words_or_the_companys(
        self, ask_of: Ask, store: SQLiteStore
    ) -> None:
        entries = {entry["name"]: entry for entry in ask_of(store, "/v1/signals").json()}

        assert (entries["frequency"]["low"], entries["frequency"]["high"]) == (0, None)
        assert entries["lifecycle"]["values"] == ["new", "active", "slowing", "silent", "ended"]
        assert entries["favourite_category"]["values"] == []
        for entry in entries.values():
            if entry["unit"] == "class":
                assert entry["low"] is entry["high"] is None
            else:
                assert not entry["values"]
