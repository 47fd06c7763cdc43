import pytest

from mcs.adapters.memory_cluster import MemoryCluster
from mcs.errors import Forbidden
from mcs.names import Keys
from mcs.objects.kinds import VALIDATING_BINDINGS, VALIDATING_POLICIES, WEBHOOKS
from mcs.objects.registration import MANIFEST_POLICY, NODES_POLICY, WEBHOOK, Url
from mcs.services.registration import Registration


class StillClock:
    def now(self):
        return 1_800_000_000.0

    def monotonic(self):
        return 0.0

    async def sleep(self, seconds):
        raise AssertionError("nothing here waits")


def registration(at):
    return Registration(
        at, Keys(), user="system:serviceaccount:mcs-system:agent", at=Url("https://a")
    )


def cluster():
    return MemoryCluster("c1", StillClock())


async def test_what_is_missing_is_registered():
    at = cluster()

    await registration(at).ensure_webhook(b"PEM")
    await registration(at).ensure_policies(["c2"])

    [hook] = (await at.read(WEBHOOKS, WEBHOOK))["webhooks"]
    assert hook["clientConfig"]["url"] == "https://a/mutate"
    for name in (NODES_POLICY, MANIFEST_POLICY):
        assert (await at.read(VALIDATING_BINDINGS, name))["spec"]["policyName"] == name
        assert (await at.read(VALIDATING_POLICIES, name))["spec"]["failurePolicy"] == "Fail"


async def test_what_is_right_is_not_written_again():
    at = cluster()
    await registration(at).ensure_webhook(b"PEM")
    await registration(at).ensure_policies(["c2"])
    writes = []

    async def note(request):
        if request.verb not in {"get", "read"}:
            writes.append(request)

    at.before = note
    await registration(at).ensure_webhook(b"PEM")
    await registration(at).ensure_policies(["c2"])

    assert writes == []


async def test_drift_and_a_new_authority_are_repaired():
    at = cluster()
    await registration(at).ensure_webhook(b"PEM")
    before = await at.read(WEBHOOKS, WEBHOOK)
    await at.patch(WEBHOOKS, WEBHOOK, {"webhooks": [], "metadata": {"labels": {"mine": "x"}}})

    await registration(at).ensure_webhook(b"PEM")

    after = await at.read(WEBHOOKS, WEBHOOK)
    assert after["webhooks"] == before["webhooks"]
    assert after["metadata"]["labels"] == {"mine": "x"}
    await registration(at).ensure_webhook(b"NEW")
    [hook] = (await at.read(WEBHOOKS, WEBHOOK))["webhooks"]
    assert hook["clientConfig"]["caBundle"] == "TkVX"


async def test_a_new_target_is_protected_too():
    at = cluster()
    await registration(at).ensure_policies(["c2"])

    await registration(at).ensure_policies(["c2", "c3"])

    spec = (await at.read(VALIDATING_POLICIES, NODES_POLICY))["spec"]
    assert "['mcs-c2', 'mcs-c3']" in spec["matchConditions"][0]["expression"]


async def test_another_replica_may_register_at_the_same_moment():
    at = cluster()

    async def overtake(request):
        if request.verb == "create" and at.before:
            at.before = None
            await registration(at).ensure_webhook(b"OTHER")

    at.before = overtake
    await registration(at).ensure_webhook(b"PEM")

    [hook] = (await at.read(WEBHOOKS, WEBHOOK))["webhooks"]
    assert hook["clientConfig"]["caBundle"] == "UEVN"


async def test_an_agent_without_the_right_says_what_to_do():
    at = cluster()

    async def refuse(request):
        if request.verb == "create":
            raise Forbidden("no", code=403)

    at.before = refuse

    with pytest.raises(Forbidden, match="mcs manifests agent"):
        await registration(at).ensure_webhook(b"PEM")
