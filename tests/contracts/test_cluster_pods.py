"""What mcs relies on of pods: defaults, status, binding, and deletion with all its cases."""

import json

import pytest

from mcs.errors import Conflict, Invalid, NotFound
from mcs.objects.kinds import PODS
from mcs.ports import Patch
from tests.contracts.clusters import bind, binding, pod

GATES = [{"name": "mcs.test/wait"}]


async def create(api, manifest):
    return await api.cluster.create(PODS, manifest, namespace=api.namespace)


async def patch(api, change, *, name="a", **options):
    return await api.cluster.patch(PODS, name, change, namespace=api.namespace, **options)


async def patch_status(api, status, *, type=Patch.MERGE, **more):
    return await patch(api, {"status": status, **more}, subresource="status", type=type)


async def get(api, name="a"):
    return await api.cluster.get(PODS, name, namespace=api.namespace)


async def delete(api, **options):
    await api.cluster.delete(PODS, "a", namespace=api.namespace, **options)


async def gone(api, name="a"):
    try:
        await get(api, name)
    except NotFound:
        return True
    return False


def ended(code):
    return {"terminated": {"exitCode": code}}


def container(state, name="main"):
    return {
        "name": name,
        "state": state,
        "image": "busybox:1",
        "imageID": "",
        "ready": False,
        "restartCount": 0,
    }


async def test_a_new_pod_is_completed(api):
    async with api:
        await create(api, {**pod(), "status": {"phase": "Running", "message": "mine"}})
        made = await api.cluster.read(PODS, "a", namespace=api.namespace)

        assert made["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
        spec = made["spec"]
        assert spec["restartPolicy"] == "Always"
        assert spec["terminationGracePeriodSeconds"] == 30
        assert spec["priority"] == 0
        assert spec["preemptionPolicy"] == "PreemptLowerPriority"
        assert spec["serviceAccountName"] == "default"
        assert spec["containers"][0]["terminationMessagePath"] == "/dev/termination-log"
        assert {(each["key"], each["tolerationSeconds"]) for each in spec["tolerations"]} == {
            ("node.kubernetes.io/not-ready", 300),
            ("node.kubernetes.io/unreachable", 300),
        }


async def test_a_toleration_of_ones_own_is_left_alone(api):
    async with api:
        key = "node.kubernetes.io/unreachable"
        mine = {"key": key, "operator": "Exists", "effect": "NoExecute"}
        made = await create(api, pod(tolerations=[mine]))

        found = {each.key: each.toleration_seconds for each in made.spec.tolerations}
        assert found == {key: None, "node.kubernetes.io/not-ready": 300}


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
    ],
)
async def test_limits_become_requests_and_decide_the_class(api, resources, expected):
    async with api:
        manifest = pod()
        manifest["spec"]["containers"][0]["resources"] = resources
        await create(api, manifest)
        made = await api.cluster.read(PODS, "a", namespace=api.namespace)

        assert made["status"]["qosClass"] == expected
        asked = made["spec"]["containers"][0]["resources"]["requests"]
        assert asked == resources.get("limits", resources.get("requests"))


@pytest.mark.parametrize(
    "spec",
    [
        {"containers": []},
        {"containers": [{"name": "main"}]},
        {"schedulingGates": GATES, "nodeName": "n"},
    ],
    ids=["no containers", "no image", "gated and bound"],
)
async def test_a_bad_spec_is_refused(api, spec):
    async with api:
        with pytest.raises(Invalid) as caught:
            await create(api, pod(**spec))

        assert caught.value.message.startswith('Pod "a" is invalid: ')


async def test_a_large_manifest_is_accepted(api):
    async with api:
        manifest = pod()
        manifest["spec"]["containers"][0]["env"] = [{"name": "A", "value": "x" * 600_000}]
        await create(api, manifest)

        assert (await get(api)).metadata.uid


async def test_a_gated_pod_says_so(api):
    async with api:
        made = await create(api, pod(schedulingGates=GATES))

        (condition,) = made.status.conditions
        assert (condition.type, condition.status) == ("PodScheduled", "False")
        assert condition.reason == "SchedulingGated"


async def test_gates_may_go_but_not_come(api):
    async with api:
        await create(api, pod(schedulingGates=GATES))
        await patch(api, {"spec": {"nodeSelector": {"a": "b"}}})
        with pytest.raises(Invalid):
            await patch(api, {"spec": {"schedulingGates": [*GATES, {"name": "mcs.test/more"}]}})
        made = await patch(api, {"spec": {"schedulingGates": None}})

        assert not made.spec.scheduling_gates
        assert made.spec.node_selector == {"a": "b"}


@pytest.mark.parametrize(
    "change",
    [{"nodeSelector": {"a": "b"}}, {"nodeName": "n"}, {"tolerations": []}],
    ids=["selector", "node", "tolerations"],
)
async def test_a_spec_is_immutable(api, change):
    async with api:
        await create(api, pod(tolerations=[{"key": "k", "operator": "Exists"}]))
        with pytest.raises(Invalid):
            await patch(api, {"spec": change})


