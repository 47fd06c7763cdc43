"""The webhook and the admission policies, asked by a real API server."""

import asyncio
import base64
import json
import threading

import pytest

from mcs.adapters.certificates import OwnAuthority
from mcs.adapters.clock import SystemClock
from mcs.adapters.kubernetes import connect
from mcs.adapters.webhook_server import WebhookServer
from mcs.names import Keys
from mcs.objects.kinds import WEBHOOKS
from mcs.objects.registration import WEBHOOK, Url
from mcs.objects.reviewing import review
from mcs.services.certificates import Certificates
from mcs.services.registration import Registration
from mcs.services.webhook import Webhook
from tools.api import ApiError
from tools.controlplane import ControlPlane, KubectlFailed

pytestmark = pytest.mark.kubernetes

KEYS = Keys()
ELECTED = {KEYS.elect: ""}
AGENT = "mcs-system/agent"
USER = "system:serviceaccount:mcs-system:agent"


class Serving:
    """A webhook with its loop in a thread, since each test has an event loop of its own."""

    def __init__(self, plane):
        self.plane = plane
        self.asked = []  # names of the pods we were asked about
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.port = 0
        self.server = self.cluster = self.webhook = None

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    def answer(self, body):
        pod = json.loads(body)["request"]["object"]["metadata"]
        self.asked.append(pod.get("name") or pod.get("generateName"))
        return review(body, KEYS)

    async def start(self):
        self.cluster = self.cluster or await connect(str(self.plane.kubeconfig))
        self.server = WebhookServer(self.answer, host="127.0.0.1", port=self.port)
        await self.server.__aenter__()
        issuer = OwnAuthority(["127.0.0.1"])
        clock = SystemClock()
        source = Certificates(
            self.cluster, clock, issuer, namespace="mcs-system", name="mcs-webhook"
        )
        if not self.port:  # its URL must be known before it is registered
            material = await source.current()
            await self.server.use(material.certificate, material.key)
            self.port = self.server.url_port
        self.registration = Registration(
            self.cluster, KEYS, user=USER, at=Url(f"https://127.0.0.1:{self.port}")
        )
        self.webhook = Webhook(self.server, source, self.registration, clock)
        await self.webhook.step()

    async def stop(self):
        await self.server.__aexit__(None, None, None)

    def close(self):
        self.call(self.stop())
        self.call(self.cluster.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


def namespace(name, **labels):
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": labels},
    }


SETUP = [
    namespace("mcs-system"),
    namespace("elected", **{"multicluster-scheduler": "enabled"}),
    namespace("limited", **{"multicluster-scheduler": "enabled"}),
    {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "agent", "namespace": "mcs-system"},
    },
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "agent"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "cluster-admin",
        },
        "subjects": [{"kind": "ServiceAccount", "name": "agent", "namespace": "mcs-system"}],
    },
    {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "defaults", "namespace": "limited"},
        "spec": {"limits": [{"type": "Container", "defaultRequest": {"cpu": "123m"}}]},
    },
    {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "mcs-c2", "labels": {"virtual-kubelet.io/provider": "mcs"}},
    },
]


async def prepare(plane):
    await plane.start()
    await plane.add_nodes(1)
    await plane.apply(SETUP)
    room = {"cpu": "4", "memory": "4Gi", "pods": "110"}
    status = {"status": {"capacity": room, "allocatable": room}}
    await plane.api.merge("/api/v1/nodes/mcs-c2/status", status)
    for name in ("elected", "limited"):
        await plane.api.wait(f"/api/v1/namespaces/{name}/serviceaccounts/default", lambda _: True)


@pytest.fixture(scope="module")
def plane():
    made = ControlPlane("webhook")
    try:
        asyncio.run(prepare(made))
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def webhook(plane):
    serving = Serving(plane)
    try:
        serving.call(serving.start())
        serving.call(serving.registration.ensure_policies(["c2"]))
        asyncio.run(until(plane, is_proxy))
        asyncio.run(until_refused(plane, pod("probe", nodeName="mcs-c2")))
        forged = pod("probe", annotations={KEYS.manifest: "{}"})
        asyncio.run(until_refused(plane, forged, "default"))  # where no webhook is asked
        yield serving
    finally:
        serving.close()


def pods(namespace):
    return f"/api/v1/namespaces/{namespace}/pods"


def pod(name, *, annotations=(), generate=False, **spec):
    return {
        "metadata": {
            "generateName" if generate else "name": name,
            "annotations": dict(annotations),
        },
        "spec": {"containers": [{"name": "main", "image": "none"}], **spec},
    }


