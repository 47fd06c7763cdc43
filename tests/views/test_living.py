"""The live view draws what it is shown, and leaves no residue."""

import asyncio
import io

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from mcs.views.living import LiveView
from tests.views.test_screens import scene

BOUND_S = 30.0


async def test_it_is_redrawn_by_itself_and_leaves_nothing_but_what_was_printed():
    console = Console(
        file=io.StringIO(), width=100, height=30, force_terminal=True, color_system=None
    )
    looks = []

    def look():
        looks.append(1)
        return scene() if len(looks) > 2 else None

    async with asyncio.timeout(BOUND_S), LiveView(console, look) as view:
        while len(looks) < 5:
            await asyncio.sleep(0)
        assert "the title" in console.file.getvalue()
        view.print("to stay")
        console.file.truncate(0)

    assert "the title" not in console.file.getvalue()
    assert "\x1b[?25h" in console.file.getvalue()  # the cursor is shown again


async def test_room_is_left_for_what_the_terminal_writes_when_it_is_interrupted():
    console = Console(file=io.StringIO(), width=60, height=30, force_terminal=True)

    async with asyncio.timeout(BOUND_S), LiveView(console, scene) as view:
        view.refresh()
        drawn = console.file.getvalue()

    assert "the title" in drawn
    assert max(cell_len(line) for line in Text.from_ansi(drawn).plain.splitlines()) <= 58