async def test_default_tolerations_come_back(api):
    async with api:
        made = await create(api, pod())
        again = await patch(api, {"spec": {"tolerations": []}})

        assert again.spec.tolerations == made.spec.tolerations


async def test_tolerations_and_images_may_change(api):
    async with api:
        made = await create(api, pod())
        tolerations = [
            {"key": "k", "operator": "Exists"},
            *({"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300, "key": key}
              for key in (each.key for each in made.spec.tolerations)),
        ]  # fmt: skip
        made = await patch(api, {"spec": {"tolerations": tolerations}})
        assert made.spec.tolerations[0].key == "k"

        images = [{"name": "main", "image": "busybox:2"}]
        await patch(api, {"spec": {"containers": images}}, type=Patch.STRATEGIC)
        whole = await api.cluster.read(PODS, "a", namespace=api.namespace)
        assert whole["spec"]["containers"][0]["image"] == "busybox:2"


async def test_status_is_written_apart(api):
    async with api:
        await create(api, pod())
        made = await patch(api, {"metadata": {"labels": {"l": "1"}}, "status": {"phase": "Failed"}})
        assert (made.metadata.labels, made.status.phase) == ({"l": "1"}, "Pending")

        made = await patch_status(api, {"phase": "Running"}, spec={"nodeName": "n"})
        assert (made.status.phase, made.spec.node_name) == ("Running", None)


async def test_one_status_patch_writes_status_annotations_and_finalizers(api):
    async with api:
        await create(api, pod(metadata={"finalizers": ["mcs.test/x", "mcs.test/y"]}))
        metadata = {"annotations": {"k": "v"}, "finalizers": ["mcs.test/y"]}
        made = await patch_status(api, {"phase": "Failed"}, metadata=metadata)

        assert made.status.phase == "Failed"
        assert made.metadata.annotations == {"k": "v"}
        assert made.metadata.finalizers == ("mcs.test/y",)


async def test_a_status_patch_keeps_its_preconditions(api):
    async with api:
        made = await create(api, pod())
        with pytest.raises(Conflict):
            await patch_status(api, {"phase": "Failed"}, metadata={"uid": "another"})
        with pytest.raises(Conflict):
            await patch_status(api, {"phase": "Failed"}, metadata={"resourceVersion": "1"})

        await patch_status(api, {"phase": "Failed"}, metadata={"uid": made.metadata.uid})


async def test_conditions_are_merged_by_type_and_containers_replaced(api):
    async with api:
        await create(api, pod())
        await patch_status(
            api,
            {
                "conditions": [{"type": "A", "status": "True"}, {"type": "B", "status": "True"}],
                "containerStatuses": [container({"waiting": {"reason": "x"}})],
            },
            type=Patch.STRATEGIC,
        )
        made = await patch_status(
            api,
            {
                "conditions": [
                    {"type": "B", "status": "False"},
                    {"type": "C", "status": "True"},
                    {"type": "A", "$patch": "delete"},
                ],
                "containerStatuses": [container({"waiting": {"reason": "y"}}, name="other")],
            },
            type=Patch.STRATEGIC,
        )

        assert {each.type: each.status for each in made.status.conditions} == {
            "B": "False",
            "C": "True",
        }
        statuses = json.loads(bytes(made.status.container_statuses))
        assert [(each["name"], each["state"]) for each in statuses] == [
            ("other", {"waiting": {"reason": "y"}})
        ]


@pytest.mark.parametrize(
    "status",
    [
        {"qosClass": "Guaranteed"},
        {"podIP": "somewhere", "podIPs": [{"ip": "somewhere"}]},
        {"observedGeneration": -1},
    ],
    ids=["class", "address", "generation"],
)
async def test_some_statuses_are_refused(api, status):
    async with api:
        await create(api, pod())
        with pytest.raises(Invalid) as caught:
            await patch_status(api, status)

        assert caught.value.code == 422


@pytest.mark.parametrize(
    "status",
    [
        {"phase": "Running", "reason": "Back"},
        {"observedGeneration": 77},
        {"containerStatuses": [container({"running": {}}, name="stranger")]},
        {"podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.2"}]},
    ],
    ids=["phase back", "generation", "stranger", "addresses differ"],
)
async def test_other_wrong_statuses_are_accepted(api, status):
    async with api:
        await create(api, pod())
        await patch_status(api, {"phase": "Succeeded"})

        await patch_status(api, status)


async def test_annotations_may_not_grow_too_large(api):
    async with api:
        await create(api, pod(metadata={"annotations": {"a": "v" * 262_000}}))
        with pytest.raises(Invalid):
            await patch(api, {"metadata": {"annotations": {"b": "v" * 200}}})


