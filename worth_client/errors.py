"""What the service refuses, as exceptions.

WorthError               the service refused; `problem` says what, where and the way out
└── ServiceAwayError     it did not answer, or asked to try again later, until patience ran out
"""

from worth_client.answers import Problem

__all__ = ["ServiceAwayError", "WorthError"]


class WorthError(Exception):
    """Raised where the service refuses.

    Parameters
    ----------
    problem : Problem
        As RFC 9457 has it.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem['title']} ({problem['status']}): {problem['detail']}")
        self.problem = problem

    @property
    def status(self) -> int:
        """The HTTP status; 0 where there was no answer."""
        return self.problem["status"]


class ServiceAwayError(WorthError):
    """Raised where the service does not answer, or is busy, for longer than the client waits."""
