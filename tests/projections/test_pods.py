"""Pods in columns are the pods one by one, whatever happens to them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcs.projections import pods as module
from mcs.projections.loads import Loads, Places
from mcs.projections.pods import Pods
from tests.building import pods as columns

UIDS, NODES, CPUS = st.sampled_from("uvwxyz"), st.sampled_from("abc"), st.sampled_from([0, 1, 50])
POD = st.tuples(UIDS, NODES, CPUS)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("many"), st.lists(POD, max_size=6)),
        st.tuples(st.just("one"), POD),
        st.tuples(st.just("gone"), UIDS),
        st.tuples(st.just("sweep"), st.none()),
        st.tuples(st.just("account"), st.none()),
        st.tuples(st.just("digest"), st.none()),
    ),
    max_size=12,
)


class Kept:
    """Pods of a cluster, told in columns or one by one, beside a plain account of them."""

    def __init__(self, *, together):
        places = Places()
        self.pods, self.loads = Pods(places), Loads("c1", places)
        self.together, self.resync = together, 1
        self.plain = {}

    def do(self, what, given):
        match what:
            case "many" if self.together:
                self.pods.observe_many(self.loads, columns(*given), self.resync)
            case "many" | "one":
                for uid, node, cpu in given if what == "many" else [given]:
                    self.pods.observe(self.loads, uid, node, {"cpu": cpu}, self.resync)
            case "gone":
                self.pods.drop(self.loads, given)
            case "sweep":
                self.pods.sweep(self.loads, self.resync)
            case "account":
                self.resync += 1
            case "digest":
                self.pods.digest()
        self.note(what, given)

    def note(self, what, given):
        match what:
            case "many" | "one":
                for uid, node, cpu in given if what == "many" else [given]:
                    self.plain[uid] = (node, {"cpu": cpu}, self.resync)
            case "gone":
                self.plain.pop(given, None)
            case "sweep":
                kept = {uid: pod for uid, pod in self.plain.items() if pod[2] >= self.resync}
                self.plain = kept

    def used(self):
        sums = {}
        for node, requests, _ in self.plain.values():
            load = sums.setdefault(node, {"pods": 0, "cpu": 0})
            load["pods"] += 1
            load["cpu"] += requests["cpu"]
        return {n: {k: v for k, v in load.items() if v} for n, load in sums.items()}


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_pods_in_columns_are_the_pods_one_by_one(steps):
    many, single = Kept(together=True), Kept(together=False)
    for step in steps:
        many.do(*step)
        single.do(*step)

    for kept in (many, single):
        assert [pod[0] for pod in kept.pods.each(kept.loads)] == list(kept.plain)
        assert {uid: pod for uid, *pod in kept.pods.each(kept.loads)} == {
            uid: list(pod) for uid, pod in kept.plain.items()
        }
        assert {name: kept.loads.of(name) for name in kept.loads.rows} == kept.used()
        assert len(kept.pods) == len(kept.plain)
    assert many.pods.digest() == single.pods.digest()


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_the_digest_follows_from_the_pods_alone(steps):
    kept, fresh = Kept(together=True), Kept(together=False)
    for step in steps:
        kept.do(*step)
    for uid, (node, requests, resync) in sorted(kept.plain.items()):
        fresh.pods.observe(fresh.loads, uid, node, requests, resync)

    assert kept.pods.digest() == fresh.pods.digest()


def test_the_last_word_on_a_pod_counts_when_an_event_has_it_twice():
    kept = Kept(together=True)
    kept.do("many", [("u", "a", 1), ("v", "a", 1), ("u", "b", 50)])

    assert kept.pods.get(kept.loads, "u") == ("b", {"cpu": 50}, 1)
    assert kept.loads.of("a") == {"cpu": 1, "pods": 1}


@pytest.mark.parametrize("step", [("many", [("u", "a", 1)]), ("one", ("u", "a", 1))])
def test_a_pod_named_again_by_a_new_account_survives_its_sweep(step):
    kept = Kept(together=True)
    kept.do("many", [("u", "a", 1), ("v", "a", 1)])
    before = kept.pods.digest()
    kept.do("account", None)
    kept.do(*step)
    named = kept.pods.digest()
    kept.do("sweep", None)

    assert list(kept.pods.rows["c1"]) == ["u"]
    assert len({before, named, kept.pods.digest()}) == 3


def test_pods_of_one_uid_in_two_clusters_are_two():
    places = Places()
    pods, one, two = Pods(places), Loads("c1", places), Loads("c2", places)
    pods.observe(one, "u", "a", {"cpu": 1}, 1)
    pods.observe(two, "u", "a", {"cpu": 2}, 1)
    pods.drop(one, "u")

    assert pods.get(one, "u") is None
    assert pods.get(two, "u") == ("a", {"cpu": 2}, 1)


def test_what_a_digest_tells_apart():
    digests = []
    for cluster, uid, node, cpu, resync in (
        ("c1", "u", "a", 1, 1),
        ("c2", "u", "a", 1, 1),
        ("c1", "v", "a", 1, 1),
        ("c1", "u", "b", 1, 1),
        ("c1", "u", "a", 2, 1),
        ("c1", "u", "a", 1, 2),
    ):
        places = Places()
        pods = Pods(places)
        pods.observe(Loads(cluster, places), uid, node, {"cpu": cpu}, resync)
        digests.append(pods.digest())

    assert len(set(digests)) == 6


def test_many_rows_are_settled_in_parts(monkeypatch):
    whole, parts = Kept(together=True), Kept(together=True)
    each = [(f"u{number}", f"n{number % 7}", number % 3) for number in range(200)]
    for kept in (whole, parts):
        kept.do("many", each)
    whole = whole.pods.digest()
    monkeypatch.setattr(module, "_SETTLED_AT_ONCE", 7)

    assert parts.pods.digest() == whole
