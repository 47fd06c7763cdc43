"""The status that a kubelet writes of a pod whose containers all do the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcs.objects.kinds import Pod


def pod_status(
    pod: Pod, phase: str, state: Mapping[str, Any], started: str, now: str
) -> dict[str, Any]:
    """Phase, conditions and container statuses; ``state`` is each container's, ``now`` the time of
    the change.
    """
    ready = "True" if phase == "Running" else "False"
    conditions = [("Initialized", "True"), ("Ready", ready), ("ContainersReady", ready)]
    return {
        "phase": phase,
        "startTime": started,
        "conditions": [
            {"type": type, "status": status, "lastTransitionTime": now}
            for type, status in conditions
        ],
        "containerStatuses": [
            {
                "name": container.name,
                "state": dict(state),
                "ready": phase == "Running",
                "started": phase == "Running",
                "restartCount": 0,
                "image": "",
                "imageID": "",
            }
            for container in pod.spec.containers
        ],
    }
