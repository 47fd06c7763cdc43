"""AdmissionReview in, AdmissionReview out: bytes to bytes, whatever the bytes are. Pure."""

from __future__ import annotations

import base64
from typing import Final

import msgspec

from mcs.names import Keys
from mcs.objects.admission import Admitted, Refused, Rules, mutate
from mcs.objects.kinds import Camel
from mcs.objects.patching import Json

JSON: Final = "application/json"
_OK: Final = 200
_BAD_REQUEST: Final = 400
_encode: Final = msgspec.json.Encoder().encode


class _Request(Camel, frozen=True, kw_only=True):
    """The part of ``request`` that decides."""

    uid: str
    namespace: str = ""
    operation: str = ""
    sub_resource: str = ""
    pod: dict[str, object] | None = msgspec.field(name="object", default=None)


class _Review(Camel, frozen=True, kw_only=True):
    request: _Request
    api_version: str = "admission.k8s.io/v1"


_decoder = msgspec.json.Decoder(_Review)


def review(body: bytes, keys: Keys, rules: Rules | None = None) -> tuple[int, bytes]:
    """HTTP status and body of the answer to an AdmissionReview (v1).

    A body that is none gets 400 and a sentence: to the API server the webhook then failed, and
    ``failurePolicy`` decides.
    """
    try:
        request = _decoder.decode(body).request
        answer = _answer(request, keys, rules)
    except (msgspec.DecodeError, UnicodeError) as error:
        return _BAD_REQUEST, _complaint(f"not an AdmissionReview of a pod: {error}")
    except (AttributeError, TypeError, ValueError) as error:  # JSON of a pod that is no pod
        return _BAD_REQUEST, _complaint(f"not a pod: {error}")
    response: Json = {"uid": request.uid, "allowed": isinstance(answer, Admitted)}
    match answer:
        case Admitted(operations=operations, warnings=warnings):
            if operations:
                response["patchType"] = "JSONPatch"
                response["patch"] = base64.b64encode(_encode(operations)).decode()
            if warnings:
                response["warnings"] = warnings
        case Refused(message=message, code=code):
            response["status"] = {"message": message, "code": code, "status": "Failure"}
    return _OK, _encode(
        {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
    )


def _answer(request: _Request, keys: Keys, rules: Rules | None) -> Admitted | Refused:
    if request.operation not in {"CREATE", ""} or request.sub_resource:
        return Admitted()  # only a wrong registration would ask
    return mutate(request.pod or {}, keys, rules, namespace=request.namespace)


def _complaint(sentence: str) -> bytes:
    return _encode({"kind": "Status", "apiVersion": "v1", "message": sentence, "code": 400})
