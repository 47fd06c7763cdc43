"""A target's refusal keeps the API server's words, and gets a word for tables."""

import pytest

from mcs.decisions.refusing import Holder, barred, name_taken, refused, taken
from mcs.errors import AlreadyExists, Busy, Conflict, Forbidden, Invalid, NotFound, Unreachable
from mcs.objects.kinds import Metadata, Namespace
from mcs.projections.ledger import Placement

PLACEMENT = Placement(id="u.1", uid="u", attempt=1, namespace="default", delegate="c1-default-a")
QUOTA = 'pods "a" is forbidden: exceeded quota: small, requested: pods=1, used: pods=1'
TERMINATING = (
    'pods "a" is forbidden: unable to create new content in namespace default because it is '
    "being terminated"
)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (NotFound('namespaces "default" not found'), "NamespaceMissing"),
        (Forbidden(QUOTA), "QuotaExceeded"),
        (Forbidden(TERMINATING), "NamespaceTerminating"),
        (Forbidden("serviceaccounts default not found"), "Forbidden"),
        (Invalid("spec.containers: Required value"), "Invalid"),
    ],
)
def test_a_definite_no_is_a_rejection_in_the_api_servers_words(error, reason):
    event = refused(PLACEMENT, error)

    assert (event.reason, event.message) == (reason, error.message)
    assert (event.placement, event.namespace, event.name) == ("u.1", "default", "c1-default-a")


@pytest.mark.parametrize(
    "error", [Unreachable("gone"), Busy("later"), Conflict("quota moved"), AlreadyExists("there")]
)
def test_what_may_change_at_once_is_no_rejection(error):
    assert refused(PLACEMENT, error) is None


def test_a_namespace_takes_delegates_only_when_it_opted_in():
    def named(labels):
        return Namespace(metadata=Metadata(name="default", labels=labels))

    assert barred(PLACEMENT, named({"multicluster-scheduler": "enabled"})) is None
    assert barred(PLACEMENT, named(None)).reason == "NamespaceNotOptedIn"
    assert barred(PLACEMENT, named({"multicluster-scheduler": "no"})).reason == (
        "NamespaceNotOptedIn"
    )
    assert barred(PLACEMENT, None).reason == "NamespaceMissing"


def test_only_a_strangers_pod_takes_a_name_for_good():
    assert taken(PLACEMENT, "u.1") is Holder.ITSELF
    assert taken(PLACEMENT, "u.2") is Holder.ANOTHER_PLACEMENT
    assert taken(PLACEMENT, None) is Holder.STRANGER
    assert name_taken(PLACEMENT).reason == "NameTaken"
