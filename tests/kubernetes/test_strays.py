"""Who may land on a virtual node: the agent's proxies, and nobody else, on real API servers.

Everything runs under the rights of `mcs manifests agent`, with the admission policies that the
agents keep in force themselves.
"""

import contextlib
import json

import pytest
import yaml

from tests.kubernetes.pods import condition, path, plain, pod, pods_of, template
from tools.api import ApiError
from tools.controlplane import KubectlFailed

pytestmark = pytest.mark.kubernetes

POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
BINDINGS = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
AGENT = "--as=system:serviceaccount:mcs-system:mcs-agent"
EVERYTHING = {"operator": "Exists"}  # the toleration of all taints
FOREIGN = "stands for another cluster"


async def test_the_agent_can_bind_a_pod_and_not_change_its_spec(federation, namespace):
    source = federation.planes["c1"]

    async def may(verb, *resource):
        asked = ("auth", "can-i", verb, *resource, AGENT, "-n", namespace)
        try:
            return (await source.kubectl(*asked)).strip() == "yes"
        except KubectlFailed as error:
            if str(error):
                raise
            return False  # nothing but an exit code: it says no

    assert await may("create", "pods", "--subresource=binding")
    assert not await may("patch", "pods")
    assert not await may("update", "pods")


async def test_the_agent_keeps_its_policy_naming_every_virtual_node(federation):
    wanted = ("'mcs-c1'", "'mcs-c2'", "'system:serviceaccount:mcs-system:mcs-agent'")

    def names_all(policy):
        spec = json.dumps(policy["spec"])
        return all(named in spec for named in wanted)

    for plane in federation.planes.values():
        # It grows with each cluster that joins.
        await plane.api.wait(f"{POLICIES}/mcs-virtual-nodes", names_all)
        binding = await plane.api.wait(f"{BINDINGS}/mcs-virtual-nodes", lambda _: True)
        assert binding["spec"] == {
            "policyName": "mcs-virtual-nodes",
            "validationActions": ["Deny"],
        }


async def test_a_daemon_set_that_tolerates_everything_stays_off_virtual_nodes(
    federation, namespace
):
    """Its controller wants a pod on each node; neither the scheduler nor anybody else binds it."""
    source = federation.planes["c1"]
    made = template(tolerations=[EVERYTHING])
    made["metadata"]["annotations"] = {}  # nobody elected it
    await source.apply(
        [
            {
                "apiVersion": "apps/v1",
                "kind": "DaemonSet",
                "metadata": {"name": "everywhere", "namespace": namespace},
                "spec": {"selector": {"matchLabels": {"app": "test"}}, "template": made},
            }
        ]
    )

    def judged(item):
        return condition(item, "PodScheduled").get("status") == "False"

    async def settled():
        found = await pods_of(source, namespace)
        running = [item for item in found if item["status"]["phase"] == "Running"]
        return len(running) == 3 and sum(map(judged, found)) == 2 and found

    found = await federation.wait("three run, and two find no room", settled)
    nodes = {item["spec"].get("nodeName") for item in found}
    assert nodes == {"node-0", "node-1", "node-2", None}
    left = next(item["metadata"]["name"] for item in found if judged(item))
    for who in ("system:kube-scheduler", "admin"):
        with pytest.raises(KubectlFailed, match=FOREIGN):
            await bind(source, namespace, left, "mcs-c2", who)


async def bind(plane, namespace, name, node, who):
    """Bind a pod as a scheduler does; the administrator lends the rights, the name is another's."""
    body = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": name},
        "target": {"apiVersion": "v1", "kind": "Node", "name": node},
    }
    whole = ("--as", who, "--as-group", "system:masters")
    place = f"{path(namespace, name)}/binding"
    await plane.kubectl("create", "--raw", place, "-f", "-", *whole, stdin=json.dumps(body))


async def test_a_pod_put_on_a_virtual_node_by_hand_is_refused(federation, namespace):
    source = federation.planes["c1"]
    for body in (
        plain("stray", namespace, nodeName="mcs-c2"),
        pod("elected", namespace=namespace, nodeName="mcs-c2"),
    ):
        with pytest.raises(ApiError, match=FOREIGN):
            await source.apply([body])


async def test_without_the_policy_a_stray_is_let_go(federation, namespace):
    source = federation.planes["c1"]
    stray = plain("stray", namespace, nodeName="mcs-c2")
    stray["spec"]["terminationGracePeriodSeconds"] = 3600
    manifests = yaml.safe_load_all(await federation.mcs("manifests", "agent", "--cluster", "c1"))
    binding = [item for item in manifests if item["kind"] == "ValidatingAdmissionPolicyBinding"]
    await source.api.delete(f"{BINDINGS}/mcs-virtual-nodes")
    try:

        async def lets_in():
            with contextlib.suppress(ApiError):
                return await source.api.create(path(namespace), stray)

        made = await federation.wait("the policy is no longer in force", lets_in)
        assert made["spec"]["nodeName"] == "mcs-c2"
        await source.api.wait_gone(path(namespace, "stray"))
    finally:
        await source.apply(binding)

    async def refuses():
        try:
            await source.api.create(f"{path(namespace)}?dryRun=All", stray)
        except ApiError as error:
            return FOREIGN in str(error)
        return False

    await federation.wait("the policy is in force again", refuses)


async def test_no_pod_that_tolerates_everything_lands_on_a_virtual_node(federation, namespace):
    """Neither a delegate nor a stranger: kube-scheduler likes the emptiest node best."""
    source, target = federation.planes["c1"], federation.planes["c2"]
    load = [plain(f"load-{n}", namespace, cpu="1500m") for n in range(3)]
    await target.apply(load)
    for item in load:
        await target.api.wait_pod(item["metadata"]["name"], "Running", namespace=namespace)

    for n in range(3):
        spec = {"namespace": namespace, "tolerations": [EVERYTHING]}
        await source.apply([pod(f"p-{n}", cluster="c2", **spec)])
        await target.apply([plain(f"theirs-{n}", **spec)])

    for n in range(3):
        await source.api.wait_pod(f"p-{n}", "Running", namespace=namespace)
        for name in (f"theirs-{n}", f"c1-{namespace}-p-{n}"):
            made = await target.api.wait_pod(name, "Running", namespace=namespace)
            assert made["spec"]["nodeName"].startswith("node-")


async def test_a_pod_of_others_takes_no_proxys_place(federation, namespace):
    """However important it is: kube-scheduler would delete proxies to make room for it."""
    source = federation.planes["c1"]
    names = [f"p-{n}" for n in range(3)]
    await source.apply(
        [pod(name, namespace=namespace, cluster="c2", cpu="3900m") for name in names]
    )
    before = [await source.api.wait_pod(name, "Running", namespace=namespace) for name in names]

    critical = {"priorityClassName": "system-node-critical", "tolerations": [EVERYTHING]}
    here = {"nodeSelector": {"kubernetes.io/hostname": "mcs-c2"}}
    await source.apply([plain("important", namespace, cpu="500m", **critical, **here)])
    judged = await source.api.wait(
        path(namespace, "important"),
        lambda item: "preemption:" in condition(item, "PodScheduled").get("message", ""),
    )

    assert "Too many pods" in condition(judged, "PodScheduled")["message"]
    assert "nominatedNodeName" not in judged["status"]
    for name, proxy in zip(names, before, strict=True):
        after = await source.api.get(path(namespace, name))
        assert after["metadata"]["uid"] == proxy["metadata"]["uid"]
        assert "deletionTimestamp" not in after["metadata"]
