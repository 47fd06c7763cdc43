"""What mcs relies on of any object in a cluster: create, read, list, patch, delete."""

import asyncio

import pytest

from mcs.errors import AlreadyExists, Conflict, Forbidden, Invalid, NotFound
from mcs.objects.kinds import LEASES, NAMESPACES, NODES, PODS, SECRETS, WEBHOOKS
from mcs.ports import Patch
from tests.contracts.clusters import bind, eventually, pod


def lease(name="a", **metadata):
    return {"metadata": {"name": name, **metadata}, "spec": {"holderIdentity": "me"}}


async def test_tells_its_version(api):
    async with api:
        assert (await api.cluster.version()).startswith("v1.")


async def test_a_new_object_gets_an_identity(api):
    async with api:
        made = await api.cluster.create(LEASES, lease(), namespace=api.namespace)

        assert made == await api.cluster.get(LEASES, "a", namespace=api.namespace)
        assert made.metadata.uid
        assert made.metadata.resource_version
        assert made.metadata.creation_timestamp.endswith("Z")
        assert made.metadata.namespace == api.namespace
        assert made.spec.holder_identity == "me"


async def test_names_are_generated(api):
    async with api:
        manifest = {"metadata": {"generateName": "job-"}, "spec": {}}
        names = {
            (await api.cluster.create(LEASES, manifest, namespace=api.namespace)).metadata.name
            for _ in range(3)
        }

        assert len(names) == 3
        assert all(name.startswith("job-") and len(name) == 9 for name in names)


async def test_a_name_is_taken_once(api):
    async with api:
        await api.cluster.create(LEASES, lease(), namespace=api.namespace)
        with pytest.raises(AlreadyExists, match="already exists") as caught:
            await api.cluster.create(LEASES, lease(), namespace=api.namespace)

        assert (caught.value.code, caught.value.reason) == (409, "AlreadyExists")
        assert 'leases.coordination.k8s.io "a" already exists' in caught.value.message


async def test_a_namespace_must_exist(api):
    async with api:
        with pytest.raises(NotFound, match='namespaces "nowhere" not found'):
            await api.cluster.create(LEASES, lease(), namespace="nowhere")


async def test_a_manifest_cannot_name_another_namespace(api):
    async with api:
        with pytest.raises(Invalid, match="does not match the namespace sent"):
            await api.cluster.create(LEASES, lease(namespace="other"), namespace=api.namespace)


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"name": "Upper"},
        {"name": "a" * 254},
        {"name": "a", "finalizers": ["not a name"]},
        {"name": "a", "annotations": {"k": "v" * 262_144}},
    ],
    ids=["none", "upper", "long", "finalizer", "annotations"],
)
async def test_bad_metadata_is_refused(api, metadata):
    async with api:
        with pytest.raises(Invalid) as caught:
            await api.cluster.create(
                LEASES, {"metadata": metadata, "spec": {}}, namespace=api.namespace
            )

        assert (caught.value.code, caught.value.reason) == (422, "Invalid")


async def test_what_is_not_there_is_not_found(api):
    async with api:
        with pytest.raises(NotFound) as caught:
            await api.cluster.get(PODS, "absent", namespace=api.namespace)
        assert caught.value.message == 'pods "absent" not found'
        with pytest.raises(NotFound):
            await api.cluster.patch(PODS, "absent", {}, namespace=api.namespace)
        with pytest.raises(NotFound):
            await api.cluster.delete(PODS, "absent", namespace=api.namespace)


async def test_reading_gives_the_whole_object(api):
    async with api:
        await api.cluster.create(LEASES, lease(labels={"a": "b"}), namespace=api.namespace)
        whole = await api.cluster.read(LEASES, "a", namespace=api.namespace)

        assert whole["kind"] == "Lease"
        assert whole["apiVersion"] == "coordination.k8s.io/v1"
        assert whole["metadata"]["labels"] == {"a": "b"}


