"""The digest of a table depends on its entries alone."""

from hypothesis import given
from hypothesis import strategies as st

from mcs.projections.digest import Digest, combine

TABLES = st.dictionaries(st.text(max_size=3), st.integers(0, 5), max_size=6)


def settled(table, digest=None, touched=None):
    digest = digest or Digest()
    for key in touched if touched is not None else table:
        digest.touch(key)
    return digest.settle(table.get)


@given(TABLES, TABLES)
def test_reaching_a_table_by_changes_gives_the_digest_of_building_it(before, after):
    digest = Digest()
    settled(before, digest)

    assert settled(after, digest, [*before, *after]) == settled(after)


@given(TABLES, TABLES)
def test_different_tables_have_different_digests(left, right):
    assert (left == right) == (settled(left) == settled(right))


def test_the_order_of_fields_in_a_mapping_does_not_matter():
    assert settled({"k": {"a": 1, "b": 2}}) == settled({"k": {"b": 2, "a": 1}})


def test_combined_digests_keep_their_order():
    assert combine("a", "b") != combine("b", "a")
