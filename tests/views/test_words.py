"""Sentences are spans; what is empty vanishes."""

from mcs.views.words import Sense, Span, bad, cluster, listed, plain, pod, say


def test_pieces_become_one_sentence():
    inner = say("to ", cluster("c1"))

    words = say(pod("default", "a"), " goes ", inner, "", Span(""))

    assert plain(words) == "default/a goes to c1"
    assert [span.sense for span in words] == [
        Sense.POD,
        Sense.PLAIN,
        Sense.PLAIN,
        Sense.CLUSTER,
    ]


def test_a_list_is_separated():
    assert plain(listed([say("a"), say(bad("b")), say("c")], "; ")) == "a; b; c"
    assert listed([]) == ()
