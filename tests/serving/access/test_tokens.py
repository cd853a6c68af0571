import asyncio
import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from fastapi import FastAPI

from serving.access.jwks import InsecureIssuerError, KeySet
from serving.access.refusals import IssuerAwayError
from serving.app import create_app
from serving.auth import create_key
from serving.options import ServiceOptions, TokenIssuer
from serving.store import SQLiteStore

Visit = Callable[..., list[httpx.Response]]

_ISSUER, _AUDIENCE = "https://login.example", "worth"
_KEYS: dict[str, Any] = {
    "RS256": rsa.generate_private_key(65537, 2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
_SMALL = rsa.generate_private_key(65537, 1024)


def _public(name: str, key: Any, **more: str) -> dict[str, Any]:
    algorithm = jwt.get_algorithm_by_name(name)
    document = algorithm.to_jwk(key.public_key(), as_dict=True)  # type: ignore[attr-defined]
    return {**document, "kid": name, **more}


def _key_set(*entries: dict[str, Any]) -> str:
    return json.dumps({"keys": entries or [_public(name, key) for name, key in _KEYS.items()]})


def _token(
    name: str = "RS256", *, key: Any = None, lives: int = 300, starts: int = -1, **claims: Any
) -> str:
    now = int(time.time())
    said = {
        "iss": _ISSUER,
        "aud": _AUDIENCE,
        "sub": "ann@shop.example",
        "exp": now + lives,
        "nbf": now + starts,
        "scope": "openid scores:read",
    } | claims
    said = {claim: value for claim, value in said.items() if value is not None}
    return jwt.encode(said, key or _KEYS[name], name, headers={"kid": name})


def _by(token: str, url: str = "/v1/signals") -> dict[str, Any]:
    return {"url": url, "headers": {"Authorization": f"Bearer {token}"}}


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "jwks.json"
    path.write_text(_key_set())
    return path


@pytest.fixture
def app(store: SQLiteStore, key_file: Path) -> FastAPI:
    """An app that takes the tokens of one issuer."""
    issuer = TokenIssuer(issuer=_ISSUER, audience=_AUDIENCE, jwks_path=key_file)
    return create_app(store, options=ServiceOptions(issuer=issuer, lockout_failures=1_000))


@pytest.mark.parametrize("name", _KEYS)
def test_a_token_of_the_issuer_lets_in(app: FastAPI, visit: Visit, name: str) -> None:
    token = _token(name)
    answers = visit(app, [_by(token), _by(token), _by(token, "/v1/target-lists/preview")])

    assert [answer.status_code for answer in answers] == [200, 200, 403]
    assert answers[2].json()["detail"].endswith("This key has: scores:read.")


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"scope": None, "scp": "scores:read"}, 200),
        ({"scope": None, "scp": ["lists:read", "scores:read"]}, 200),
        ({"scope": "admin"}, 200),
        ({"scope": None}, 403),
        ({"scope": ""}, 403),
        ({"scope": {"scores:read": 1}}, 403),
        ({"scope": "scores:reader"}, 403),
        ({"lives": -5}, 200),  # Clocks differ.
        ({"starts": 5}, 200),
        ({"aud": ["other", _AUDIENCE]}, 200),
    ],
)
def test_its_scopes_and_times_are_read(
    app: FastAPI, visit: Visit, claims: dict[str, Any], status: int
) -> None:
    (answer,) = visit(app, [_by(_token(**claims))])

    assert answer.status_code == status, answer.text


@pytest.mark.parametrize(
    ("claims", "fault"),
    [
        ({"lives": -60}, "it has expired"),
        ({"starts": 3_600}, "it is not valid yet"),
        ({"aud": "another"}, "it is not meant for this service"),
        ({"iss": "https://other.example"}, "it is of another issuer"),
        ({"exp": None}, "it lacks one of the claims iss, aud, exp, sub"),
        ({"aud": None}, "it lacks one of the claims iss, aud, exp, sub"),
        ({"iss": None}, "it lacks one of the claims iss, aud, exp, sub"),
        ({"sub": None}, "it lacks one of the claims iss, aud, exp, sub"),
        ({"sub": 7}, "its signature or a claim of it is wrong"),
        ({"exp": "soon"}, "its signature or a claim of it is wrong"),
        ({"key": rsa.generate_private_key(65537, 2048)}, "its signature or a claim of it is wrong"),
    ],
)
def test_a_token_with_a_wrong_claim_or_signature_is_refused(
    app: FastAPI, visit: Visit, claims: dict[str, Any], fault: str
) -> None:
    (answer,) = visit(app, [_by(_token(**claims))])

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    assert answer.json()["detail"] == f"This token is not taken: {fault}."


