"""An API server's answers and a connection's failures, as mcs's errors.

The API server says what went wrong in a ``Status`` object; its code and reason choose the class,
never its text. See https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from mcs.errors import (
    AlreadyExists,
    Busy,
    ClusterError,
    Conflict,
    Expired,
    Forbidden,
    Invalid,
    NotFound,
    Unreachable,
)

BODY_SHOWN: Final = 300  # bytes of an answer that is no Status, in an error's message
RETRY_AFTER_S: Final = 1.0
_INVALID: Final = frozenset({400, 405, 406, 413, 415, 422})


class Cause(msgspec.Struct):
    """One reason of a refusal, and the field that it concerns."""

    field: str = ""


class Details(msgspec.Struct, rename="camel"):
    """What a Status adds for programs."""

    retry_after_seconds: float = 0
    causes: tuple[Cause, ...] | None = None


class Status(msgspec.Struct):
    """``v1.Status``, as far as we read it."""

    message: str = ""
    reason: str = ""
    code: int = 0
    details: Details | None = None


_UID: Final = Cause(field="metadata.uid")
_status: Final = msgspec.json.Decoder(Status)


def translated(code: int, headers: Mapping[str, str], body: bytes, where: str) -> ClusterError:
    """The error that an HTTP answer of ``code`` means."""
    try:
        status = _status.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):  # a proxy's page, or nothing
        status = Status(message=body[:BODY_SHOWN].decode(errors="replace").strip())
    return from_status(status, where, code=code, retry_after=headers.get("Retry-After", ""))


def from_status(
    status: Status, where: str, *, code: int = 0, retry_after: str = ""
) -> ClusterError:
    """The error that a Status means; ``code`` is HTTP's, for a Status that has none."""
    code = status.code or code
    message = status.message or f"HTTP {code}"
    waits = [float(retry_after)] if retry_after.isdigit() else []
    details = status.details
    if details is not None and details.retry_after_seconds:
        waits.append(details.retry_after_seconds)
    if code == 429 or (code == 503 and waits):
        wait_s = waits[0] if waits else RETRY_AFTER_S
        return Busy(message, code=code, retry_after_s=wait_s, where=where)
    kind = _class(code, status.reason)
    if kind is Invalid and details is not None and _UID in (details.causes or ()):
        kind = Conflict  # a patch's uid precondition failed; the API server calls it immutable
    if code == 401:
        message += " (the credentials are not accepted; are they expired?)"
    return kind(message, code=code, reason=status.reason, where=where)


def _class(code: int, reason: str) -> type[ClusterError]:
    if code == 409:
        return AlreadyExists if reason == "AlreadyExists" else Conflict
    if code in _INVALID:
        return Invalid
    if code >= 500 or code in {401, 408}:
        # 401 too: an expired token must not pass for a refusal of the object, it will be renewed
        return Unreachable
    return {403: Forbidden, 404: NotFound, 410: Expired}.get(code, ClusterError)


def unreachable(error: Exception, where: str) -> Unreachable:
    """A failure of the connection."""
    text = str(error) or type(error).__name__
    if isinstance(error, TimeoutError):
        text = "no answer in time"
    return Unreachable(text, where=where)
