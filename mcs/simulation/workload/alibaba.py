"""Reads the node and pod lists of Alibaba's GPU cluster trace of 2023.

Format: github.com/alibaba/clusterdata, cluster-trace-gpu-v2023 (the trace behind Weng et al.,
"Beware of Fragmentation", USENIX ATC 2023); CSV files with a header:

    openb_node_list_*.csv   sn, cpu_milli, memory_mib, gpu, model
    openb_pod_list_*.csv    name, cpu_milli, memory_mib, num_gpu, gpu_milli, gpu_spec, qos,
                            pod_phase, creation_time, deletion_time, scheduled_time (seconds)

It is of one cluster, so its nodes are dealt to several, and sources are drawn for its pods. What
else is only nearly so stands in the workload's notes.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from mcs.errors import BadSettings
from mcs.quantities import CPU, MEMORY, PODS
from mcs.simulation.workload.traces import POD_LIMIT, Cluster, Node, Pod, Workload, chance, shape

GPU: Final = "alibabacloud.com/gpu-milli"
MODEL: Final = "alibabacloud.com/gpu-card-model"

NODE_COLUMNS: Final = ("sn", "cpu_milli", "memory_mib", "gpu", "model")
POD_COLUMNS: Final = (
    *("name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli", "gpu_spec", "qos"),
    *("creation_time", "deletion_time", "scheduled_time"),
)
_PRIORITIES: Final = {"LS": 3, "Guaranteed": 2, "Burstable": 1, "BE": 0}
_MIB_BITS: Final = 20
_WHOLE: Final = 1000


def read(paths: Sequence[Path], *, clusters: int, seed: int, most: int | None = None) -> Workload:
    """The workload in these files, each a list of nodes or of pods; at most so many pods.

    Raises:
        BadSettings: a file cannot be read, or is not of this format; it says where.
    """
    nodes: list[Node] = []
    pods: list[_Row] = []
    for path in paths:
        columns = _columns(path)
        if columns >= set(NODE_COLUMNS):
            nodes += [_node(line) for line in _lines(path)]
        elif columns >= set(POD_COLUMNS):
            pods += [_Row(line) for line in _lines(path)]
        else:
            raise BadSettings(
                f"{path} line 1: neither a list of nodes ({', '.join(NODE_COLUMNS)}) nor one of "
                f"pods ({', '.join(POD_COLUMNS)})"
            )
    if not nodes or not pods:
        missing = "nodes" if not nodes else "pods"
        raise BadSettings(f"no {missing} in {_listed(paths)}: give a list of nodes and one of pods")
    if len(nodes) < clusters:
        raise BadSettings(
            f"{len(nodes)} nodes in {_listed(paths)} are too few for {clusters} clusters"
        )
    return _workload(nodes, pods, clusters=clusters, seed=seed, most=most, name=_listed(paths))


def _workload(
    nodes: list[Node], rows: list[_Row], *, clusters: int, seed: int, most: int | None, name: str
) -> Workload:
    names = [f"cluster{number}" for number in range(1, clusters + 1)]
    alike = sorted(nodes, key=_kind)
    ran = sorted((row for row in rows if row.ran), key=lambda row: (row.created_s, row.name))
    taken = ran[:most]
    begin_s = taken[0].created_s if taken else 0
    sources = chance("alibaba", seed)
    pods = tuple(row.pod(sources.choice(names), begin_s) for row in taken)
    never = len(rows) - len(ran)
    notes = [
        f"Nodes are dealt to {clusters} clusters; pods' sources are drawn (seed {seed}).",
        "A node's GPUs are one amount: halves of two devices count as a whole one.",
        "QoS is taken for priority: " + " > ".join(_PRIORITIES) + ".",
        "A pod runs as long as it did in the trace; what still ran at its end stops there.",
    ]
    if never:
        told = f"{never} {'pod' if never == 1 else 'pods'} never ran in the trace"
        notes.append(f"{told}, so how long they would have is not known: left out.")
    if len(taken) < len(ran):
        notes.append(f"Only the first {len(taken)} of {len(ran)} pods.")
    return Workload(
        name=name,
        clusters=tuple(
            Cluster(name=each, nodes=tuple(alike[number::clusters]))
            for number, each in enumerate(names)
        ),
        pods=pods,
        notes=tuple(notes),
    )


class _Line(NamedTuple):
    """A row of a file, and where it stands."""

    path: Path
    number: int
    cells: dict[str, str]

    def count(self, column: str) -> int:
        """A whole number, not negative; nothing else will do."""
        text = self.cells[column]
        whole = text.removesuffix(".0")  # as spreadsheets and pandas write them
        if not whole.isascii() or not whole.isdigit():
            raise self.wrong(f"{column}: {text!r} is no whole number")
        return int(whole)

    def name(self, column: str) -> str:
        """What is not empty."""
        text = self.cells[column]
        if not text:
            raise self.wrong(f"{column} is empty")
        return text

    def wrong(self, what: str) -> BadSettings:
        """The error that says where."""
        return BadSettings(f"{self.path} line {self.number}: {what}")


class _Row:
    """A row of a list of pods."""

    def __init__(self, line: _Line) -> None:
        self.name = line.name("name")
        gpus, share = line.count("num_gpu"), line.count("gpu_milli")
        if share > _WHOLE:
            raise line.wrong(f"gpu_milli: {share} is more than a GPU")
        models = tuple(model for model in line.cells["gpu_spec"].split("|") if model)
        self._shape = shape(
            {
                CPU: line.count("cpu_milli"),
                MEMORY: line.count("memory_mib") << _MIB_BITS,
                GPU: gpus * share,
            },
            {MODEL: models} if models else {},
        )
        self._priority = _PRIORITIES.get(line.cells["qos"], 0)
        self.created_s, deleted_s = line.count("creation_time"), line.count("deletion_time")
        self.ran = bool(line.cells["scheduled_time"])
        began_s = line.count("scheduled_time") if self.ran else deleted_s
        if deleted_s < began_s:
            raise line.wrong(f"deletion_time {deleted_s} is before scheduled_time {began_s}")
        self._duration_s = max(1, deleted_s - began_s)

    def pod(self, source: str, begin_s: int) -> Pod:
        """It, in a workload that begins then."""
        return Pod(
            name=self.name,
            source=source,
            arrival_s=self.created_s - begin_s,
            duration_s=self._duration_s,
            shape=self._shape,
            priority=self._priority,
        )


def _node(line: _Line) -> Node:
    model = line.cells["model"]
    return Node(
        name=line.name("sn"),
        allocatable={
            CPU: line.count("cpu_milli"),
            MEMORY: line.count("memory_mib") << _MIB_BITS,
            GPU: line.count("gpu") * _WHOLE,
            PODS: POD_LIMIT,
        },
        labels={MODEL: model} if model else {},
    )


def _kind(node: Node) -> tuple[str | int, ...]:
    """Sorts like nodes together, so that dealing them gives each cluster its part of each kind."""
    size = (node.allocatable[name] for name in (GPU, CPU, MEMORY))
    return (node.labels.get(MODEL, ""), *size, node.name)


def _columns(path: Path) -> set[str]:
    return set(next(_rows(path), (0, []))[1])


def _lines(path: Path) -> Iterator[_Line]:
    """The rows below the header; a name may stand there once."""
    rows, seen = _rows(path), set[str]()
    _, columns = next(rows)
    for number, row in rows:
        line = _Line(path, number, dict(zip(columns, row, strict=False)))
        if len(row) != len(columns):
            raise line.wrong(f"{len(row)} columns, but the header has {len(columns)}")
        name = line.name(NODE_COLUMNS[0] if NODE_COLUMNS[0] in columns else POD_COLUMNS[0])
        if name in seen:
            raise line.wrong(f"{name} stands here for the second time")
        seen.add(name)
        yield line


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Each row that is not empty, without spaces around its cells, and the line where it ends."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file, strict=True)
            try:
                for row in reader:
                    if row:
                        yield reader.line_num, [cell.strip() for cell in row]
            except csv.Error as error:
                raise BadSettings(f"{path} line {reader.line_num}: {error}") from error
    except OSError as error:
        raise BadSettings(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadSettings(f"{path} is no text: {error.reason}") from error


def _listed(paths: Sequence[Path]) -> str:
    return " and ".join(path.name for path in paths)
