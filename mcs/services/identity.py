"""Under which name this process acts in a cluster: the API server knows, whatever the credentials.

Admission policies let exactly this name do what nobody else may.
"""

from __future__ import annotations

import logging
from typing import Final

from mcs.errors import Busy, Unreachable
from mcs.objects.kinds import Camel, Kind, Object
from mcs.ports import Clock, Cluster

RETRY_S: Final = 2.0
_logger: Final = logging.getLogger(__name__)


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


async def whoami(cluster: Cluster, clock: Clock) -> str:
    """The user name of this process there; waits for an API server that does not answer.

    Raises:
        ClusterError: it answers, but not with a name.
    """
    review = {"apiVersion": REVIEWS.api, "kind": REVIEWS.name}
    while True:
        try:
            return (await cluster.create(REVIEWS, review)).status.user_info.username
        except (Unreachable, Busy) as error:
            _logger.warning("the API server cannot be asked yet: %s", error)
        await clock.sleep(RETRY_S)
