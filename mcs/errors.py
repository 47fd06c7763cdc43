"""Every exception that mcs raises on purpose, and what its catcher does next.

McsError
  BadName                 a cluster or pod name that cannot be used: tell the user
  BadQuantity             not a Kubernetes quantity: tell the user
  BadSubject              not one of our subjects: park the message
  BadFrame                bytes that are not a frame: park the message
  BadManifest             a saved pod that cannot be read: pass over the object, say so
  BadGroup                annotations that describe no group of pods: tell the user
  BadSettings             an option or a file of the user's is wrong: tell the user
  NoSuchMoment            the log does not reach there: tell the user
  LogError
    Refused               another append was first: fold on (scheduler: step down)
    Uncertain             no answer came; it may be stored: settle before anything else
    Unavailable           nothing reached the log: try again
    LogLost               the log ends before what was known, or is another one: stop
      NoStream            there is no such stream: at a start wait for it, later stop
    TooLarge              the message exceeds what the server takes: split or refuse it
    BadSnapshot           a saved state that cannot be used: take an older one, or the log
  ClusterError
    NotFound              404
    AlreadyExists         409 on create
    Conflict              409 on everything else: read again
    Forbidden             403: rights or quota, in the API server's words
    Invalid               400 or 422: the object is wrong, in the API server's words
    Expired               410: list again
    Busy                  429 or 503 with Retry-After: wait
    Unreachable           no answer, or 5xx: the call may have acted
  Deposed                 somebody newer writes for this cluster: this process stops
"""

from __future__ import annotations


class McsError(Exception):
    """Root of every exception mcs raises on purpose."""


class BadName(McsError):
    """A cluster, pod or namespace name that cannot be used."""


class BadQuantity(McsError):
    """Not a Kubernetes quantity."""


class BadSubject(McsError):
    """Not a subject of the two logs."""


class BadFrame(McsError):
    """Bytes that are not a frame, or a frame that does not belong to its subject."""


class BadManifest(McsError):
    """A pod saved on a proxy, or in a decision, that cannot be read."""


class BadGroup(McsError):
    """Annotations of a pod that describe no group."""


class BadSettings(McsError):
    """An option, an environment variable or a file of the user's is wrong."""


class NoSuchMoment(McsError):
    """A moment before the log's head, beyond its end, or in the future."""


class LogError(McsError):
    """Something about the event log."""


class Refused(LogError):
    """The append's expected last sequence was not the stream's: somebody else was first."""

    def __init__(self, expected: int, actual: int | None = None) -> None:
        super().__init__(f"append refused: expected last sequence {expected}, log has {actual}")
        self.expected = expected
        self.actual = actual


class Uncertain(LogError):
    """No answer came to an append; the message may or may not be stored."""


class Unavailable(LogError):
    """The log cannot be reached; nothing was written."""


class LogLost(LogError):
    """The log ends before what was known of it, or is not the log that was known."""


class NoStream(LogLost):
    """There is no such stream: not yet, or not any more."""


class TooLarge(LogError):
    """A message is larger than the server accepts."""


class BadSnapshot(LogError):
    """A saved state that is damaged, of another version, or not of this log."""


class ClusterError(McsError):
    """An API server answered otherwise than hoped; ``message`` holds its words, ``where`` the
    request that it answered (``create pods/binding default/a at https://…``).
    """

    def __init__(self, message: str, *, code: int = 0, reason: str = "", where: str = "") -> None:
        super().__init__(f"{where}: {message}" if where else message)
        self.message = message
        self.where = where
        self.code = code
        self.reason = reason


class NotFound(ClusterError):
    """404: the object, or the kind, is not there."""


class AlreadyExists(ClusterError):
    """409 on create: an object of that name is there."""


class Conflict(ClusterError):
    """409: a precondition (uid, resourceVersion) failed, or a binding was late."""


class Forbidden(ClusterError):
    """403: missing rights, a quota, or an admission plugin's refusal."""


class Invalid(ClusterError):
    """400 or 422: the API server will never take this object."""


class Expired(ClusterError):
    """410: the resourceVersion is too old; list again."""


class Busy(ClusterError):
    """429, or 503 with Retry-After: wait ``retry_after_s`` seconds."""

    def __init__(
        self, message: str, *, code: int = 429, retry_after_s: float = 1.0, where: str = ""
    ) -> None:
        super().__init__(message, code=code, reason="TooManyRequests", where=where)
        self.retry_after_s = retry_after_s


class Unreachable(ClusterError):
    """No answer, or a 5xx: a write may have acted all the same."""


class Deposed(McsError):
    """Somebody newer writes in this process's stead; it must stop."""
