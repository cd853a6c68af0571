from collections.abc import Callable

import httpx

from serving.access.caller import Caller
from serving.access.limits import RateLimits
from serving.app import create_app
from serving.auth import create_key
from serving.options import ServiceOptions
from serving.store import SQLiteStore

Visit = Callable[..., list[httpx.Response]]


class _Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_no_second_holds_more_requests_than_the_limit() -> None:
    clock = _Clock()
    limits = RateLimits(3, clock=clock)
    caller = Caller("a", ())
    passed = []
    for _ in range(1_000):
        clock.now += 0.07
        if not limits.take(caller).is_exceeded:
            passed.append(clock.now)

    # The third after it comes a second later, or as the first request after that.
    gaps = [later - earlier for earlier, later in zip(passed, passed[3:], strict=False)]
    assert min(gaps) >= 1.0 - 1e-9
    assert max(gaps) < 1.08


def test_callers_have_a_quota_each_and_their_own_limit_goes_first() -> None:
    limits = RateLimits(2, clock=_Clock())
    a, b = Caller("a", ()), Caller("b", (), rate_limit=5)

    assert [limits.take(a).remaining for _ in range(3)] == [1, 0, 0]
    assert limits.take(a).is_exceeded
    assert [limits.take(b).remaining for _ in range(3)] == [4, 3, 2]


def test_quiet_callers_are_forgotten() -> None:
    clock = _Clock()
    limits = RateLimits(2, clock=clock, most_callers=10)
    for number in range(1_000):
        clock.now += 0.2
        limits.take(Caller(str(number), ()))

    assert len(limits) <= 10


def test_every_answer_to_a_known_caller_tells_the_quota(store: SQLiteStore, visit: Visit) -> None:
    headers = {"X-API-Key": create_key(store, ["scores:read"], rate_limit=50)}
    app = create_app(store)
    paths = ("/v1/signals", "/v1/target-lists/preview", "/v1/customers/C-0/score")
    answers = visit(app, [{"url": path, "headers": headers} for path in paths])

    assert [answer.status_code for answer in answers] == [200, 403, 503]
    for number, answer in enumerate(answers, start=1):
        assert answer.headers["RateLimit-Policy"] == '"default";q=50;w=1'
        assert answer.headers["RateLimit"] == f'"default";r={50 - number};t=1'


def test_a_stranger_is_told_no_quota(store: SQLiteStore, visit: Visit) -> None:
    answers = visit(create_app(store), [{"url": "/v1/signals"}, {"url": "/healthz"}])

    for answer in answers:
        assert "RateLimit" not in answer.headers


def test_one_request_too_many_is_refused_and_the_next_second_is_not(
    store: SQLiteStore, visit: Visit
) -> None:
    request = {"url": "/v1/signals", "headers": {"X-API-Key": create_key(store, ["scores:read"])}}
    other = {"url": "/v1/signals", "headers": {"X-API-Key": create_key(store, ["scores:read"])}}
    app = create_app(store, options=ServiceOptions(rate_limit=2))

    *passed, refused, of_another = visit(app, [request] * 3 + [other], pause=1.01)

    assert [answer.status_code for answer in passed] == [200, 200]
    assert refused.status_code == 429
    assert refused.headers["Retry-After"] == "1"
    assert refused.headers["RateLimit"] == '"default";r=0;t=1'
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["detail"].startswith("This key may ask 2 times a second.")
    assert of_another.status_code == 200
    assert visit(app, [request])[0].status_code == 200
