"""Each answer of an API server becomes the error that its catcher knows what to do with."""

import json

import pytest

from mcs.adapters.kubernetes_errors import translated, unreachable
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

WHERE = "create pods n/a at https://api"


def answer(code, reason="", **more):
    return json.dumps({"kind": "Status", "message": "words", "reason": reason, **more}).encode()


@pytest.mark.parametrize(
    ("code", "reason", "expected"),
    [
        (400, "BadRequest", Invalid),
        (401, "Unauthorized", Unreachable),
        (403, "Forbidden", Forbidden),
        (404, "NotFound", NotFound),
        (405, "MethodNotAllowed", Invalid),
        (409, "AlreadyExists", AlreadyExists),
        (409, "Conflict", Conflict),
        (409, "", Conflict),
        (410, "Expired", Expired),
        (410, "Gone", Expired),
        (413, "RequestEntityTooLarge", Invalid),
        (415, "UnsupportedMediaType", Invalid),
        (418, "", ClusterError),
        (422, "Invalid", Invalid),
        (429, "TooManyRequests", Busy),
        (500, "InternalError", Unreachable),
        (503, "ServiceUnavailable", Unreachable),
        (504, "Timeout", Unreachable),
    ],
)
def test_code_and_reason_choose_the_class(code, reason, expected):
    error = translated(code, {}, answer(code, reason), WHERE)

    assert type(error) is expected
    assert error.message.startswith("words")
    assert str(error).startswith(f"{WHERE}: words")
    assert error.code == code


@pytest.mark.parametrize(
    ("code", "headers", "details", "wait_s"),
    [
        (429, {"Retry-After": "7"}, None, 7.0),
        (429, {}, {"retryAfterSeconds": 3}, 3.0),
        (429, {"Retry-After": "soon"}, None, 1.0),
        (503, {"Retry-After": "2"}, None, 2.0),
    ],
)
def test_a_busy_server_says_how_long_to_wait(code, headers, details, wait_s):
    error = translated(code, headers, answer(code, details=details), WHERE)

    assert type(error) is Busy
    assert error.retry_after_s == wait_s


def test_a_failed_uid_precondition_of_a_patch_is_a_conflict():
    details = {"causes": [{"reason": "FieldValueInvalid", "field": "metadata.uid"}]}
    error = translated(422, {}, answer(422, "Invalid", details=details), WHERE)

    assert type(error) is Conflict


@pytest.mark.parametrize("body", [b"<html>Bad Gateway</html>", b"", b"\xff\xfe", b"[1]"])
def test_an_answer_that_is_no_status_is_shown(body):
    error = translated(502, {}, body, WHERE)

    assert type(error) is Unreachable
    assert error.code == 502
    assert error.message


def test_a_long_foreign_answer_is_cut():
    assert len(translated(502, {}, b"x" * 10_000, WHERE).message) <= 300


def test_a_broken_connection_is_named():
    assert str(unreachable(TimeoutError(), WHERE)) == f"{WHERE}: no answer in time"
    assert str(unreachable(OSError("refused"), WHERE)) == f"{WHERE}: refused"
    assert str(unreachable(OSError(), WHERE)) == f"{WHERE}: OSError"
