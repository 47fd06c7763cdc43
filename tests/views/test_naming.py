"""Names are learnt from events that give them, and forgotten with what they named."""

from mcs.events.observations import OperatorCommanded, PodObserved, Verb
from mcs.views.naming import Names, Proxied
from tests.building import deleted, pod, proxy


def test_a_placement_names_its_proxy_and_attempt():
    names = Names()
    names.learn(proxy("u1"), "c1")

    span, attempt = names.of_placement("u1.3")

    assert (span.text, attempt) == ("default/pod-u1", 3)
    assert names.proxies["u1"] == Proxied("c1", "default", "pod-u1")


def test_an_event_concerns_its_proxy():
    names = Names()
    names.learn(proxy("u1"), "c1")

    assert names.subject_of(deleted("u1"))[0] == "u1"
    release = OperatorCommanded(
        id="1", verb=Verb.RELEASE, cluster="c1", namespace="default", name="pod-u1"
    )
    assert names.subject_of(release)[0] == "u1"
    assert names.subject_of(pod("p", "n1", 1)) == ("", None)


def test_a_pod_is_forgotten_when_its_end_was_told():
    names = Names()
    event = pod("p1", "n1", 1)
    assert isinstance(event, PodObserved)
    names.learn(event, "c1")
    assert names.of_pod("c1", "p1").text == "default/p1"

    names.forget_pod("c1", "p1")

    assert names.of_pod("c1", "p1").text == "p1…"


def test_a_strange_placement_id_is_no_reason_to_fail():
    assert Names().of_placement("no-attempt")[1] == 0
