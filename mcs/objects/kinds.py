"""The kinds of Kubernetes objects we touch, and the few fields of each that we read.

Decoding into these structs costs microseconds where generated model classes cost half a
millisecond. Fields we only pass on stay ``msgspec.Raw``. Everything not listed is skipped, so these
structs are never written back: writes are manifests (plain dicts) or patches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import copy
from typing import Any, Final, Generic, TypeVar

import msgspec

Raw = msgspec.Raw
NOTHING: Final = Raw(b"null")


class Camel(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A Kubernetes value: lowerCamelCase on the wire."""


class OwnerReference(Camel, frozen=True, kw_only=True):
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None


class Metadata(Camel, frozen=True, kw_only=True):
    """``metadata`` of any object."""

    name: str = ""
    generate_name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    finalizers: tuple[str, ...] | None = None
    owner_references: tuple[OwnerReference, ...] | None = None


class Object(Camel, frozen=True, kw_only=True):
    """Any object, as far as its metadata."""

    metadata: Metadata = Metadata()


class ResourceRequirements(Camel, frozen=True, kw_only=True):
    requests: dict[str, str | int | float] | None = None
    limits: dict[str, str | int | float] | None = None


class Container(Camel, frozen=True, kw_only=True):
    name: str = ""
    restart_policy: str | None = None
    restart_policy_rules: Raw = NOTHING
    resources: ResourceRequirements | None = None


class TolerationSpec(Camel, frozen=True, kw_only=True):
    key: str | None = None
    operator: str | None = None
    value: str | None = None
    effect: str | None = None
    toleration_seconds: int | None = None


class RequirementSpec(Camel, frozen=True, kw_only=True):
    key: str = ""
    operator: str = ""
    values: tuple[str, ...] | None = None


class TermSpec(Camel, frozen=True, kw_only=True):
    match_expressions: tuple[RequirementSpec, ...] | None = None
    match_fields: tuple[RequirementSpec, ...] | None = None


class NodeSelectorSpec(Camel, frozen=True, kw_only=True):
    node_selector_terms: tuple[TermSpec, ...] | None = None


class NodeAffinitySpec(Camel, frozen=True, kw_only=True):
    required_during_scheduling_ignored_during_execution: NodeSelectorSpec | None = None


class AffinitySpec(Camel, frozen=True, kw_only=True):
    node_affinity: NodeAffinitySpec | None = None


class Gate(Camel, frozen=True, kw_only=True):
    name: str = ""


class PodSpec(Camel, frozen=True, kw_only=True):
    node_name: str | None = None
    scheduler_name: str | None = None
    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] | None = None
    ephemeral_containers: tuple[Container, ...] | None = None
    restart_policy: str | None = None
    overhead: dict[str, str | int | float] | None = None
    resources: ResourceRequirements | None = None
    node_selector: dict[str, str] | None = None
    affinity: AffinitySpec | None = None
    tolerations: tuple[TolerationSpec, ...] | None = None
    priority: int | None = None
    scheduling_gates: tuple[Gate, ...] | None = None
    termination_grace_period_seconds: int | None = None


class Condition(Camel, frozen=True, kw_only=True):
    type: str = ""
    status: str = ""
    reason: str | None = None
    message: str | None = None
    last_transition_time: str | None = None


class PodStatus(Camel, frozen=True, kw_only=True):
    phase: str | None = None
    reason: str | None = None
    message: str | None = None
    start_time: str | None = None
    conditions: tuple[Condition, ...] | None = None
    container_statuses: Raw = NOTHING
    init_container_statuses: Raw = NOTHING
    ephemeral_container_statuses: Raw = NOTHING
    pod_ip: str | None = msgspec.field(name="podIP", default=None)
    pod_ips: Raw = msgspec.field(name="podIPs", default=NOTHING)
    host_ip: str | None = msgspec.field(name="hostIP", default=None)


class Pod(Object, frozen=True, kw_only=True):
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class TaintSpec(Camel, frozen=True, kw_only=True):
    key: str = ""
    value: str | None = None
    effect: str = ""
    time_added: str | None = None