def _forged(header: dict[str, Any], sign: Callable[[bytes], bytes]) -> str:
    claims = {
        "iss": _ISSUER,
        "aud": _AUDIENCE,
        "sub": "x",
        "exp": time.time() + 60,
        "scope": "admin",
    }
    parts = [
        base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=") for p in (header, claims)
    ]
    signed = b".".join(parts)
    return b".".join([signed, base64.urlsafe_b64encode(sign(signed)).rstrip(b"=")]).decode()


def _hmac_with_public_key(signed: bytes) -> bytes:
    public = (
        _KEYS["RS256"]
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return hmac.digest(public, signed, hashlib.sha256)


@pytest.mark.parametrize(
    "token",
    [
        _forged({"alg": "none", "kid": "RS256"}, lambda _: b""),
        _forged({"alg": "None", "kid": "RS256"}, lambda _: b""),
        _forged({"kid": "RS256"}, lambda _: b""),
        _forged({"alg": "HS256", "kid": "RS256"}, _hmac_with_public_key),
        _forged({"alg": "ES256", "kid": "RS256"}, lambda _: bytes(64)),
        _forged({"alg": "ES256", "kid": "ES256"}, lambda _: bytes(64)),
        _forged({"alg": "RS256"}, lambda _: b""),
        _forged({"alg": "RS256", "kid": 7}, lambda _: b""),
        _forged({"alg": "RS256", "kid": "nobody"}, lambda _: b""),
        _forged({"alg": "RS256", "kid": "RS256", "crit": ["x"]}, lambda _: b""),
        _token()[:-4] + "AAAA",
        "a.b.c",
        "..",
        "e30.e30.e30",
        _token(scope="x" * 9_000),
        base64.urlsafe_b64encode(b'{"a":' * 900).decode() + ".e30.e30",
    ],
)
def test_a_forged_token_is_refused(app: FastAPI, visit: Visit, token: str) -> None:
    (answer,) = visit(app, [_by(token)])

    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"


def test_no_token_is_taken_where_no_issuer_is_configured(store: SQLiteStore, visit: Visit) -> None:
    (answer,) = visit(create_app(store), [_by(_token())])

    assert answer.status_code == 401


def test_the_actor_is_a_hash_of_the_subject(app: FastAPI, visit: Visit) -> None:
    actors = []

    @app.middleware("http")
    async def note(request: Any, call_next: Any) -> Any:
        answer = await call_next(request)
        actors.append(request.state.actor)
        return answer

    visit(app, [_by(_token()), _by(_token("ES256")), _by(_token(sub="bob@shop.example"))])

    assert actors[0] == actors[1] != actors[2]
    assert all(actor.startswith("token:") and len(actor) == 22 for actor in actors)
    assert "ann" not in actors[0]


@pytest.mark.parametrize(
    "entry",
    [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "RS256"},
        _public("RS256", _KEYS["RS256"], use="enc"),
        _public("RS256", _KEYS["RS256"], alg="HS256"),
        _public("RS256", _SMALL),
        {"kty": "RSA", "n": "!", "e": "AQAB", "kid": "RS256"},
        {"kid": "RS256"},
    ],
    ids=["symmetric", "for encryption", "alg", "too short", "broken", "nothing"],
)
def test_a_key_that_must_not_sign_does_not(
    app: FastAPI, visit: Visit, key_file: Path, entry: dict[str, Any]
) -> None:
    key_file.write_text(_key_set(entry, _public("ES256", _KEYS["ES256"])))

    refused, taken = visit(app, [_by(_token()), _by(_token("ES256"))])

    assert (refused.status_code, taken.status_code) == (401, 200)


class TestAway:
    @pytest.mark.parametrize("content", [None, "", "{", "[]", "{}", '{"keys": []}'])
    def test_tokens_wait_and_keys_go_on_while_the_issuer_is_away(
        self,
        app: FastAPI,
        store: SQLiteStore,
        visit: Visit,
        key_file: Path,
        content: str | None,
    ) -> None:
        key_file.unlink() if content is None else key_file.write_text(content)
        key = create_key(store, ["scores:read"])

        by_token, by_key = visit(app, [_by(_token()), _by(key)])

        assert by_token.status_code == 503
        assert 1 <= int(by_token.headers["Retry-After"]) <= 10
        assert by_token.headers["content-type"] == "application/problem+json"
        assert by_token.json()["title"] == "Token issuer not available"
        assert by_key.status_code == 200

    @pytest.mark.parametrize("url", ["http://login.example/jwks", "ftp://a/b", "file:///a", "a"])
    def test_keys_are_not_fetched_where_anybody_can_change_them(
        self, store: SQLiteStore, url: str
    ) -> None:
        issuer = TokenIssuer(issuer=_ISSUER, audience=_AUDIENCE, jwks_url=url)
        with pytest.raises(InsecureIssuerError, match="must begin with https://"):
            create_app(store, options=ServiceOptions(issuer=issuer))