def is_proxy(made):
    return made["spec"]["schedulerName"] == "mcs"


def saved(made):
    return json.loads(made["metadata"]["annotations"][KEYS.manifest])


async def dry(plane, body, namespace="elected"):
    return await plane.api.create(f"{pods(namespace)}?dryRun=All", body)


async def until(plane, wanted, body=None, *, patience=600):
    """Wait until a pod created now would come out as ``wanted``: registrations take a moment."""
    for _ in range(patience):
        try:
            if wanted(await dry(plane, body or pod("probe", annotations=ELECTED))):
                return
        except ApiError:
            pass
        await asyncio.sleep(0.05)
    raise AssertionError("the registration never took effect")


async def until_refused(plane, body, namespace="elected", *, patience=600):
    for _ in range(patience):
        try:
            await dry(plane, body, namespace)
        except ApiError:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the policy never took effect")


async def test_an_elected_pod_becomes_a_proxy_that_no_scheduler_takes(plane, webhook):
    made = await plane.api.create(pods("elected"), pod("a", annotations=ELECTED))

    assert is_proxy(made)
    assert made["metadata"]["finalizers"] == [KEYS.finalizer]
    assert made["spec"]["nodeSelector"] == {"virtual-kubelet.io/provider": "mcs"}
    unreachable = [
        item for item in made["spec"]["tolerations"] if item["key"].endswith("/unreachable")
    ]
    assert unreachable == [
        {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute"}
    ]
    manifest = saved(made)
    assert manifest["spec"]["schedulerName"] == "default-scheduler"
    assert "uid" not in manifest["metadata"]


async def test_a_pod_in_a_namespace_that_did_not_opt_in_is_not_asked_about(plane, webhook):
    made = await plane.api.create(pods("default"), pod("not-opted-in", annotations=ELECTED))

    assert not is_proxy(made)
    assert "not-opted-in" not in webhook.asked


async def test_a_pod_without_the_annotation_is_not_asked_about(plane, webhook):
    other = pod("not-elected", annotations={"other": "x"})
    bare = {"metadata": {"name": "bare"}, "spec": other["spec"]}

    assert not is_proxy(await dry(plane, other))
    assert not is_proxy(await dry(plane, bare))
    assert not {"not-elected", "bare"} & set(webhook.asked)


async def test_a_name_that_the_api_server_makes_is_no_part_of_the_manifest(plane, webhook):
    body = pod("job-", annotations=ELECTED, generate=True)

    made = await plane.api.create(pods("elected"), body)

    assert made["metadata"]["name"].startswith("job-")
    assert saved(made)["metadata"]["generateName"] == "job-"
    assert "name" not in saved(made)["metadata"]


async def test_init_containers_and_sidecars_stay_on_the_proxy_and_in_its_manifest(plane, webhook):
    inits = [
        {"name": "first", "image": "none"},
        {"name": "sidecar", "image": "none", "restartPolicy": "Always"},
    ]

    made = await dry(plane, pod("i", annotations=ELECTED, initContainers=inits))

    for place in (made, saved(made)):
        found = place["spec"]["initContainers"]
        assert [item["name"] for item in found] == ["first", "sidecar"]
        assert found[1]["restartPolicy"] == "Always"


async def test_volumes_that_would_act_in_the_source_are_replaced_and_kept(plane, webhook):
    claim = {"name": "claim", "persistentVolumeClaim": {"claimName": "data"}}
    template = {
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
            "volumeMode": "Block",
        }
    }
    ephemeral = {"name": "made", "ephemeral": {"volumeClaimTemplate": template}}
    main = {
        "name": "main",
        "image": "none",
        "volumeMounts": [{"name": "claim", "mountPath": "/data"}],
        "volumeDevices": [{"name": "made", "devicePath": "/dev/x"}],
    }
    body = pod("v", annotations=ELECTED, volumes=[claim, ephemeral], containers=[main])

    made = await dry(plane, body)

    kinds = [set(volume) - {"name"} for volume in made["spec"]["volumes"]]
    assert kinds[:2] == [{"downwardAPI"}, {"downwardAPI"}]
    assert "volumeDevices" not in made["spec"]["containers"][0]
    assert saved(made)["spec"]["volumes"][0] == claim
    assert saved(made)["spec"]["containers"][0]["volumeDevices"] == main["volumeDevices"]