class NodeInfo(Camel, frozen=True, kw_only=True):
    kubelet_version: str = ""


class NodeSpec(Camel, frozen=True, kw_only=True):
    taints: tuple[TaintSpec, ...] | None = None
    unschedulable: bool | None = None


class NodeStatus(Camel, frozen=True, kw_only=True):
    capacity: dict[str, str] | None = None
    allocatable: dict[str, str] | None = None
    conditions: tuple[Condition, ...] | None = None
    node_info: NodeInfo = NodeInfo()


class Node(Object, frozen=True, kw_only=True):
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


class Namespace(Object, frozen=True, kw_only=True):
    pass


class LeaseSpec(Camel, frozen=True, kw_only=True):
    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class Lease(Object, frozen=True, kw_only=True):
    spec: LeaseSpec = LeaseSpec()


class Secret(Object, frozen=True, kw_only=True):
    type: str | None = None
    data: dict[str, str] | None = None


class CoreEvent(Object, frozen=True, kw_only=True):
    """A Kubernetes Event (``v1``)."""

    reason: str | None = None
    message: str | None = None
    type: str | None = None


class Unread(Object, frozen=True, kw_only=True):
    """A kind of which we read only metadata (webhook configurations, admission policies)."""


T_co = TypeVar("T_co", bound=Object, covariant=True)


class Kind(Generic[T_co]):
    """One kind: where the API server keeps it, and the struct we read of it.

    ``keep``: what a full list holds of each object, if not the object itself (see ``keeping``);
    ``whole``: the same kind without that.
    """

    __slots__ = ("group", "keep", "name", "namespaced", "plural", "type", "version", "whole")

    def __init__(
        self, type: type[T_co], name: str, plural: str, *, api: str = "v1", namespaced: bool = True
    ) -> None:
        group, slash, version = api.rpartition("/")
        self.type, self.name, self.plural, self.namespaced = type, name, plural, namespaced
        self.group, self.version = (group if slash else ""), version
        self.keep: Callable[[Any], Any] | None = None
        self.whole: Kind[T_co] = self

    def __repr__(self) -> str:
        return f"Kind({self.name})"

    @property
    def api(self) -> str:
        """``apiVersion``: ``v1`` or ``group/version``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def keeping(self, keep: Callable[[Any], Any]) -> Kind[T_co]:
        """The kind for somebody who keeps of each object only what ``keep`` gives: a list of twenty
        thousand then never holds more than one page of them whole. Its items are what ``keep``
        gave; a watch brings objects as ever.
        """
        kind = copy(self)
        kind.keep, kind.whole = keep, self
        return kind

    def kept(self, items: Iterable[Any]) -> list[Any]:
        """What a list holds of these objects."""
        return list(items) if self.keep is None else [self.keep(item) for item in items]

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Path on an API server; without a namespace, the collection over all of them."""
        parts = ["/apis", self.group, self.version] if self.group else ["/api", self.version]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        parts += [part for part in (name, subresource) if part]
        return "/".join(parts)


PODS: Final = Kind(Pod, "Pod", "pods")
NODES: Final = Kind(Node, "Node", "nodes", namespaced=False)
NAMESPACES: Final = Kind(Namespace, "Namespace", "namespaces", namespaced=False)
EVENTS: Final = Kind(CoreEvent, "Event", "events")
SECRETS: Final = Kind(Secret, "Secret", "secrets")
LEASES: Final = Kind(Lease, "Lease", "leases", api="coordination.k8s.io/v1")
WEBHOOKS: Final = Kind(
    Unread,
    "MutatingWebhookConfiguration",
    "mutatingwebhookconfigurations",
    api="admissionregistration.k8s.io/v1",
    namespaced=False,
)
VALIDATING_POLICIES: Final = Kind(
    Unread,
    "ValidatingAdmissionPolicy",
    "validatingadmissionpolicies",
    api="admissionregistration.k8s.io/v1",
    namespaced=False,
)
VALIDATING_BINDINGS: Final = Kind(
    Unread,
    "ValidatingAdmissionPolicyBinding",
    "validatingadmissionpolicybindings",
    api="admissionregistration.k8s.io/v1",
    namespaced=False,
)
