"""Writes docs/reference.md from the commands themselves: ``python -m tests.reference``."""

import inspect
import re
from pathlib import Path

import click

from mcs.cli import mcs_group

PAGE = Path(__file__).parents[1] / "docs" / "reference.md"

HEAD = """\
# Reference

Every command, option and environment variable.
This page is written by `python -m tests.reference`, and a test compares it with the commands.

An option given on the command line wins over its environment variable.
`mcs COMMAND --help` says the same as this page.
"""


def walk(command, path=("mcs",)):
    """Every command below ``command``, with the words that call it."""
    context = click.Context(command)
    yield path, command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            yield from walk(command.get_command(context, name), (*path, name))


def page():
    """The whole page."""
    parts = [HEAD]
    for path, command in walk(mcs_group):
        parts.append(section(path, command))
    return "\n".join(parts).rstrip() + "\n"


def section(path, command):
    usage = " ".join([*path, *command.collect_usage_pieces(click.Context(command))])
    lines = [f"## {' '.join(path)}", "", prose(command.help or ""), "", f"`{usage}`", ""]
    options = [each for each in command.params if isinstance(each, click.Option)]
    shown = [each for each in options if each.name not in ("help", "version")]
    if shown:
        lines += ["| option | environment | default | |", "|---|---|---|---|"]
        lines += [row(each) for each in shown]
        lines.append("")
    for paragraph in re.split(r"\n\s*\n", (command.epilog or "").replace("\b\n", "").strip()):
        first, *rest = paragraph.split("\n")
        if first == "Examples:":
            lines += ["```text", *(line[2:].rstrip() for line in rest), "```", ""]
        elif paragraph:
            lines += [" ".join(paragraph.split()), ""]
    return "\n".join(lines)


def prose(text):
    """Paragraphs of a help text, each on one line."""
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(text).replace("\b", "").strip())
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def row(option):
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    if isinstance(option.type, click.Choice):
        names += " " + "\\|".join(f"`{choice}`" for choice in option.type.choices)
    elif option.metavar and not option.is_flag:
        names += f" {option.metavar}"
    variables = option.envvar if isinstance(option.envvar, list) else [option.envvar]
    environment = ", ".join(f"`{name}`" for name in variables if name)
    default = option.get_default(click.Context(click.Command("x")), call=False)
    nothing = default is None or default is False or default in ("", ())
    unset = nothing or "Sentinel" in type(default).__name__
    written = "" if unset else f"`{default}`"
    told = (option.help or "").replace("|", "\\|")
    return f"| {names} | {environment} | {written} | {told} |"


if __name__ == "__main__":
    PAGE.write_text(page())