async def test_lists_select(api):
    async with api:
        for name, labels in (("b", {"x": "1"}), ("a", {"x": "2", "y": ""}), ("c", {})):
            await api.cluster.create(LEASES, lease(name, labels=labels), namespace=api.namespace)

        async def names(**selectors):
            listed = await api.cluster.list(LEASES, namespace=api.namespace, **selectors)
            return [item.metadata.name for item in listed.items]

        assert await names() == ["a", "b", "c"]
        assert await names(labels="x=1") == ["b"]
        assert await names(labels="x==1,!y") == ["b"]
        assert await names(labels="x!=1") == ["a", "c"]
        assert await names(labels="x in (1, 2)") == ["a", "b"]
        assert await names(labels="x notin (1)") == ["a", "c"]
        assert await names(labels="y") == ["a"]
        assert await names(fields="metadata.name=c") == ["c"]
        assert await names(fields="metadata.name!=c") == ["a", "b"]
        assert await names(fields=f"metadata.namespace={api.namespace},metadata.name=a") == ["a"]


async def test_a_list_holds_what_its_kind_keeps(api):
    async with api:
        for name in "ab":
            await api.cluster.create(LEASES, lease(name), namespace=api.namespace)
        named = LEASES.keeping(lambda item: item.metadata.name)
        listed = await api.cluster.list(named, namespace=api.namespace)

        assert listed.items == ["a", "b"]
        assert (await api.cluster.list(LEASES, namespace=api.namespace)).items[0].metadata.uid


async def test_a_list_without_namespace_is_of_all_namespaces(api):
    async with api:
        await api.cluster.create(LEASES, lease("mine"), namespace=api.namespace)
        await api.cluster.create(LEASES, {"metadata": {"generateName": "a"}}, namespace="default")
        listed = await api.cluster.list(LEASES)

        found = {item.metadata.namespace for item in listed.items}
        assert {api.namespace, "default"} <= found
        assert int(listed.resource_version) > 0


@pytest.mark.parametrize("wrong", [{"fields": "spec.nothing=1"}, {"labels": "a b"}])
async def test_selectors_that_cannot_be_are_refused(api, wrong):
    async with api:
        with pytest.raises(Invalid):
            await api.cluster.list(LEASES, **wrong)


async def test_pods_are_selected_by_node_and_phase(api):
    async with api:
        for name in ("free", "bound"):
            await api.cluster.create(PODS, pod(name), namespace=api.namespace)
        await bind(api, "bound")

        async def names(fields):
            listed = await api.cluster.list(PODS, namespace=api.namespace, fields=fields)
            return [item.metadata.name for item in listed.items]

        assert await names("spec.nodeName=some-node") == ["bound"]
        assert await names("spec.nodeName=") == ["free"]
        assert await names("status.phase=Pending") == ["bound", "free"]
        assert await names("status.phase!=Pending") == []


async def test_a_merge_patch_sets_and_removes(api):
    async with api:
        await api.cluster.create(
            LEASES, lease(labels={"a": "1", "b": "2"}), namespace=api.namespace
        )
        made = await api.cluster.patch(
            LEASES, "a", {"metadata": {"labels": {"a": None, "c": "3"}}}, namespace=api.namespace
        )

        assert made.metadata.labels == {"b": "2", "c": "3"}
        assert made.spec.holder_identity == "me"


async def test_a_json_patch_tests_and_acts(api):
    async with api:
        await api.cluster.create(LEASES, lease(labels={"a/b": "1"}), namespace=api.namespace)
        operations = [
            {"op": "test", "path": "/metadata/labels/a~1b", "value": "1"},
            {"op": "move", "from": "/metadata/labels/a~1b", "path": "/metadata/labels/c"},
            {"op": "add", "path": "/metadata/finalizers", "value": ["mcs.test/x"]},
            {"op": "add", "path": "/metadata/finalizers/-", "value": "mcs.test/y"},
            {"op": "remove", "path": "/metadata/finalizers/0"},
            {"op": "replace", "path": "/spec/holderIdentity", "value": "you"},
        ]
        made = await api.cluster.patch(
            LEASES, "a", operations, namespace=api.namespace, type=Patch.JSON
        )

        assert made.metadata.labels == {"c": "1"}
        assert made.metadata.finalizers == ("mcs.test/y",)
        assert made.spec.holder_identity == "you"
        for failing in (operations[0], {"op": "remove", "path": "/metadata/annotations/x"}):
            with pytest.raises(Invalid):
                await api.cluster.patch(
                    LEASES, "a", [failing], namespace=api.namespace, type=Patch.JSON
                )


