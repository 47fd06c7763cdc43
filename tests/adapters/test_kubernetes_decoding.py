"""Decoded objects own what they hold, and nothing but the fields we read."""

import gc
import json

from mcs.adapters.kubernetes_decoding import decoding
from mcs.objects.kinds import LEASES, NOTHING, PODS


def pod(name, filler=""):
    statuses = [{"name": "main", "state": {"running": {}}}]
    return {
        "metadata": {"name": name, "managedFields": filler},
        "spec": {"containers": [{"name": "main", "env": filler}]},
        "status": {"phase": "Running", "containerStatuses": statuses},
    }


def test_raw_fields_do_not_keep_the_page_they_came_in():
    data = json.dumps({"metadata": {}, "items": [pod("a", "x" * 100_000)]}).encode()
    (item,) = decoding(PODS).page(data).items

    raw = item.status.container_statuses
    assert json.loads(bytes(raw))[0]["name"] == "main"
    assert item.status.init_container_statuses is NOTHING
    assert not any(holder is data for holder in gc.get_referents(raw))
    assert raw.copy() is raw  # msgspec copies only what lies in somebody else's bytes


def test_decoders_are_made_once_for_each_kind():
    assert decoding(PODS) is decoding(PODS)
    assert decoding(PODS) is not decoding(LEASES)
