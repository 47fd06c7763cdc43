"""Node objects that KWOK takes care of."""

from collections.abc import Mapping, Sequence

from tools.api import Object

MANAGED = {"kwok.x-k8s.io/node": "fake"}
"""The annotation by which KWOK knows its nodes: no label, because labels common to a cluster's
nodes appear on the virtual nodes of mcs, and KWOK must leave those alone."""


def node(
    name: str,
    *,
    cpu: str,
    memory: str,
    pods: int,
    labels: Mapping[str, str],
    taints: Sequence[Mapping[str, str]],
    extended: Mapping[str, str],
    version: str,
) -> Object:
    """A node as a kubelet would register it."""
    capacity = {"cpu": cpu, "memory": memory, "pods": str(pods), **extended}
    usual = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {**usual, **labels}, "annotations": dict(MANAGED)},
        "spec": {"taints": [dict(taint) for taint in taints]},
        "status": {
            "capacity": capacity,
            "allocatable": capacity,
            "addresses": [{"type": "Hostname", "address": name}],
            "nodeInfo": {
                "kubeletVersion": version,
                "kubeProxyVersion": "",
                "architecture": "amd64",
                "operatingSystem": "linux",
                "osImage": "KWOK",
                "kernelVersion": "",
                "containerRuntimeVersion": "kwok://",
                "bootID": "",
                "machineID": "",
                "systemUUID": "",
            },
        },
    }