@pytest.mark.parametrize(("patch", "type"), [({"a": 1}, Patch.JSON), ([1], Patch.MERGE)])
async def test_a_malformed_patch_is_refused(api, patch, type):
    async with api:
        await api.cluster.create(LEASES, lease(), namespace=api.namespace)
        with pytest.raises(Invalid):
            await api.cluster.patch(LEASES, "a", patch, namespace=api.namespace, type=type)


async def test_a_strategic_patch_merges_sets(api):
    async with api:
        await api.cluster.create(LEASES, lease(finalizers=["a/a", "b/b"]), namespace=api.namespace)

        async def finalizers(metadata):
            made = await api.cluster.patch(
                LEASES,
                "a",
                {"metadata": metadata},
                namespace=api.namespace,
                type=Patch.STRATEGIC,
            )
            return sorted(made.metadata.finalizers or ())

        assert await finalizers({"finalizers": ["c/c"]}) == ["a/a", "b/b", "c/c"]
        assert await finalizers({"$deleteFromPrimitiveList/finalizers": ["b/b"]}) == ["a/a", "c/c"]
        assert await finalizers({"finalizers": None}) == []


async def test_a_patch_that_changes_nothing_writes_nothing(api):
    async with api:
        made = await api.cluster.create(LEASES, lease(labels={"a": "1"}), namespace=api.namespace)
        same = await api.cluster.patch(
            LEASES, "a", {"metadata": {"labels": {"a": "1"}}}, namespace=api.namespace
        )

        assert same.metadata.resource_version == made.metadata.resource_version


@pytest.mark.parametrize("wrong", [{"resourceVersion": "1"}, {"uid": "other"}])
async def test_preconditions_of_a_patch_are_kept(api, wrong):
    async with api:
        made = await api.cluster.create(LEASES, lease(), namespace=api.namespace)
        right = {
            "resourceVersion": made.metadata.resource_version,
            "uid": made.metadata.uid,
            "labels": {"done": "yes"},
        }
        with pytest.raises(Conflict):
            await api.cluster.patch(
                LEASES, "a", {"metadata": {**right, **wrong}}, namespace=api.namespace
            )
        done = await api.cluster.patch(LEASES, "a", {"metadata": right}, namespace=api.namespace)

        assert done.metadata.labels == {"done": "yes"}


async def test_two_writers_of_a_lease_cannot_both_win(api):
    async with api:
        made = await api.cluster.create(LEASES, lease(), namespace=api.namespace)

        def take(holder):
            patch = {
                "metadata": {"resourceVersion": made.metadata.resource_version},
                "spec": {"holderIdentity": holder},
            }
            return api.cluster.patch(LEASES, "a", patch, namespace=api.namespace)

        results = await asyncio.gather(take("x"), take("y"), return_exceptions=True)

        assert sorted(isinstance(result, Conflict) for result in results) == [False, True]


async def test_an_object_cannot_be_renamed(api):
    async with api:
        await api.cluster.create(LEASES, lease(), namespace=api.namespace)
        with pytest.raises(Invalid, match="does not match the name on the URL"):
            await api.cluster.patch(
                LEASES, "a", {"metadata": {"name": "b"}}, namespace=api.namespace
            )


async def test_deletion_removes_at_once(api):
    async with api:
        made = await api.cluster.create(LEASES, lease(), namespace=api.namespace)
        for wrong in ({"uid": "other"}, {"resource_version": "1"}):
            with pytest.raises(Conflict):
                await api.cluster.delete(LEASES, "a", namespace=api.namespace, **wrong)
        await api.cluster.delete(
            LEASES,
            "a",
            namespace=api.namespace,
            uid=made.metadata.uid,
            resource_version=made.metadata.resource_version,
        )

        with pytest.raises(NotFound):
            await api.cluster.get(LEASES, "a", namespace=api.namespace)


