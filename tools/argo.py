"""Argo's workflow controller, the real one, beside a control plane.

It runs outside the cluster with a service account's token, so its rights are those of the role
below. The resource definitions are ours and accept anything: the API server stores workflows, the
controller validates them. Pods get no executor, since nothing in them runs: KWOK's stages end them
as their annotations say, and workflows without step outputs complete from pod phases alone.

    async with ArgoController(plane) as argo:
        await plane.apply(WORKFLOW)  # with kwok.mcs/run-for in its templates' annotations
        await argo.wait("hello", "Succeeded")
"""

from types import TracebackType
from typing import Self

from tools import parts
from tools.api import Api, Object
from tools.controlplane import ControlPlane
from tools.free_ports import reserve_port
from tools.processes import Process

NAMESPACE = "argo"
_GROUP = "argoproj.io"
_VERSION = "v1alpha1"
_KINDS = {  # kind → plural, namespaced, has a status subresource
    "Workflow": ("workflows", True, False),
    "WorkflowTemplate": ("workflowtemplates", True, False),
    "ClusterWorkflowTemplate": ("clusterworkflowtemplates", False, False),
    "CronWorkflow": ("cronworkflows", True, False),
    "WorkflowTaskSet": ("workflowtasksets", True, True),
    "WorkflowTaskResult": ("workflowtaskresults", True, False),
    "WorkflowArtifactGCTask": ("workflowartifactgctasks", True, True),
    "WorkflowEventBinding": ("workfloweventbindings", True, False),
}
_READ = ["get", "list", "watch"]
_WRITE = ["create", "update", "patch", "delete"]
_RULES = [
    {"apiGroups": [_GROUP], "resources": ["*"], "verbs": [*_READ, *_WRITE, "deletecollection"]},
    {
        "apiGroups": [""],
        "resources": ["pods", "pods/exec", "persistentvolumeclaims"],
        "verbs": [*_READ, *_WRITE],
    },
    {
        "apiGroups": [""],
        "resources": ["configmaps", "namespaces", "secrets", "serviceaccounts"],
        "verbs": _READ,
    },
    {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]},
    {
        "apiGroups": ["policy"],
        "resources": ["poddisruptionbudgets"],
        "verbs": ["create", "get", "delete"],
    },
]


class ArgoController:
    """One workflow controller for all namespaces of a control plane.

    Argo looks at each workflow at most every `requeue_s`, ten seconds by its own default, which is
    what each step of a workflow then takes at least (`DEFAULT_REQUEUE_TIME`, Argo's own setting).
    """

    def __init__(self, plane: ControlPlane, *, requeue_s: float = 1.0) -> None:
        self.plane = plane
        self.requeue_s = requeue_s
        self._metrics = reserve_port()

    async def __aenter__(self) -> Self:
        await self.plane.apply([*_definitions(), *_access(), *_configuration(self._metrics.port)])
        kubeconfig = await self.plane.kubeconfig_for(f"{NAMESPACE}/workflow-controller")
        metrics = Api(f"http://127.0.0.1:{self._metrics.port}", self.plane.folder / "ca.crt")
        self.process = Process(
            "workflow-controller",
            [
                *(parts.locate("argo")["workflow-controller"], f"--kubeconfig={kubeconfig}"),
                *(f"--namespace={NAMESPACE}", "--executor-image=none", "--loglevel=info"),
            ],
            log=self.plane.folder / "workflow-controller.log",
            ready=lambda: metrics.answers("/metrics"),
            environment={
                "LEADER_ELECTION_DISABLE": "true",
                "DEFAULT_REQUEUE_TIME": f"{self.requeue_s}s",
            },
        )
        await self.process.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.kill()
        self._metrics.release()

    async def wait(
        self, name: str, phase: str, *, namespace: str = "default", timeout_s: float = 60.0
    ) -> Object:
        """Return the workflow once it is in this phase."""
        path = f"/apis/{_GROUP}/{_VERSION}/namespaces/{namespace}/workflows/{name}"
        return await self.plane.api.wait(
            path, lambda item: item.get("status", {}).get("phase") == phase, timeout_s
        )


def _definitions() -> list[Object]:
    return [
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.{_GROUP}"},
            "spec": {
                "group": _GROUP,
                "scope": "Namespaced" if namespaced else "Cluster",
                "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
                "versions": [
                    {
                        "name": _VERSION,
                        "served": True,
                        "storage": True,
                        "subresources": {"status": {}} if with_status else {},
                        "schema": {
                            "openAPIV3Schema": {
                                "type": "object",
                                "x-kubernetes-preserve-unknown-fields": True,
                            }
                        },
                    }
                ],
            },
        }
        for kind, (plural, namespaced, with_status) in _KINDS.items()
    ]


def _access() -> list[Object]:
    metadata = {"name": "workflow-controller", "namespace": NAMESPACE}
    rbac = "rbac.authorization.k8s.io"
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "workflow-controller"},
            "rules": _RULES,
        },
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "workflow-controller"},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "workflow-controller"},
            "subjects": [{"kind": "ServiceAccount", **metadata}],
        },
    ]


def _configuration(metrics_port: int) -> list[Object]:
    settings = f"enabled: true\nport: {metrics_port}\nsecure: false\n"
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "workflow-controller-configmap", "namespace": NAMESPACE},
            "data": {"metricsConfig": settings},
        }
    ]