async def test_what_admission_fills_in_is_in_the_manifest(plane, webhook):
    made = await dry(plane, pod("l", annotations=ELECTED), "limited")

    for place in (made, saved(made)):
        [container] = place["spec"]["containers"]
        assert container["resources"]["requests"] == {"cpu": "123m"}


async def test_a_pod_bound_by_hand_is_left_alone_with_a_warning(plane, webhook):
    body = {"apiVersion": "v1", "kind": "Pod", **pod("h", annotations=ELECTED, nodeName="node-0")}
    create = ("create", "-n", "elected", "-f", "-", "--dry-run=server")

    made = json.loads(await plane.kubectl(*create, "-o", "json", stdin=json.dumps(body)))

    assert not is_proxy(made)
    assert "finalizers" not in made["metadata"]
    with pytest.raises(KubectlFailed, match="bound to node node-0 by hand"):
        await plane.kubectl(*create, "--warnings-as-errors", stdin=json.dumps(body))


async def test_a_pod_too_large_to_keep_is_refused_by_name(plane, webhook):
    main = {"name": "main", "image": "none", "env": [{"name": "A", "value": "x" * 250_000}]}
    large = pod("large-", annotations=ELECTED, containers=[main], generate=True)

    with pytest.raises(ApiError, match=r"elected/large-\* is too large to be elected") as caught:
        await plane.api.create(pods("elected"), large)

    assert caught.value.status == 413


async def test_the_largest_pod_that_is_let_in_fits(plane, webhook):
    main = {"name": "main", "image": "none", "env": [{"name": "A", "value": "x" * 198_000}]}

    made = await dry(plane, pod("big", annotations=ELECTED, containers=[main]))

    assert is_proxy(made)


def injector(port, bundle):
    """Another webhook, asked after ours, that adds a container to pods annotated for it."""
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "zz-injector"},
        "webhooks": [
            {
                "name": "injector.example.org",
                "clientConfig": {
                    "url": f"https://127.0.0.1:{port}/mutate",
                    "caBundle": base64.b64encode(bundle).decode(),
                },
                "rules": [
                    {
                        "apiGroups": [""],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE"],
                        "resources": ["pods"],
                    }
                ],
                "matchConditions": [
                    {
                        "name": "asked",
                        "expression": "has(object.metadata.annotations) && "
                        "'inject' in object.metadata.annotations",
                    }
                ],
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
            }
        ],
    }


def inject(body):
    request = json.loads(body)["request"]
    sidecar = {"name": "injected", "image": "none"}
    patch = [{"op": "add", "path": "/spec/containers/-", "value": sidecar}]
    response = {
        "uid": request["uid"],
        "allowed": True,
        "patchType": "JSONPatch",
        "patch": base64.b64encode(json.dumps(patch).encode()).decode(),
    }
    answer = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
    return 200, json.dumps(answer).encode()


async def test_asked_again_after_another_webhook_it_keeps_what_that_one_added(plane, webhook):
    data = OwnAuthority(["127.0.0.1"]).renewed({}, SystemClock().now())
    async with WebhookServer(inject, host="127.0.0.1", port=0) as server:
        await server.use(data["tls.crt"], data["tls.key"])
        await plane.apply(injector(server.url_port, data["ca.crt"]))
        try:
            asked = pod("twice", annotations={**ELECTED, "inject": ""}, nodeSelector={"a": "b"})
            await until(plane, lambda made: len(made["spec"]["containers"]) == 2, asked)
            webhook.asked.clear()

            made = await dry(plane, asked)
        finally:
            await plane.api.delete(
                "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/zz-injector"
            )

    assert webhook.asked == ["twice", "twice"]
    assert is_proxy(made)
    assert made["metadata"]["finalizers"] == [KEYS.finalizer]
    manifest = saved(made)["spec"]
    assert [item["name"] for item in manifest["containers"]] == ["main", "injected"]
    assert manifest["nodeSelector"] == {"a": "b"}
    assert manifest["schedulerName"] == "default-scheduler"


async def test_only_elected_pods_suffer_when_the_webhook_is_down(plane, webhook):
    webhook.call(webhook.stop())
    try:
        with pytest.raises(ApiError, match="failed calling webhook"):
            await dry(plane, pod("x", annotations=ELECTED))
        assert not is_proxy(await dry(plane, pod("y")))
        assert not is_proxy(await dry(plane, pod("z", annotations=ELECTED), "default"))
    finally:
        webhook.call(webhook.start())
    assert is_proxy(await dry(plane, pod("x", annotations=ELECTED)))


