"""The documentation says what the code does: events, settings, invariants, decisions, links."""

import re
from pathlib import Path
from typing import get_args

import msgspec
import numpy as np
import pytest

from mcs import settings
from mcs.decisions.budget import subject_of
from mcs.decisions.policies.candidates import Candidates
from mcs.decisions.policies.chosen import ARGUED, FORMS, PLAIN
from mcs.events import constraints, decisions, observations
from mcs.events.decisions import Decision, PlacementWithdrawn, PodPlaced, Policy, ProxyReleased
from mcs.events.event import Last, Part
from mcs.events.frames import DecisionFrame, ObservationFrame
from mcs.events.observations import (
    DelegateGone,
    DelegateObserved,
    DelegateRejected,
    Observation,
    Phase,
    Unknown,
)
from mcs.names import NAMESPACE_ENABLED, NAMESPACE_LABEL, Keys
from mcs.objects.admission import Rules
from mcs.projections.ledger import Intent, Ledger, Stage

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
EVENTS = [*get_args(Observation), *get_args(Decision)]
PARTS = [
    part
    for module in (observations, decisions, constraints)
    for part in vars(module).values()
    if isinstance(part, type) and issubclass(part, Part) and part not in (Part, Unknown)
]
HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)


def sections(page, level=3):
    """Text below each heading of ``level``, by heading."""
    text = (DOCS / page).read_text()
    found = list(HEADING.finditer(text))
    ends = [match.start() for match in found[1:]] + [len(text)]
    return {
        match[2]: text[match.end() : end]
        for match, end in zip(found, ends, strict=True)
        if len(match[1]) == level
    }


def table(text):
    """Rows of the tables in ``text``, as lists of cells; heads and rules left out."""
    rows = []
    lines = [line for line in text.splitlines() if line.startswith("|")]
    for before, line in zip(["", *lines], lines, strict=False):
        if set(line) <= set("|-: "):
            rows.pop() if rows and rows[-1] == cells(before) else None
        else:
            rows.append(cells(line))
    return rows


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split(" | ")]


def head(text):
    return cells(next(line for line in text.splitlines() if line.startswith("|")))


def fields(struct):
    return [field.encode_name for field in msgspec.structs.fields(struct)]


def code(text):
    return text.strip("`")


def titles():
    return {event: f"`{event.__struct_config__.tag}` · {event.__name__}" for event in EVENTS}


# -- the catalogue of events ---------------------------------------------------------------------


def test_the_catalogue_holds_every_event_and_no_other():
    known = set(titles().values())
    written = {title for title in sections("events.md") if " · " in title}

    assert written == known


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
def test_the_catalogue_holds_every_field_of_an_event(event):
    text = sections("events.md")[titles()[event]]

    assert [code(row[0]) for row in table(text)] == fields(event)
    assert fields(event) or "It has no fields." in text


@pytest.mark.parametrize("part", [Last, *PARTS], ids=lambda part: part.__name__)
def test_the_catalogue_holds_every_part_of_an_event(part):
    text = sections("events.md")[part.__name__]

    assert [code(row[0]) for row in table(text)] == fields(part)
    assert fields(part) or "It has no fields." in text


@pytest.mark.parametrize(
    ("title", "frame"),
    [("Observation frame", ObservationFrame), ("Decision frame", DecisionFrame)],
)
def test_the_catalogue_holds_every_field_of_a_frame(title, frame):
    assert [code(row[0]) for row in table(sections("events.md")[title])] == fields(frame)


@pytest.mark.parametrize("event", get_args(Decision), ids=lambda event: event.__name__)
def test_a_decisions_subject_is_the_one_in_the_catalogue(event):
    named = {"source": "<source>", "target": "<target>"}
    required = {
        field.name: {} if field.name in ("policy", "reasons") else named.get(field.name, "x")
        for field in msgspec.structs.fields(event)
        if field.required or field.name in named
    }
    numbers = {name: 1 for name in ("reign", "rules", "schema") if name in required}
    sample = msgspec.convert(required | numbers, event, strict=False)

    text = sections("events.md")[titles()[event]]
    assert text.strip().startswith(f"On `{subject_of(sample)}`")


def test_the_catalogue_names_no_tag_that_does_not_exist():
    tags = {event.__struct_config__.tag for event in EVENTS}
    families = {tag.split(".")[0] for tag in tags}
    wrong = [
        f"{page.name}: {word}"
        for page in PAGES
        for word in re.findall(r"`([a-z]+\.[a-z]+)`", page.read_text())
        if word.split(".")[0] in families and word not in tags
    ]

    assert wrong == []


