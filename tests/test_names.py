"""Names that users and API servers see."""

import pytest

from mcs.errors import BadName
from mcs.names import Keys, PodKey, cluster_name, delegate_name, placement_id, split_placement


@pytest.mark.parametrize("name", ["c1", "a", "0-0", "a" * 59])
def test_labels_of_at_most_59_characters_name_clusters(name):
    assert cluster_name(name) == name


@pytest.mark.parametrize("name", ["", "_clock", "C1", "a.b", "-a", "a-", "a" * 60, "a\n", "é"])
def test_anything_else_does_not(name):
    with pytest.raises(BadName, match="cannot name a cluster"):
        cluster_name(name)


def test_a_placement_id_splits_into_what_it_was_made_of():
    assert split_placement(placement_id("8f-1.2", 3)) == ("8f-1.2", 3)


@pytest.mark.parametrize("text", ["", "u", "u.", ".1", "u.x", "u.-1", "u.²"])
def test_other_text_is_no_placement_id(text):
    with pytest.raises(BadName):
        split_placement(text)


def test_a_delegates_name_says_where_it_comes_from():
    assert delegate_name("c1", PodKey("default", "step-1")) == "c1-default-step-1"


def test_long_and_distinct_names_end_in_a_hash_and_stay_within_the_limit():
    long = [delegate_name("c1", PodKey("default", "x" * 250 + end)) for end in ("a", "b")]
    salted = [delegate_name("c1", PodKey("default", "web-0"), salt=uid) for uid in ("u1", "u2")]

    assert len(set(long)) == len(set(salted)) == 2
    assert {len(name) for name in long} == {253}
    assert all(name.startswith("c1-default-web-0-") for name in salted)


def test_the_annotation_domain_is_a_setting():
    assert Keys().elect == "multicluster.admiralty.io/elect"
    assert Keys("example.org").clustername == "example.org/clustername"
    assert Keys("example.org").ours("example.org/x")
    assert not Keys("example.org").ours("example.organic/x")


@pytest.mark.parametrize("attempt", ["01", "1" * 10, "9" * 5000, "\uff11", " 1", "+1", ""])
def test_each_attempt_has_one_way_to_be_written(attempt):
    with pytest.raises(BadName):
        split_placement(f"u.{attempt}")
