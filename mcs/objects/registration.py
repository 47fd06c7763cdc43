"""What an agent registers with its API server: the webhook, and two admission policies.

Kubernetes asks the webhook only about pods that carry the annotation, in namespaces that opted in,
so nothing else ever waits for us. The policies need no server of ours: one keeps everybody but the
agent from binding pods to virtual nodes (a taint does not stop DaemonSets that tolerate all), one
keeps the saved manifest what admission made it, for the delegate is created from it.

What a policy forbids stands in its match conditions, so that its validations are evaluated for next
to no pod: an API server converts the object anew for each list of expressions that it evaluates.
(The other way round, both policies took a sixth of the CPU that a burst of pods costs it.)
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, cast

import msgspec

from mcs.names import NAMESPACE_ENABLED, NAMESPACE_LABEL, Keys
from mcs.objects.patching import Json

WEBHOOK: Final = "mcs-elected-pods"
NODES_POLICY: Final = "mcs-virtual-nodes"
MANIFEST_POLICY: Final = "mcs-saved-manifests"
PATH: Final = "/mutate"
TIMEOUT_S: Final = 10

_API: Final = "admissionregistration.k8s.io/v1"
_OPT_IN: Final[Json] = {"matchLabels": {NAMESPACE_LABEL: NAMESPACE_ENABLED}}


class Url(msgspec.Struct, frozen=True):
    """The webhook outside the cluster: ``https://host:port``, without a path."""

    url: str


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """The webhook behind a Service of the cluster."""

    namespace: str
    name: str
    port: int = 443

    @property
    def hosts(self) -> tuple[str, ...]:
        """DNS names that the API server may use."""
        name = f"{self.name}.{self.namespace}.svc"
        return (name, f"{name}.cluster.local", f"{self.name}.{self.namespace}")


def webhook_configuration(at: Url | Service, ca_bundle: bytes, keys: Keys) -> Json:
    """The MutatingWebhookConfiguration; ``ca_bundle`` is PEM, of all authorities to be trusted."""
    client: Json = {"caBundle": base64.b64encode(ca_bundle).decode()}
    match at:
        case Url(url=url):
            client["url"] = url.rstrip("/") + PATH
        case Service(namespace=namespace, name=name, port=port):
            client["service"] = {
                "namespace": namespace,
                "name": name,
                "port": port,
                "path": PATH,
            }
    return {
        "apiVersion": _API,
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": WEBHOOK},
        "webhooks": [
            {
                "name": f"proxypod.{keys.domain}",
                "clientConfig": client,
                "rules": [_rule(["CREATE"], ["pods"])],
                "namespaceSelector": _OPT_IN,
                "objectSelector": {},
                "matchConditions": [{"name": "elected", "expression": _elected(keys)}],
                "matchPolicy": "Equivalent",
                "failurePolicy": "Fail",
                "reinvocationPolicy": "IfNeeded",
                "sideEffects": "None",
                "timeoutSeconds": TIMEOUT_S,
                "admissionReviewVersions": ["v1"],
            }
        ],
    }


def nodes_policy(nodes: Iterable[str], user: str) -> Json:
    """The policy that lets only ``user`` bind pods to these virtual nodes.

    They are listed by name: a real node may well be called ``mcs-1``.
    """
    names = _literal(sorted(nodes))
    node = (
        "request.kind.kind == 'Binding' ? object.target.name : "
        "(has(object.spec.nodeName) ? object.spec.nodeName : '')"
    )
    return _policy(
        NODES_POLICY,
        rules=[_rule(["CREATE"], ["pods", "pods/binding", "bindings"])],
        variables={"node": node},
        conditions={
            "not-by-mcs": (
                f"({node}) in {names} && !(request.kind.kind == 'Binding' "
                f"&& request.userInfo.username == {_literal(user)})"
            )
        },
        validations=[
            {
                "expression": "false",
                "messageExpression": (
                    "'node ' + variables.node + ' stands for another cluster: "
                    "only mcs binds pods to it'"
                ),
                "reason": "Forbidden",
            }
        ],
    )