# -- transitions ---------------------------------------------------------------------------------

ID = "u.1"
NAMED = {"placement": ID, "namespace": "default", "name": "d"}
ROUTE = {"placement": ID, "uid": "u", "source": "c1", "target": "c2", "namespace": "default"}
SEEN = {**NAMED, "uid": "x"}
STAGE_EVENTS = {
    "`delegate.observed`, no node": DelegateObserved(**SEEN),
    "`delegate.observed`, on a node": DelegateObserved(**SEEN, node="n", phase=Phase.RUNNING),
    "`delegate.observed`, ended": DelegateObserved(**SEEN, node="n", phase=Phase.FAILED),
    "`delegate.rejected`": DelegateRejected(**NAMED, reason="Invalid"),
    "`delegate.gone`": DelegateGone(**NAMED),
}
REACH = {
    "DECIDED": None,
    "PENDING": "`delegate.observed`, no node",
    "BOUND": "`delegate.observed`, on a node",
    "ENDED": "`delegate.observed`, ended",
    "REJECTED": "`delegate.rejected`",
    "GONE": "`delegate.gone`",
}
WITHDRAWN = {**ROUTE, "name": "p", "delegate": "d", "reason": "proxy deleted"}
INTENT_EVENTS = {
    "`placement.withdrawn`, unbound_only": PlacementWithdrawn(**WITHDRAWN, unbound_only=True),
    "`placement.withdrawn`": PlacementWithdrawn(**WITHDRAWN),
    "`proxy.released`": ProxyReleased(
        uid="u", source="c1", namespace="default", name="p", placement=ID, target="c2"
    ),
}
STEPS = {
    "WANTED": None,
    "WITHDRAWN_IF_UNBOUND": "`placement.withdrawn`, unbound_only",
    "WITHDRAWN": "`placement.withdrawn`",
    "RELEASED": "`proxy.released`",
}


def folded(*events):
    ledger = Ledger()
    ledger.apply(PodPlaced(**ROUTE, name="p", delegate="d", manifest="{}", node="n"), sequence=1)
    for event in events:
        if event is not None:
            ledger.apply(event)
    return ledger.placements[ID]


def real_table(read, events, reach):
    return [
        [start, *(read(folded(events.get(how), event)).name for event in events.values())]
        for start, how in reach.items()
    ]


@pytest.mark.parametrize(
    ("title", "read", "events", "reach", "states"),
    [
        ("Placements: stage", lambda p: p.stage, STAGE_EVENTS, REACH, Stage),
        ("Placements: intent", lambda p: p.intent, INTENT_EVENTS, STEPS, Intent),
    ],
)
def test_the_tables_of_transitions_are_what_the_ledger_does(title, read, events, reach, states):
    text = sections("events.md")[title]

    assert list(reach) == [state.name for state in states]
    assert head(text) == ["from", *events]
    assert table(text) == real_table(read, events, reach)


# -- architecture and decisions ------------------------------------------------------------------


def written_tests():
    return {
        f"{path.relative_to(ROOT)}::{name}"
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE)
    }


def invariants():
    """Tests listed below each invariant, by its number."""
    text = sections("architecture.md", level=2)["Invariants"]
    parts = re.split(r"^- \*\*(I\d+)\*\*", text, flags=re.MULTILINE)[1:]
    return {
        number: re.findall(r"^  - `(\S+)`$", below, re.MULTILINE)
        for number, below in zip(parts[::2], parts[1::2], strict=True)
    }


def test_every_invariant_is_listed_with_tests_that_exist():
    written = written_tests()
    found = invariants()

    assert list(found) == [f"I{number}" for number in range(1, 11)]
    assert [test for tests in found.values() for test in tests if test not in written] == []
    assert all(found.values())


def test_every_test_named_after_an_invariant_is_listed_below_it():
    found = invariants()
    wrong = [
        test
        for test in sorted(written_tests())
        if (number := re.search(r"_i(\d+)$", test)) and test not in found[f"I{number[1]}"]
    ]

    assert wrong == []


