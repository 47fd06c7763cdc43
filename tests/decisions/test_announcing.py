"""What users are told names the cluster, and the reason in its own words."""

from mcs.decisions.announcing import MESSAGE_MAX, announce
from mcs.events.decisions import Lacks, Never, ProxyEvicted
from mcs.projections.ledger import Placement
from tests.decisions.placements import ID, UID, deferred, placed, rejected, withdrawn


def test_a_placement_says_where_the_delegate_is_to_be_found():
    notice = announce(placed())

    assert (notice.type, notice.reason, notice.about) == ("Normal", "Placed", ID)
    assert "c2, as default/c1-default-a" in notice.message


def test_a_deferral_gives_each_clusters_reason_in_order_of_names():
    notice = announce(deferred(c3=Lacks(resource="cpu"), c2=Never(constraint="cordoned")))

    assert (notice.type, notice.reason) == ("Warning", "Deferred")
    assert notice.message.index("c2: ruled out by cordoned") < notice.message.index("c3: ")


def test_a_rejection_keeps_the_api_servers_words():
    placement = Placement(id=ID, uid=UID, attempt=1, target="c2")

    notice = announce(rejected(message="exceeded quota: small"), placement)

    assert notice.type == "Warning"
    assert notice.message == "cluster c2 rejected it: QuotaExceeded: exceeded quota: small"


def test_withdrawals_and_evictions_say_why():
    evicted = ProxyEvicted(
        uid=UID, source="c1", namespace="default", name="a", placement=ID, reason="drained"
    )

    assert "unschedulable" in announce(withdrawn(reason="unschedulable")).message
    assert "drained" in announce(evicted).message


def test_a_message_is_cut_to_what_the_api_server_takes():
    notice = announce(rejected(message="x" * 2000))

    assert len(notice.message) == MESSAGE_MAX