def manifest_policy(keys: Keys) -> Json:
    """The policy that keeps the saved manifest: nobody adds or changes it afterwards, and only
    where the webhook makes it, in namespaces that opted in, can a pod have it.
    """
    key = _literal(keys.manifest)
    label = _literal(NAMESPACE_LABEL)

    def saved(place: str) -> str:
        return (
            f"has({place}.metadata.annotations) && {key} in {place}.metadata.annotations "
            f"? {place}.metadata.annotations[{key}] : ''"
        )

    return _policy(
        MANIFEST_POLICY,
        rules=[_rule(["CREATE", "UPDATE"], ["pods"]), _rule(["UPDATE"], ["pods/status"])],
        variables={},
        conditions={
            "made-or-changed": (
                f"request.operation == 'CREATE' ? {_has('object', key)} "
                f": ({saved('object')}) != ({saved('oldObject')})"
            )
        },
        validations=[
            {
                "expression": (
                    "request.operation != 'CREATE' || (has(namespaceObject.metadata.labels) && "
                    f"{label} in namespaceObject.metadata.labels && "
                    f"namespaceObject.metadata.labels[{label}] == {_literal(NAMESPACE_ENABLED)})"
                ),
                "message": f"annotation {keys.manifest} is mcs's own; remove it",
                "reason": "Forbidden",
            },
            {
                "expression": "request.operation == 'CREATE'",
                "message": f"annotation {keys.manifest} is mcs's own and cannot be changed",
                "reason": "Forbidden",
            },
        ],
    )


def policy_binding(policy: str) -> Json:
    """The binding that puts a policy of ours in force everywhere."""
    return {
        "apiVersion": _API,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": policy},
        "spec": {"policyName": policy, "validationActions": ["Deny"]},
    }


def drift(wanted: Mapping[str, object], actual: Mapping[str, object]) -> Json | None:
    """What a registered object lacks, as a merge patch of its top-level fields; None for nothing.

    What others add beside what we say (labels, the API server's defaults) is left alone, but lists
    are as we say.
    """
    patch = {
        key: value
        for key, value in wanted.items()
        if key not in {"apiVersion", "kind", "metadata"} and not _holds(actual.get(key), value)
    }
    return patch or None


def _holds(actual: object, wanted: object) -> bool:
    if isinstance(wanted, Mapping):
        if not isinstance(actual, Mapping):
            return not wanted and actual is None
        return all(_holds(actual.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        found = cast(list[object], actual) if isinstance(actual, list) else []
        return len(found) == len(wanted) and all(map(_holds, found, wanted))
    return actual == wanted


def _policy(
    name: str,
    *,
    rules: Sequence[Json],
    variables: Mapping[str, str],
    conditions: Mapping[str, str],
    validations: Sequence[Json],
) -> Json:
    return {
        "apiVersion": _API,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"matchPolicy": "Equivalent", "resourceRules": list(rules)},
            "matchConditions": _named(conditions),
            "variables": _named(variables),
            "validations": list(validations),
        },
    }


def _named(expressions: Mapping[str, str]) -> list[Json]:
    return [{"name": name, "expression": text} for name, text in expressions.items()]


def _rule(operations: Sequence[str], resources: Sequence[str]) -> Json:
    return {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": list(operations),
        "resources": list(resources),
        "scope": "Namespaced",
    }


def _elected(keys: Keys) -> str:
    """Pods that carry the annotation, or claim to be proxies (which the webhook refuses)."""
    found = (f"{_literal(key)} in object.metadata.annotations" for key in _asked(keys))
    return f"has(object.metadata.annotations) && ({' || '.join(found)})"


def _asked(keys: Keys) -> tuple[str, str]:
    return keys.elect, keys.manifest


def _has(place: str, key: str) -> str:
    return f"(has({place}.metadata.annotations) && {key} in {place}.metadata.annotations)"


def _literal(value: str | Sequence[str]) -> str:
    """Text, or a list of it, in CEL."""
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return "[" + ", ".join(map(_literal, value)) + "]"
