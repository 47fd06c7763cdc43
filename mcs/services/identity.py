"""Under which name this process acts in a cluster: the API server knows, whatever the credentials.

Admission policies let exactly this name do what nobody else may.
"""

from __future__ import annotations

from typing import Final

from mcs.objects.kinds import Camel, Kind, Object
from mcs.ports import Cluster


class _UserInfo(Camel, frozen=True, kw_only=True):
    username: str = ""


class _ReviewStatus(Camel, frozen=True, kw_only=True):
    user_info: _UserInfo = _UserInfo()


class SelfSubjectReview(Object, frozen=True, kw_only=True):
    """``authentication.k8s.io/v1``: everybody may ask who they are."""

    status: _ReviewStatus = _ReviewStatus()


REVIEWS: Final = Kind(
    SelfSubjectReview,
    "SelfSubjectReview",
    "selfsubjectreviews",
    api="authentication.k8s.io/v1",
    namespaced=False,
)


async def whoami(cluster: Cluster) -> str:
    """The user name of this process there. Raises ClusterError."""
    review = {"apiVersion": REVIEWS.api, "kind": REVIEWS.name}
    return (await cluster.create(REVIEWS, review)).status.user_info.username