async def test_a_finalizer_keeps_an_object(api):
    async with api:
        await api.cluster.create(LEASES, lease(finalizers=["mcs.test/x"]), namespace=api.namespace)
        for _ in range(2):
            await api.cluster.delete(LEASES, "a", namespace=api.namespace)
        kept = await api.cluster.get(LEASES, "a", namespace=api.namespace)

        assert kept.metadata.deletion_timestamp
        assert kept.metadata.deletion_grace_period_seconds == 0
        with pytest.raises(Invalid, match="no new finalizers can be added"):
            await api.cluster.patch(
                LEASES,
                "a",
                {"metadata": {"finalizers": ["mcs.test/x", "mcs.test/y"]}},
                namespace=api.namespace,
            )
        await api.cluster.patch(
            LEASES, "a", {"metadata": {"finalizers": None}}, namespace=api.namespace
        )
        with pytest.raises(NotFound):
            await api.cluster.get(LEASES, "a", namespace=api.namespace)


async def test_a_namespace_ends_when_it_is_empty(api):
    async with api:
        await api.cluster.create(PODS, pod("stuck"), namespace=api.namespace)
        await bind(api, "stuck")
        await api.cluster.delete(NAMESPACES, api.namespace)

        async def terminating():
            found = await api.cluster.get(PODS, "stuck", namespace=api.namespace)
            return found.metadata.deletion_timestamp

        await eventually(terminating)
        with pytest.raises(Forbidden, match="because it is being terminated"):
            await api.cluster.create(PODS, pod("late"), namespace=api.namespace)
        await api.cluster.delete(PODS, "stuck", namespace=api.namespace, grace_s=0)

        async def gone():
            listed = await api.cluster.list(NAMESPACES, fields=f"metadata.name={api.namespace}")
            return not listed.items

        await eventually(gone)


async def test_a_namespace_is_labelled_with_its_name(api):
    async with api:
        listed = await api.cluster.list(
            NAMESPACES, labels=f"kubernetes.io/metadata.name={api.namespace}"
        )

        assert [item.metadata.name for item in listed.items] == [api.namespace]


async def test_a_node_keeps_status_and_spec_apart(api):
    async with api:
        name = f"node-{api.namespace}"
        manifest = {
            "metadata": {"name": name},
            "spec": {"taints": [{"key": "k", "effect": "NoSchedule"}]},
            "status": {"capacity": {"cpu": "3"}, "allocatable": {"cpu": "2"}},
        }
        made = await api.cluster.create(NODES, manifest)
        assert made.status.allocatable == {"cpu": "2"}

        await api.cluster.patch(NODES, name, {"status": {"capacity": {"cpu": "9"}}})
        made = await api.cluster.patch(
            NODES,
            name,
            {"spec": {"unschedulable": True}, "status": {"allocatable": {"cpu": "1"}}},
            subresource="status",
        )
        assert (made.status.capacity, made.status.allocatable) == ({"cpu": "3"}, {"cpu": "1"})
        assert made.spec.unschedulable is None
        made = await api.cluster.patch(
            NODES,
            name,
            {"status": {"conditions": [{"type": "Ready", "status": "True"}]}},
            subresource="status",
            type=Patch.STRATEGIC,
        )
        assert "Ready" in {condition.type for condition in made.status.conditions}

        await api.cluster.delete(NODES, name)


async def test_secrets_and_webhooks_are_kept(api):
    async with api:
        made = await api.cluster.create(
            SECRETS, {"metadata": {"name": "s"}, "data": {"k": "dg=="}}, namespace=api.namespace
        )
        assert made.data == {"k": "dg=="}
        name = f"hook-{api.namespace}"
        hook = {
            "name": "pods.mcs.test",
            "clientConfig": {"url": "https://127.0.0.1:1/"},
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
        }
        await api.cluster.create(WEBHOOKS, {"metadata": {"name": name}, "webhooks": [hook]})
        patch = {"webhooks": [{"name": "pods.mcs.test", "failurePolicy": "Ignore"}]}
        await api.cluster.patch(WEBHOOKS, name, patch, type=Patch.STRATEGIC)
        whole = await api.cluster.read(WEBHOOKS, name)

        assert whole["webhooks"][0]["failurePolicy"] == "Ignore"
        assert whole["webhooks"][0]["clientConfig"] == hook["clientConfig"]
        await api.cluster.delete(WEBHOOKS, name)
