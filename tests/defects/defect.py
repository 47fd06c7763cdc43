"""A deliberate defect: a line or two of the product, changed for as long as a test asks for it.

The change is made in the function's own code object, so that it holds wherever the function was
imported to, and in the checkers as well: they share what folds and decides with the product, as
they would share a real defect. A line that the product no longer has is an error, not a defect that
nobody notices.
"""

import __future__

import inspect
from contextlib import contextmanager
from typing import NamedTuple

import pytest


class Edit(NamedTuple):
    """In ``function`` (or a property), ``old`` is written ``new``."""

    function: object
    old: str
    new: str


class Defect(NamedTuple):
    """``what`` says in a sentence what is wrong; ``caught_by`` are the invariants by which a run
    may fail that has this defect (``crash``: a process ends by an error that nobody raised on
    purpose; ``determinism``: two processes run the same seed in two ways).
    """

    name: str
    what: str
    caught_by: tuple[str, ...]
    edits: tuple[Edit, ...]

    @contextmanager
    def switched_on(self):
        changes = {}
        for edit in self.edits:
            function = getattr(edit.function, "fget", edit.function)  # a property's
            function = getattr(function, "__func__", function)  # a class method's
            changes.setdefault(function, []).append(edit)
        with pytest.MonkeyPatch.context() as patch:
            for function, edits in changes.items():
                patch.setattr(function, "__code__", _edited(function, edits))
            yield


def _edited(function, edits):
    """The code of ``function`` with some lines changed."""
    source = inspect.getsource(function)
    for edit in edits:
        count = source.count(edit.old)
        assert count == 1, f"{function.__qualname__} has {count} times {edit.old!r}"
        source = source.replace(edit.old, edit.new)
    if source[0].isspace():
        source = f"class _:\n{source}"  # so that it can stand as it stands in its class
    flags = __future__.annotations.compiler_flag
    code = compile(source, function.__code__.co_filename, "exec", flags, dont_inherit=True)
    while code.co_name != function.__name__:
        code = next(each for each in code.co_consts if inspect.iscode(each))
    assert code.co_freevars == function.__code__.co_freevars
    return code
