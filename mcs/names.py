"""Names: clusters, pods, placements, delegates, and the annotation keys users write.

A cluster's name is a subject token, part of a node name and part of pod names, hence an RFC 1123
label of at most 59 characters (``mcs-<name>`` must be a label of 63). Names that start with ``_``
are ours.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final, NewType

import msgspec

from mcs.errors import BadName

ClusterName = NewType("ClusterName", str)
ProxyUid = NewType("ProxyUid", str)
PlacementId = NewType("PlacementId", str)

CLUSTER_NAME_MAX: Final = 59
POD_NAME_MAX: Final = 253
CLOCK: Final = ClusterName("_clock")
OPERATOR: Final = ClusterName("_operator")
NOBODY: Final = ClusterName("_")  # the token of a decision that has no target, or no source

SCHEDULER_NAME: Final = "mcs"  # spec.schedulerName of proxies: no kube-scheduler takes them
VIRTUAL_NODE_PREFIX: Final = "mcs-"
NAMESPACE_LABEL: Final = "multicluster-scheduler"  # the opt-in of a namespace, value "enabled"
NAMESPACE_ENABLED: Final = "enabled"
VIRTUAL_NODE_TAINT: Final = "virtual-kubelet.io/provider"
PROVIDER: Final = "mcs"
DEFAULT_DOMAIN: Final = "multicluster.admiralty.io"

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z")
_ATTEMPT = re.compile(r"(0|[1-9][0-9]{0,8})\Z")  # one way to write each number


class PodKey(msgspec.Struct, frozen=True, order=True):
    """Namespace and name of a pod in one cluster."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Keys(msgspec.Struct, frozen=True):
    """Annotation, label and finalizer keys under one domain (the domain is a setting)."""

    domain: str = DEFAULT_DOMAIN

    def key(self, word: str) -> str:
        """``<domain>/<word>``."""
        return f"{self.domain}/{word}"

    @property
    def elect(self) -> str:
        """On the user's pod: run this wherever there is room."""
        return self.key("elect")

    @property
    def clustername(self) -> str:
        """On the user's pod: run this in that cluster."""
        return self.key("clustername")

    @property
    def group(self) -> str:
        """On the user's pod: the name of the group that is placed all or none."""
        return self.key("group")

    @property
    def group_size(self) -> str:
        """On the user's pod: how many of its group are placed at once."""
        return self.key("group-size")

    @property
    def group_placement(self) -> str:
        """On the user's pod: ``one-cluster`` (the default) or ``spread``."""
        return self.key("group-placement")

    @property
    def manifest(self) -> str:
        """On the proxy: the pod as admitted in the source, JSON."""
        return self.key("sourcepod-manifest")

    @property
    def finalizer(self) -> str:
        """On the proxy, until its delegate is gone."""
        return self.key("delegate")

    @property
    def proxy_uid(self) -> str:
        """Label on the delegate: uid of its proxy."""
        return self.key("proxy-uid")

    @property
    def attempt(self) -> str:
        """Label on the delegate: number of the placement."""
        return self.key("attempt")

    @property
    def source(self) -> str:
        """Label on the delegate: its source cluster."""
        return self.key("source")

    @property
    def proxy_namespace(self) -> str:
        """Annotation on the delegate: namespace of its proxy."""
        return self.key("proxypod-namespace")

    @property
    def proxy_name(self) -> str:
        """Annotation on the delegate: name of its proxy."""
        return self.key("proxypod-name")

    @property
    def target(self) -> str:
        """Label on a virtual node: the target it stands for."""
        return self.key("target")

    @property
    def delegate_ips(self) -> str:
        """Annotation on the proxy: the delegate's pod IPs, comma separated."""
        return self.key("delegate-pod-ips")

    def ours(self, key: str) -> bool:
        """Whether an annotation or label key belongs to mcs."""
        return key.startswith(self.domain + "/")


def cluster_name(text: str) -> ClusterName:
    """``text`` as a cluster's name.

    Raises:
        BadName: it is no RFC 1123 label of at most 59 characters.
    """
    if len(text) > CLUSTER_NAME_MAX or not _LABEL.match(text):
        raise BadName(
            f"{text!r} cannot name a cluster: use lower-case letters, digits and '-', "
            f"at most {CLUSTER_NAME_MAX} characters, starting and ending with a letter or digit"
        )
    return ClusterName(text)


def placement_id(uid: str, attempt: int) -> PlacementId:
    """Identity of one attempt to run one proxy: ``<proxy uid>.<attempt>``."""
    return PlacementId(f"{uid}.{attempt}")


def split_placement(placement: str) -> tuple[ProxyUid, int]:
    """Proxy uid and attempt of a placement id.

    Raises:
        BadName: not ``<uid>.<number>``.
    """
    uid, _, attempt = placement.rpartition(".")
    if not uid or not _ATTEMPT.match(attempt):
        raise BadName(f"{placement!r} is not a placement id (<proxy uid>.<attempt>)")
    return ProxyUid(uid), int(attempt)


def virtual_node(target: str) -> str:
    """Name of the Node that stands for ``target`` in every source cluster."""
    return VIRTUAL_NODE_PREFIX + target


def delegate_name(source: str, pod: PodKey, *, salt: str = "") -> str:
    """Name of a delegate pod: ``<source>-<namespace>-<pod>``.

    Beyond 253 characters, or with a ``salt`` (the proxy's uid, when another live placement in that
    namespace has the plain name), it is cut and ends in ten hex digits of the SHA-256 of its parts
    joined by ``/``, Admiralty's rule for joined names.
    """
    plain = f"{source}-{pod.namespace}-{pod.name}"
    if len(plain) <= POD_NAME_MAX and not salt:
        return plain
    parts = [source, pod.namespace, pod.name, *([salt] if salt else [])]
    digest = hashlib.sha256("/".join(parts).encode()).hexdigest()[:10]
    return f"{plain[: POD_NAME_MAX - len(digest) - 1].rstrip('-.')}-{digest}"
