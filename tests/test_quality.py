"""docs/quality.md shows what its commands print, and names every workload."""

from mcs.simulation.workload.alibaba import NODE_COLUMNS, POD_COLUMNS
from mcs.simulation.workload.synthetic import ASKED, KINDS
from tests.quality import EXAMPLE, PAGE, page


def test_the_examples_are_what_mcs_prints():
    assert EXAMPLE.search(PAGE.read_text())
    assert page() == PAGE.read_text()


def test_every_workload_is_on_the_page_as_it_is_told():
    text = PAGE.read_text()

    assert [f"| `{name}` | {told} |" in text for name, (told, _) in KINDS.items()] == [True] * 4
    assert f"is {ASKED:.0%}".replace("%", " %") in text


def test_the_columns_of_a_trace_are_on_the_page():
    text = PAGE.read_text()

    assert ",".join(NODE_COLUMNS) in text
    assert all(f",{column}" in text for column in POD_COLUMNS[1:])
