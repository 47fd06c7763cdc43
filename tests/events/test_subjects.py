"""The grammar of subjects."""

import pytest

from mcs.errors import BadSubject
from mcs.events import subjects


def test_what_is_rendered_parses_back():
    channel = subjects.delegate_channel("c2")

    assert subjects.parse_observation(subjects.observation("c1", channel)) == ("c1", channel)
    assert subjects.delegate_source(channel) == "c2"
    assert subjects.delegate_source("capacity") is None
    assert subjects.parse_observation(subjects.TICKS) == ("_clock", "")
    assert subjects.parse_observation(subjects.operator("cordon")) == ("_operator", "cordon")
    assert subjects.parse_decision(subjects.decision("c2", "c1")) == ("c2", "c1")
    assert subjects.parse_decision(subjects.EVERYBODY) == ("", "")
    assert subjects.control("c1", "_scheduler", "resync") == "mcs.ctl.c1._scheduler.resync"


@pytest.mark.parametrize("subject", ["", "mcs.obs", "mcs.obs.c1", "mcs.dec.a.b", "mcs.obs.c1..x"])
def test_other_subjects_are_no_observations(subject):
    with pytest.raises(BadSubject):
        subjects.parse_observation(subject)


@pytest.mark.parametrize("subject", ["", "mcs.dec.a", "mcs.dec.a.b.c", "mcs.obs.a.b", "mcs.dec..a"])
def test_other_subjects_are_no_decisions(subject):
    with pytest.raises(BadSubject):
        subjects.parse_decision(subject)


@pytest.mark.parametrize(
    "subject",
    [
        *["mcs.obs.C1.proxy", "mcs.obs._.proxy", "mcs.obs._new.cluster", "mcs.obs.c1.x"],
        *["mcs.obs.c1.proxy.x", "mcs.obs.c1.delegate", "mcs.obs.c1.delegate._clock"],
        *["mcs.obs._clock.x", "mcs.obs._operator", "mcs.obs._operator.a.b", "mcs.obs.é.proxy"],
    ],
)
def test_only_clusters_speak_and_only_on_channels_of_ours(subject):
    with pytest.raises(BadSubject):
        subjects.parse_observation(subject)
