"""Ways in which a target refuses a delegate, and the words of its API server for each."""

import asyncio

from tests.kubernetes.pods import path, plain
from tools.api import ApiError

OPTED_IN = {"multicluster-scheduler": "enabled"}


async def missing(target, namespace):
    return None


async def not_opted_in(target, namespace):
    await target.apply(named(namespace))


async def over_quota(target, namespace):
    await target.apply([named(namespace, **OPTED_IN), quota(namespace)])
    await refused(target, namespace, "exceeded quota")


async def forbidden(target, namespace):
    labels = OPTED_IN | {"pod-security.kubernetes.io/enforce": "restricted"}
    await target.apply(named(namespace, **labels))
    await refused(target, namespace, "violates PodSecurity")


async def against_a_policy(target, namespace):
    await target.apply([named(namespace, **OPTED_IN), *policy(namespace)])
    await refused(target, namespace, "no pods here")


async def without_its_priority_class(target, namespace):
    await target.apply(named(namespace, **OPTED_IN))
    await refused(target, namespace, "no PriorityClass", priorityClassName="only-in-source")


async def name_taken(target, namespace):
    await target.apply(named(namespace, **OPTED_IN))
    await target.api.wait(f"/api/v1/namespaces/{namespace}/serviceaccounts/default", lambda _: True)
    await target.apply(plain(f"c1-{namespace}-p", namespace))


async def refused(target, namespace, words, **spec):
    """Wait until pods are refused for that: an API server learns of a policy, or of how much of a
    quota is used, a moment later, and until a new namespace has its service account it refuses pods
    for the lack of it.
    """

    async def so():
        try:
            await target.api.create(
                f"{path(namespace)}?dryRun=All", plain("dry", namespace, **spec)
            )
        except ApiError as error:
            return words in str(error)
        return False

    async with asyncio.timeout(30):
        while not await so():
            await asyncio.sleep(0.05)


def named(namespace, **labels):
    metadata = {"name": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def quota(namespace):
    metadata = {"name": "none", "namespace": namespace}
    spec = {"hard": {"pods": "0"}}
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": spec}


def policy(namespace):
    """An admission policy of that namespace that lets no pod in."""
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"]}
    only = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    common = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": namespace}}
    yield common | {
        "kind": "ValidatingAdmissionPolicy",
        "spec": {
            "matchConstraints": {"resourceRules": [rule | {"resources": ["pods"]}]},
            "validations": [{"expression": "false", "message": "no pods here"}],
        },
    }
    yield common | {
        "kind": "ValidatingAdmissionPolicyBinding",
        "spec": {
            "policyName": namespace,
            "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": only},
        },
    }


REFUSALS = {
    "NamespaceMissing": (missing, 'namespaces "{namespace}" not found', {}),
    "NamespaceNotOptedIn": (not_opted_in, "is not labelled multicluster-scheduler=enabled", {}),
    "QuotaExceeded": (over_quota, "exceeded quota: none, requested: pods=1", {}),
    "Forbidden": (forbidden, 'violates PodSecurity "restricted:latest"', {}),
    "Invalid": (against_a_policy, "no pods here", {}),
    "Forbidden, of its class": (
        without_its_priority_class,
        "no PriorityClass with name only-in-source was found",
        {"priorityClassName": "only-in-source"},
    ),
    "NameTaken": (name_taken, "already exists, and is not a delegate of mcs", {}),
}