async def test_a_deleted_or_changed_registration_is_repaired(plane, webhook):
    path = f"/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/{WEBHOOK}"
    await plane.api.delete(path)

    webhook.call(webhook.webhook.step())

    await plane.api.merge(path, {"metadata": {"labels": {"mine": "x"}}})
    before = await plane.api.get(path)
    webhook.call(webhook.webhook.step())
    assert await plane.api.get(path) == before
    await plane.api.merge(path, {"webhooks": []})
    webhook.call(webhook.webhook.step())
    assert (await plane.api.get(path))["webhooks"] == before["webhooks"]
    await until(plane, is_proxy)
    assert webhook.call(webhook.cluster.get(WEBHOOKS, WEBHOOK)).metadata.name == WEBHOOK


def binding(name):
    return {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": name},
        "target": {"apiVersion": "v1", "kind": "Node", "name": "mcs-c2"},
    }


async def test_only_the_agent_binds_pods_to_virtual_nodes(plane, webhook):
    await plane.api.create(pods("elected"), pod("bind", annotations=ELECTED))
    path = f"{pods('elected')}/bind/binding"
    older = "/api/v1/namespaces/elected/bindings"

    for place in (path, older):
        with pytest.raises(ApiError, match="stands for another cluster"):
            await plane.api.create(place, binding("bind"))
    agent = await plane.kubeconfig_for(AGENT)
    raw = ("create", f"--kubeconfig={agent}", "--raw", path, "-f", "-")
    await plane.kubectl(*raw, stdin=json.dumps(binding("bind")))

    bound = await plane.api.get(f"{pods('elected')}/bind")
    assert bound["spec"]["nodeName"] == "mcs-c2"


async def test_nobody_creates_a_pod_on_a_virtual_node(plane, webhook):
    with pytest.raises(ApiError, match="stands for another cluster"):
        await plane.api.create(pods("default"), pod("squatter", nodeName="mcs-c2"))
    assert await dry(plane, pod("fine", nodeName="node-0"), "default")


async def test_a_daemon_set_that_tolerates_everything_does_not_land_on_a_virtual_node(
    plane, webhook
):
    labels = {"app": "everywhere"}
    await plane.apply(
        {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": {"name": "everywhere", "namespace": "default"},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {
                        "containers": [{"name": "main", "image": "none"}],
                        "tolerations": [{"operator": "Exists"}],
                    },
                },
            },
        }
    )

    path = "/apis/apps/v1/namespaces/default/daemonsets/everywhere"
    await plane.api.wait(path, lambda item: item["status"]["desiredNumberScheduled"] == 2)
    await plane.api.wait(path, lambda item: item["status"]["numberReady"] == 1)
    await plane.api.wait(
        f"{pods('default')}?labelSelector=app%3Deverywhere",
        lambda found: any(map(refused, found["items"])),
    )
    found = await plane.api.items(f"{pods('default')}?labelSelector=app%3Deverywhere")
    assert {item["spec"].get("nodeName") for item in found} == {"node-0", None}


def refused(item):
    """Whether the scheduler tried to bind the pod, and was told no."""
    conditions = item.get("status", {}).get("conditions", [])
    return any("stands for another cluster" in found.get("message", "") for found in conditions)


async def test_a_saved_manifest_cannot_be_forged(plane, webhook):
    path = f"{pods('elected')}/kept"
    await plane.api.create(pods("elected"), pod("kept", annotations=ELECTED))
    await plane.api.create(pods("elected"), pod("plain"))
    forged = {"metadata": {"annotations": {KEYS.manifest: "{}"}}}

    for place in (path, f"{path}/status", f"{pods('elected')}/plain"):
        with pytest.raises(ApiError, match="cannot be changed"):
            await plane.api.merge(place, forged)
    with pytest.raises(ApiError, match="cannot be changed"):
        await plane.api.merge(path, {"metadata": {"annotations": {KEYS.manifest: None}}})
    for place, annotations in (
        ("default", {KEYS.manifest: "{}"}),
        ("elected", {KEYS.manifest: "{}"}),
    ):
        with pytest.raises(ApiError, match="mcs's own"):
            await dry(plane, pod("forged", annotations=annotations), place)
    note = {"metadata": {"annotations": {"note": "x"}}, "status": {"reason": "R"}}
    after = await plane.api.merge(f"{path}/status", note)
    assert after["metadata"]["annotations"]["note"] == "x"
