"""How a caller is refused.

NotAuthenticatedError    401, no key, or none that is in force
NotAllowedError          403, a key without the scope
TooManyRequestsError     429, a key over its limit, or an address with too many wrong keys
IssuerAwayError          503, a token that cannot be checked now
"""

from serving.access.scopes import Scope
from serving.errors import ServiceError

__all__ = ["IssuerAwayError", "NotAllowedError", "NotAuthenticatedError", "TooManyRequestsError"]


class NotAuthenticatedError(ServiceError):
    """Raised for a missing, wrong, expired or revoked key or token.

    Parameters
    ----------
    detail : str
        What is wrong with it.
    is_guess : bool, default True
        Whether it may be somebody's try; a key that was right once is none.
    is_missing : bool, default False
        Whether there was none at all.
    """

    status = 401
    title = "Not authenticated"

    def __init__(self, detail: str, *, is_guess: bool = True, is_missing: bool = False) -> None:
        super().__init__(detail)
        self.is_guess = is_guess and not is_missing
        # RFC 6750, 3.1: who sent nothing is not told of an error.
        challenge = "Bearer" if is_missing else 'Bearer error="invalid_token"'
        self.headers = {"WWW-Authenticate": challenge}


class NotAllowedError(ServiceError):
    """Raised for a key or token without the scope.

    Parameters
    ----------
    scope : str
        What the operation asks for.
    granted : tuple of str
        What the caller has.
    """

    status = 403
    title = "Not allowed"

    def __init__(self, scope: Scope, granted: tuple[str, ...]) -> None:
        super().__init__(
            f"This needs a key with the scope {scope}. This key has: "
            f"{', '.join(granted) or 'none'}."
        )
        challenge = f'Bearer error="insufficient_scope", scope="{scope}"'
        self.headers = {"WWW-Authenticate": challenge}


class TooManyRequestsError(ServiceError):
    """Raised where a caller must wait.

    Parameters
    ----------
    detail : str
        Why.
    retry_after : int
        For how many seconds.
    """

    status = 429
    title = "Too many requests"

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail)
        self.headers = {"Retry-After": str(retry_after)}


class IssuerAwayError(ServiceError):
    """Raised where the keys that sign tokens cannot be had; API keys go on.

    Parameters
    ----------
    retry_after : int
        Seconds until they are asked for again.
    """

    status = 503
    title = "Token issuer not available"

    def __init__(self, retry_after: int) -> None:
        super().__init__(
            "This token cannot be checked now: the keys of its issuer cannot be had. API keys work."
        )
        self.headers = {"Retry-After": str(retry_after)}
