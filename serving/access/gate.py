"""Let a request pass, or refuse it: by its key, its quota and its scope."""

import hashlib
import hmac
import secrets

from fastapi import Request

from serving.access.caller import Caller
from serving.access.keyring import Keyring
from serving.access.limits import RateLimits
from serving.access.lockout import Lockouts, place_of
from serving.access.notes import Notes
from serving.access.refusals import (
    NotAllowedError,
    NotAuthenticatedError,
    TooManyRequestsError,
)
from serving.access.scopes import Scope, allows
from serving.options import ServiceOptions
from serving.store import Store

__all__ = ["Gate"]

_KEY_MARK = "wk_"


class Gate:
    """Who comes in, for one worker of the service.

    Parameters
    ----------
    store : Store
        Where the keys are.
    options : ServiceOptions
        Limits, and who may sign tokens.
    """

    def __init__(self, store: Store, options: ServiceOptions) -> None:
        self._notes = Notes(store)
        self._keys = Keyring(store, self._notes)
        self._tokens = None
        if options.issuer is not None:
            # Cryptography takes its time to import, which services without tokens save.
            from serving.access.tokens import Tokens

            self._tokens = Tokens(options.issuer)
        self._limits = RateLimits(options.rate_limit)
        self._lockouts = Lockouts(options.lockout_failures)
        self._most_failures = options.lockout_failures
        # Addresses are personal data. Under a key that dies with the process they tell no more
        # than whether two lock-outs were of one place.
        self._address_key = secrets.token_bytes(32)

    async def admit(self, request: Request, credential: str | None, scope: Scope) -> Caller:
        """Let a request pass, or refuse it.

        Parameters
        ----------
        request : Request
            Its state then holds the `caller`, the `actor` (their name) and their `quota`.
        credential : str, optional
            A key or a token.
        scope : str
            What the operation asks for.

        Returns
        -------
        Caller
            Who sends it.

        Raises
        ------
        NotAuthenticatedError
            If the credential is missing or not in force.
        NotAllowedError
            If it lacks the scope.
        TooManyRequestsError
            If its quota is used up, or too many wrong keys came from its address.
        IssuerAwayError
            If a token cannot be checked now.
        """
        if not credential:
            raise NotAuthenticatedError(
                "This needs an API key, sent as 'Authorization: Bearer <key>'. "
                f"'worth keys create --scope {scope}' makes one.",
                is_missing=True,
            )
        caller = await self._caller_of(request, credential)
        quota = self._limits.take(caller)
        # What `request.state` holds, which takes longer to reach one by one.
        request.scope.setdefault("state", {}).update(caller=caller, actor=caller.actor, quota=quota)
        if quota.is_exceeded:
            raise TooManyRequestsError(
                f"This key may ask {quota.limit:,} times a second. Ask less often, or let 'worth "
                "keys create --rate-limit' make a key that may ask more.",
                retry_after=1,
            )
        if not allows(caller.scopes, scope):
            raise NotAllowedError(scope, caller.scopes)
        return caller

    async def _caller_of(self, request: Request, credential: str) -> Caller:
        try:
            if self._tokens is None or credential.startswith(_KEY_MARK):
                return await self._keys.caller_of(credential)
            return await self._tokens.caller_of(credential)
        except NotAuthenticatedError as error:
            if error.is_guess:
                self._count_failure(request)
            raise

    def _count_failure(self, request: Request) -> None:
        """Refuse a wrong key as one too many; right ones pass even from an address locked out."""
        place = place_of(request.client.host if request.client else None)
        wait = self._lockouts.wait(place)
        if wait == 0:
            if not self._lockouts.fail(place):
                return
            self._notes.locked_out(self._actor_of(place), self._most_failures)
            wait = self._lockouts.wait(place)
        raise TooManyRequestsError(
            f"Too many wrong keys came from this address. It must wait {wait} seconds with "
            "another; right keys are still taken.",
            retry_after=wait,
        )

    def _actor_of(self, place: str) -> str:
        digest = hmac.new(self._address_key, place.encode(), hashlib.sha256).hexdigest()
        return f"address:{digest[:16]}"
