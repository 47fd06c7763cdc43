"""The reference of commands is what the commands say."""

import re

import click

from tests import reference

# A confirmation is typed each time, never inherited.
NOT_INHERITED = {"help", "version", "confirm_dead"}


def test_the_reference_is_what_the_commands_say():
    assert reference.PAGE.read_text() == reference.page(), "run python -m tests.reference"


def test_every_option_is_an_environment_variable_too():
    wrong = [
        f"{' '.join(path)}: {option.opts}"
        for path, command in reference.walk(reference.mcs_group)
        for option in command.params
        if isinstance(option, click.Option)
        and option.name not in NOT_INHERITED
        and not str(option.envvar or "").startswith("MCS_")
    ]

    assert wrong == []


ROOT = reference.PAGE.parents[1]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")]
)


def typed():
    """(page, words) of each mcs command line that the documentation shows."""
    fence = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    for page in PAGES:
        if page == reference.PAGE:
            continue  # written from the commands
        text = page.read_text().replace("\\\n", " ")
        lines = [
            line.removeprefix("$ ") for block in fence.findall(text) for line in block.split("\n")
        ]
        lines += re.findall(r"`([^`\n]+)`", fence.sub("", text))
        for line in lines:
            if re.match(r"mcs( |$)", line):
                yield page.name, re.split(r"\s+#|\s\|(?!\|)| && |…|\s{2,}", line)[0].split()


def resolve(words):
    """The command that ``words`` call, and the words left."""
    command, rest = reference.mcs_group, words[1:]
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        names = rest[0].split("|")  # `mcs manifests agent|scheduler` speaks of both
        found = [command.get_command(click.Context(command), name) for name in names]
        if None in found:
            return None, rest
        command, rest = found[0], rest[1:]
    return command, rest


def test_every_command_line_in_the_documentation_names_commands_and_options_that_exist():
    wrong = []
    for page, words in typed():
        command, rest = resolve(words)
        known = set() if command is None else {"--help", "--version"}
        known |= {name for each in getattr(command, "params", ()) for name in each.opts}
        asked = {word.strip("[],").split("=")[0] for word in rest if re.match(r"\[?-", word)}
        if command is None or not asked <= known:
            wrong.append(f"{page}: {' '.join(words)}")

    assert wrong == []


def test_every_make_target_in_the_documentation_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    asked = {
        target
        for page in PAGES
        for target in re.findall(r"(?:`|\$ )make ([a-z-]+)", page.read_text())
    }

    assert asked
    assert asked <= targets
