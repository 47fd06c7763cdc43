"""What every policy promises, and what each of them does."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcs.decisions.policies.binpack import Binpack
from mcs.decisions.policies.blend import Blend
from mcs.decisions.policies.candidates import SCALE, Candidates
from mcs.decisions.policies.chosen import ARGUED, PLAIN, known, recorded, scoring
from mcs.decisions.policies.most_replicas import MostReplicas
from mcs.decisions.policies.prefer import CLUSTERS_MAX, Prefer
from mcs.decisions.policies.shares import thousandths
from mcs.decisions.policies.spread import Spread
from mcs.errors import BadSettings
from mcs.events.decisions import Policy
from mcs.quantities import LARGEST

RESOURCES = ("cpu", "memory", "pods", "x.io/gpu")
ARGUMENTS = {"prefer": ("c3", "c1,c2", "c9,c4")}
AMOUNT = st.one_of(st.integers(0, 9), st.integers(0, 10**9), st.integers(0, LARGEST))


def texts():
    """Every policy there is, alone and in blends."""
    alone = [*PLAIN, *(f"{word}:{each}" for word in ARGUED for each in ARGUMENTS[word])]
    part = st.builds(
        lambda weight, word: f"{weight}*{word}" if weight else word,
        st.integers(0, 1000),
        st.sampled_from(alone),
    )
    return st.lists(part, min_size=1, max_size=4).map("+".join)


def column(*numbers):
    return np.array(numbers, np.int64)


@st.composite
def candidates(draw):
    names = tuple(f"c{number}" for number in range(1, draw(st.integers(1, 5)) + 1))
    offered = draw(st.sets(st.sampled_from(RESOURCES)))

    def amounts(each=AMOUNT):
        return column(*draw(st.lists(each, min_size=len(names), max_size=len(names))))

    return Candidates(
        names=names,
        replicas=amounts(),
        totals={name: amounts() for name in sorted(offered)},
        free={name: amounts(AMOUNT | st.integers(-(10**6), 0)) for name in sorted(offered)},
    )


def requests():
    return st.dictionaries(st.sampled_from(RESOURCES), AMOUNT)


def replaced(old, **new):
    fields = {name: getattr(old, name) for name in Candidates.__struct_fields__}
    return Candidates(**fields | new)


def row(old, number):
    """One cluster alone."""
    return Candidates(
        names=old.names[number : number + 1],
        replicas=old.replicas[number : number + 1],
        totals={name: each[number : number + 1] for name, each in old.totals.items()},
        free={name: each[number : number + 1] for name, each in old.free.items()},
    )


# -- what placement relies on --------------------------------------------------------------------


@given(texts(), candidates(), requests(), st.data())
def test_more_room_never_lowers_a_clusters_score(text, seen, asked, data):
    more = column(*(data.draw(st.integers(int(have), LARGEST)) for have in seen.replicas))

    before = scoring(text).score(seen, asked)
    after = scoring(text).score(replaced(seen, replicas=more), asked)

    assert (before <= after).all()


@given(texts(), candidates(), requests())
def test_a_clusters_score_comes_from_that_cluster_alone(text, seen, asked):
    whole = scoring(text).score(seen, asked)

    alone = [scoring(text).score(row(seen, number), asked) for number in range(len(seen.names))]
    assert whole.tolist() == [int(score) for (score,) in alone]


@given(texts(), candidates(), requests())
def test_scores_are_whole_numbers_and_nothing_given_is_changed(text, seen, asked):
    before = [each.copy() for each in (seen.replicas, *seen.totals.values(), *seen.free.values())]

    scores = scoring(text).score(seen, asked)

    assert scores.dtype == np.int64
    assert scores.shape == (len(seen.names),)
    after = [seen.replicas, *seen.totals.values(), *seen.free.values()]
    assert all((old == new).all() for old, new in zip(before, after, strict=True))


@given(texts(), candidates(), candidates(), requests())
def test_the_common_scale_keeps_the_order_and_its_bounds(text, some, others, asked):
    policy = scoring(text)
    scores = np.sort(np.concatenate([policy.score(each, asked) for each in (some, others)]))

    scaled = policy.scale(scores)

    assert (np.diff(scaled) >= 0).all()
    assert scaled.min() >= 0
    assert scaled.max() <= SCALE
    assert scaled.tolist() == [int(policy.scale(scores[i : i + 1])[0]) for i in range(len(scores))]


def test_every_policy_is_held_to_that():
    assert set(ARGUMENTS) == set(ARGUED)


# -- what each does ------------------------------------------------------------------------------


def order(text, seen, asked):
    """Names, best first."""
    scores = scoring(text).score(seen, asked)
    return sorted(seen.names, key=lambda name: (-int(scores[seen.names.index(name)]), name))


def federation(**clusters):
    """Clusters as (replicas, cpu in all, cpu free)."""
    replicas, totals, free = zip(*clusters.values(), strict=True)
    return Candidates(
        names=tuple(clusters),
        replicas=column(*replicas),
        totals={"cpu": column(*totals)},
        free={"cpu": column(*free)},
    )


FEDERATION = federation(c1=(3, 1000, 400), c2=(30, 100_000, 9_000), c3=(7, 1000, 1000))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("most-replicas", ["c2", "c3", "c1"]),
        ("binpack", ["c2", "c1", "c3"]),
        ("spread", ["c3", "c1", "c2"]),
        ("prefer:c1", ["c1", "c2", "c3"]),
        ("prefer:c3,c1", ["c3", "c1", "c2"]),
        ("prefer:c9,c3", ["c3", "c2", "c1"]),
        ("most-replicas+spread", ["c3", "c1", "c2"]),
        ("9*most-replicas+spread", ["c2", "c3", "c1"]),
    ],
)
def test_the_order_of_clusters(text, expected):
    assert order(text, FEDERATION, {"cpu": 100}) == expected


def test_of_empty_clusters_binpack_takes_the_smallest_and_spread_the_largest():
    seen = federation(c1=(9, 4000, 4000), c2=(9, 1000, 1000), c3=(9, 2000, 2000))

    assert order("binpack", seen, {"cpu": 100}) == ["c2", "c3", "c1"]
    assert order("spread", seen, {"cpu": 100}) == ["c1", "c3", "c2"]


def test_only_what_the_pod_asks_for_makes_a_cluster_full():
    seen = Candidates(
        names=("c1", "c2"),
        replicas=column(5, 5),
        totals={"cpu": column(1000, 1000), "x.io/gpu": column(8, 8)},
        free={"cpu": column(900, 100), "x.io/gpu": column(1, 7)},
    )

    assert order("binpack", seen, {"cpu": 10}) == ["c2", "c1"]
    assert order("binpack", seen, {"x.io/gpu": 1, "cpu": 0}) == ["c1", "c2"]
    assert Binpack().score(seen, {"cpu": 100, "x.io/gpu": 1}).tolist() == [600, 625]


def test_a_pod_that_asks_for_nothing_counts_as_one_of_the_pods():
    seen = Candidates(
        names=("c1", "c2"),
        replicas=column(9, 9),
        totals={"pods": column(10, 110)},
        free={"pods": column(9, 9)},
    )

    assert Spread().score(seen, {}).tolist() == [800, 73]


def test_thousandths_are_exact_as_long_as_they_can_be():
    parts = column(0, 1, 2, 3, 0, 2**53 - 1, 2**53, LARGEST - 1, LARGEST)
    wholes = column(3, 3, 3, 3, 0, 2**53, 2**53, LARGEST, LARGEST)

    assert thousandths(parts, wholes).tolist() == [0, 333, 666, 1000, 1000, 999, 1000, 1000, 1000]


def test_each_doubling_of_replicas_counts_alike_on_the_scale():
    replicas = column(0, 1, 2, 3, 7, 1023, 2**20 - 1, 2**40)

    scaled = MostReplicas().scale(replicas)

    assert scaled.tolist() == [0, 50, 75, 100, 150, 500, 1000, 1000]


def test_the_preferred_have_the_upper_half_of_the_scale():
    policy = Prefer(tuple(f"p{number}" for number in range(CLUSTERS_MAX)))
    seen = federation(
        other=(LARGEST, 1, 1), p0=(1, 1, 1), p1=(1, 1, 1), **{f"p{CLUSTERS_MAX - 1}": (1, 1, 1)}
    )

    assert policy.scale(policy.score(seen, {})).tolist() == [500, 1000, 999, 501]


# -- texts ---------------------------------------------------------------------------------------


def test_a_text_names_a_policy_or_a_blend():
    assert scoring("spread") == Spread()
    assert scoring(" 3 * spread ") == Spread()  # alone, a weight changes nothing
    assert scoring("prefer:c1, c2") == Prefer(("c1", "c2"))
    assert scoring("2*most-replicas + prefer:c1,c2") == Blend(
        ((2, MostReplicas()), (1, Prefer(("c1", "c2"))))
    )
    assert scoring(Policy().score) == MostReplicas()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "'' is no policy: there are binpack, most-replicas, spread, prefer:CLUSTER"),
        ("bin-pack", "there is no policy 'bin-pack': there are binpack, most-replicas, spread"),
        ("spread+", "'' is no policy"),
        ("spread+best", "there is no policy 'best'"),
        ("2 spread", "'2 spread' is no policy"),
        ("0*spread", "a weight is a whole number from 1 to 1000"),
        ("1001*spread", "a weight is a whole number from 1 to 1000"),
        ("1.5*spread", "'1.5*spread' is no policy"),
        ("spread:c1", "policy 'spread' takes nothing behind a colon, not 'c1'"),
        ("prefer", "'' cannot name a cluster"),
        ("prefer:c1,C2", "'C2' cannot name a cluster"),
        ("prefer:c1,c2,c1", "c1 is named twice"),
        ("prefer:" + ",".join(f"c{n}" for n in range(501)), "501 clusters, of at most 500"),
        ("+".join(["spread"] * 17), "a blend of 17 policies, of at most 16"),
    ],
)
def test_another_text_is_refused_with_the_word_that_is_wrong(text, told):
    with pytest.raises(BadSettings) as caught:
        scoring(text)

    assert told in str(caught.value)
    assert not known(text)


def test_a_newer_versions_policy_reads_as_most_replicas():
    assert recorded("cheapest") == MostReplicas()
    assert recorded("binpack") == Binpack()