@pytest.mark.parametrize(
    ("policy", "code", "refused"),
    [("Never", 0, True), ("Never", 1, True), ("OnFailure", 0, True), ("OnFailure", 1, False),
     ("Always", 0, False)],
)  # fmt: skip
async def test_an_ended_container_waits_again_only_to_be_restarted(api, policy, code, refused):
    async with api:
        await create(api, pod(restartPolicy=policy))
        await patch_status(api, {"containerStatuses": [container(ended(code))]})
        again = {"containerStatuses": [container({"waiting": {"reason": "x"}})]}
        if refused:
            with pytest.raises(Invalid):
                await patch_status(api, again)
        else:
            await patch_status(api, again)


async def test_a_binding_places_a_pod_once(api):
    async with api:
        await create(api, pod(metadata={"annotations": {"old": "1"}}))
        await bind(api, "a", annotations={"new": "2"})
        made = await get(api)

        assert made.spec.node_name == "some-node"
        assert made.metadata.annotations == {"old": "1", "new": "2"}
        (condition,) = made.status.conditions
        assert (condition.type, condition.status) == ("PodScheduled", "True")
        with pytest.raises(Conflict, match="already assigned to node"):
            await bind(api, "a")


async def test_a_binding_keeps_its_precondition(api):
    async with api:
        made = await create(api, pod())
        with pytest.raises(Conflict):
            await bind(api, "a", uid="another")

        await bind(api, "a", uid=made.metadata.uid)


async def test_some_pods_cannot_be_bound(api):
    async with api:
        await create(api, pod(schedulingGates=GATES))
        with pytest.raises(Conflict, match="non-empty"):
            await bind(api, "a")
        await create(api, pod("b", metadata={"finalizers": ["mcs.test/x"]}))
        await api.cluster.delete(PODS, "b", namespace=api.namespace)
        with pytest.raises(Conflict, match="being deleted"):
            await bind(api, "b")
        with pytest.raises(NotFound):
            await bind(api, "absent")
        with pytest.raises(Invalid, match="name in URL does not match"):
            await api.cluster.create(
                PODS, binding("a"), namespace=api.namespace, name="b", subresource="binding"
            )


async def test_an_unbound_pod_is_deleted_at_once(api):
    async with api:
        await create(api, pod())
        await delete(api)

        assert await gone(api)


async def test_an_unbound_pod_waits_for_its_finalizer_only(api):
    async with api:
        await create(api, pod(metadata={"finalizers": ["mcs.test/x"]}))
        await delete(api)
        assert (await get(api)).metadata.deletion_grace_period_seconds == 0
        await patch_status(api, {"phase": "Failed"}, metadata={"finalizers": None})

        assert await gone(api)


@pytest.mark.parametrize("grace_s", [None, 7])
async def test_a_bound_pod_stays_until_somebody_ends_it(api, grace_s):
    async with api:
        await create(api, pod(terminationGracePeriodSeconds=11))
        await bind(api, "a")
        await delete(api, grace_s=grace_s)
        made = await get(api)
        assert made.metadata.deletion_timestamp
        assert made.metadata.deletion_grace_period_seconds == (11 if grace_s is None else 7)

        await delete(api)
        await delete(api, grace_s=20)
        again = await get(api)
        assert again.metadata.deletion_timestamp == made.metadata.deletion_timestamp
        assert again.metadata.resource_version == made.metadata.resource_version

        await delete(api, grace_s=3)
        assert (await get(api)).metadata.deletion_grace_period_seconds == 3
        await delete(api, grace_s=0, uid=made.metadata.uid)
        assert await gone(api)


async def test_a_bound_pod_without_its_finalizer_stays_terminating(api):
    async with api:
        await create(api, pod(metadata={"finalizers": ["mcs.test/x"]}))
        await bind(api, "a")
        await delete(api)
        await patch_status(api, {"phase": "Failed"}, metadata={"finalizers": None})
        made = await get(api)

        assert made.metadata.finalizers is None
        assert made.metadata.deletion_grace_period_seconds == 30
        await delete(api, grace_s=0)
        assert await gone(api)


async def test_grace_zero_still_waits_for_the_finalizer(api):
    async with api:
        await create(api, pod(metadata={"finalizers": ["mcs.test/x"]}))
        await bind(api, "a")
        await delete(api, grace_s=0)
        await delete(api, grace_s=0)
        assert (await get(api)).metadata.deletion_grace_period_seconds == 0
        await patch(api, {"metadata": {"finalizers": None}})

        assert await gone(api)


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
async def test_an_ended_pod_is_deleted_at_once(api, phase):
    async with api:
        await create(api, pod())
        await bind(api, "a")
        await patch_status(api, {"phase": phase})
        await delete(api)

        assert await gone(api)


async def test_deletion_keeps_its_preconditions(api):
    async with api:
        made = await create(api, pod())
        for wrong in ({"uid": "another"}, {"resource_version": "1"}):
            with pytest.raises(Conflict):
                await delete(api, **wrong)

        await delete(api, resource_version=made.metadata.resource_version)
        assert await gone(api)
