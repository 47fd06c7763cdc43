"""Cuts the tail off a stopped nats-server's files, as a lost sync or a torn write does.

What nats-server 2.15 makes of it depends on how it ended. After ``kill -9`` there is no index: it
reads the blocks, drops what is torn, and the stream simply ends earlier. After an orderly stop
there is an index: it keeps the count that stands there and misses the messages ("Stream state
outdated"), so the next one is stored after a hole.
"""

import shutil
from pathlib import Path

_RECORD = 22 + 4 + 8  # a record's header, a length, a checksum (server/filestore.go)


def stream_folder(server, stream):
    """Where a server keeps a stream's blocks."""
    return next(Path(server.store).glob(f"jetstream/*/streams/{stream}/msgs"))


def backup(server):
    """A copy of a stopped server's store; ``restore`` puts it back."""
    copy = server.store.with_name(server.store.name + "-backup")
    shutil.copytree(server.store / "jetstream", copy)
    return copy


def restore(server, copy):
    """The store as it was."""
    shutil.rmtree(server.store / "jetstream")
    shutil.move(copy, server.store / "jetstream")


def cut(server, stream, messages):
    """Cut off at least these last messages (as the log shows them), the last cut in its middle."""
    sizes = [_RECORD + len(each.subject) + len(each.data) for each in messages]
    left = sum(sizes) - sizes[0] // 2
    for block in sorted(stream_folder(server, stream).glob("*.blk"), key=_number, reverse=True):
        size = block.stat().st_size
        with block.open("r+b") as file:
            file.truncate(max(0, size - left))
        left -= size
        if left <= 0:
            return
    raise AssertionError(f"{stream} is smaller than what was to be cut off")


def _number(block):
    return int(block.stem)
