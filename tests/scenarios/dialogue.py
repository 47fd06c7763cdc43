"""The form of a scenario file: comments, inputs, ``----``, outputs, an empty line."""

from dataclasses import dataclass, replace

RULE = "----"


@dataclass(frozen=True)
class Block:
    """Lines of one exchange; ``comments`` stand before the inputs, with their empty lines."""

    comments: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...] = ()

    def answered(self, outputs):
        return replace(self, outputs=tuple(outputs))


def parse(text):
    """The blocks of a file. Raises ValueError: inputs without a rule."""
    blocks, comments, inputs, outputs = [], [], [], None
    for line in [*text.splitlines(), ""]:
        if outputs is not None and line:
            outputs.append(line)
        elif outputs is not None:
            blocks.append(Block(tuple(comments), tuple(inputs), tuple(outputs)))
            comments, inputs, outputs = [], [], None
        elif line == RULE:
            outputs = []
        elif line.startswith("#") or (not line and not inputs):
            comments.append(line)
        elif line:
            inputs.append(line)
        else:
            raise ValueError(f"no {RULE} after {inputs}")
    return blocks


def render(blocks):
    """The text of a file."""
    told = ["\n".join((*b.comments, *b.inputs, RULE, *b.outputs)) + "\n" for b in blocks]
    return "\n".join(told)
