from collections.abc import Callable

import httpx

from serving.store import SQLiteStore

Ask = Callable[..., httpx.Response]


class TestHealth:
    def test_a_process_without_scores_is_alive(self, ask_of: Ask, store: SQLiteStore) -> None:
        answer = ask_of(store, "/healthz", scopes=())

        assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


class TestReadiness:
    def test_a_service_without_scores_is_not_ready(self, ask_of: Ask, store: SQLiteStore) -> None:
        answer = ask_of(store, "/readyz", scopes=())

        assert answer.status_code == 503
        assert answer.json()["title"] == "Nothing published"

    def test_a_ready_service_says_how_old_its_scores_are(self, ask: Ask) -> None:
        answer = ask("/readyz", scopes=())

        assert answer.json() == {
            "status": "ready",
            "as_of": "1998-06-30",
            "n_customers": 2357,
            "model_version": "1",
        }