def test_every_decision_has_the_templates_form_and_a_row_in_the_index():
    rows = table((DOCS / "decisions" / "README.md").read_text())
    pages = sorted(path for path in (DOCS / "decisions").glob("[0-9]*.md"))
    shape = HEADING.findall(pages[0].read_text())[1:]
    found = []
    for page in pages[1:]:
        text = page.read_text()
        number, title = re.match(r"# (\d{4})\. (.+)\n", text).groups()
        status = re.search(r"^Status: (accepted|superseded by \d{4})$", text, re.MULTILINE)
        assert page.name.startswith(number + "-")
        assert HEADING.findall(text)[1:] == shape, page.name
        found.append([number, f"[{title}]({page.name})", status[1]])

    assert rows == found


# -- links ---------------------------------------------------------------------------------------


def slug(heading):
    """How GitHub names the anchor of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-")


def test_every_link_between_pages_leads_somewhere():
    wrong = []
    for page in PAGES:
        text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
        for link in re.findall(r"\]\(([^)\s]+)\)", text):
            path, _, anchor = link.partition("#")
            if "://" in path:
                continue
            target = (page.parent / path).resolve() if path else page
            if not target.exists():
                wrong.append(f"{page.name}: {link}")
            elif anchor and anchor not in {
                slug(heading) for _, heading in HEADING.findall(target.read_text())
            }:
                wrong.append(f"{page.name}: {link} (no such heading)")

    assert wrong == []


# -- policies ------------------------------------------------------------------------------------


def test_every_policy_stands_in_the_table_of_policies():
    rows = table(sections("placement.md", level=2)["Policies"])

    assert sorted(code(row[0]) for row in rows) == sorted(FORMS)


def test_every_policys_scale_is_told():
    rows = table(sections("placement.md", level=2)["Blends"])

    assert {code(word) for row in rows for word in row[0].split(", ")} == {*PLAIN, *ARGUED}


def test_the_example_of_a_policy_does_what_it_says():
    (source,) = re.findall(r"```python\n(.*?)```", (DOCS / "placement.md").read_text(), re.DOTALL)
    module = {}
    exec(source, module)
    policy = module["Roomiest"]()
    seen = Candidates(
        names=("c1", "c2"),
        replicas=np.array([9, 1]),
        totals={"cpu": np.array([8000, 64_000])},
        free={"cpu": np.array([4000, 10_000])},
    )

    assert policy.score(seen, {"cpu": 1}).tolist() == [4000, 10_000]
    assert policy.scale(np.array([-1, 0, 100_000, 10**8, 10**12])).tolist() == [0, 0, 1, 1000, 1000]


# -- settings and options ------------------------------------------------------------------------

SETTINGS = [
    *(
        each
        for each in vars(settings).values()
        if isinstance(each, type) and each.__module__ == settings.__name__
    ),
    Policy,
    Rules,
]


def written(field):
    """A default as the documentation writes it."""
    if field.required:
        return "required"
    default = field.default
    if default is msgspec.NODEFAULT:
        default = field.default_factory()
    if isinstance(default, msgspec.Struct):
        return "see"
    if isinstance(default, tuple):
        default = ", ".join(default)
    return f"`{default}`" if default != "" else "empty"


@pytest.mark.parametrize("struct", SETTINGS, ids=lambda struct: struct.__name__)
def test_every_setting_is_documented_with_its_default(struct):
    rows = table(sections("configuration.md", level=2)[struct.__name__])
    defaults = {field.name: written(field) for field in msgspec.structs.fields(struct)}

    assert [code(row[0]) for row in rows] == list(defaults)
    wrong = [row for row in rows if not row[1].startswith(defaults[code(row[0])])]
    assert wrong == []


def test_every_key_that_mcs_uses_is_documented():
    keys = Keys()
    known = {
        getattr(keys, name) for name, value in vars(Keys).items() if isinstance(value, property)
    }
    text = sections("configuration.md", level=2)["Annotations and labels"]

    assert {code(row[0]) for row in table(text)} - {
        f"{NAMESPACE_LABEL}={NAMESPACE_ENABLED}",
        keys.key("nodepool"),
    } == known
    assert f"`{NAMESPACE_LABEL}={NAMESPACE_ENABLED}`" in text


def test_every_metric_is_documented():
    code_names = {
        name
        for path in (ROOT / "mcs").rglob("*.py")
        for name in re.findall(r"\"(mcs_[a-z_]+)\"", path.read_text())
    }
    rows = table(sections("operating.md", level=2)["Metrics"])

    assert {code(row[0]).removesuffix("_total") for row in rows} == code_names