class _Login:
    """An issuer's server of keys; `content` may be None, and then it is away."""

    def __init__(self) -> None:
        self.content: str | None = _key_set(_public("RS256", _KEYS["RS256"]))
        self.n_asked = 0
        login = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                login.n_asked += 1
                self.send_response(200 if login.content is not None else 500)
                self.end_headers()
                self.wfile.write((login.content or "").encode())

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        host, port = self.server.server_address[:2]
        self.issuer = TokenIssuer(
            issuer=_ISSUER, audience=_AUDIENCE, jwks_url=f"http://{host!s}:{port}/jwks"
        )


@pytest.fixture
def login() -> Iterator[_Login]:
    login = _Login()
    thread = threading.Thread(target=login.server.serve_forever, args=(0.01,))
    thread.start()
    yield login
    login.server.shutdown()
    thread.join()
    login.server.server_close()


class _Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


class TestAddress:
    def test_keys_are_fetched_once_for_many_tokens(
        self, login: _Login, store: SQLiteStore, visit: Visit
    ) -> None:
        app = create_app(store, options=ServiceOptions(issuer=login.issuer))
        answers = visit(app, [_by(_token(sub=str(n))) for n in range(20)])

        assert {answer.status_code for answer in answers} == {200}
        assert login.n_asked == 1

    async def _key(self, keys: KeySet, kid: str) -> str | None:
        found = await keys.key(kid)
        return found.algorithm_name if found else None

    def test_an_unknown_key_is_asked_for_at_most_once_a_minute(self, login: _Login) -> None:
        clock = _Clock()
        keys = KeySet(login.issuer, clock=clock)

        async def ask() -> None:
            assert await self._key(keys, "RS256") == "RS256"
            login.content = _key_set()
            for _ in range(5):
                assert await self._key(keys, "ES256") is None
            clock.now += 60.0
            assert await self._key(keys, "ES256") == "ES256"
            assert login.n_asked == 2

        asyncio.run(ask())

    def test_many_that_wait_for_the_same_keys_ask_once(self, login: _Login) -> None:
        keys = KeySet(login.issuer, clock=_Clock())

        async def ask() -> list[str | None]:
            return await asyncio.gather(*(self._key(keys, "RS256") for _ in range(50)))

        assert set(asyncio.run(ask())) == {"RS256"}
        assert login.n_asked == 1

    def test_known_keys_outlive_an_issuer_that_is_away(self, login: _Login) -> None:
        clock = _Clock()
        keys = KeySet(login.issuer, clock=clock)

        async def ask() -> None:
            assert await self._key(keys, "RS256") == "RS256"
            login.content = None
            clock.now += 4_000.0
            assert await self._key(keys, "RS256") == "RS256"
            with pytest.raises(IssuerAwayError) as refusal:
                await keys.key("ES256")
            assert refusal.value.headers == {"Retry-After": "10"}
            assert await self._key(keys, "RS256") == "RS256"
            login.content = _key_set()
            clock.now += 10.0
            assert await self._key(keys, "ES256") == "ES256"

        asyncio.run(ask())

    def test_a_withdrawn_key_is_forgotten_after_an_hour(self, login: _Login) -> None:
        clock = _Clock()
        keys = KeySet(login.issuer, clock=clock)

        async def ask() -> None:
            assert await self._key(keys, "RS256") == "RS256"
            login.content = _key_set(_public("ES256", _KEYS["ES256"]))
            clock.now += 3_601.0
            await self._key(keys, "RS256")
            assert await self._key(keys, "ES256") == "ES256"
            assert await self._key(keys, "RS256") is None

        asyncio.run(ask())

    def test_a_key_set_without_end_is_not_read_to_its_end(self, login: _Login) -> None:
        login.content = " " * 2_000_000 + _key_set()

        with pytest.raises(IssuerAwayError):
            asyncio.run(KeySet(login.issuer).key("RS256"))
