"""Defects in what is done to clusters: pods created, bound, shown, deleted, let go."""

from mcs.decisions import reconciling, reflecting
from mcs.objects import feedback
from mcs.projections.ledger import Ledger
from mcs.services.creating import Creator
from mcs.services.proxy_views import ProxyViews
from mcs.services.virtual_nodes import VirtualNodes
from tests.defects.defect import Defect, Edit

READ_SECRET = (
    'await self._cluster.read(__import__("mcs.objects.kinds", fromlist=[""]).SECRETS, "password", '
    "namespace=placement.namespace)"
)

OF_CLUSTERS = (
    Defect(
        "a delegate created again",
        "an executor creates what is not there, also if it was there before",
        ("I1", "I7"),
        (
            Edit(Ledger.apply, "if placement.stage > DECIDED:", "if False:"),
            Edit(
                reconciling._absent,
                "if placement.stage is not Stage.DECIDED or sight.left or sight.reported:",
                "if sight.reported:",
            ),
            Edit(
                reconciling._absent,
                "if sight.creation is Creation.MADE:",
                "if False:",
            ),
            Edit(
                Creator.create,
                "if self._creations.of(placement.id) is Creation.MADE:",
                "if False:",
            ),
        ),
    ),
    Defect(
        "a finalizer dropped early",
        "our finalizer goes with the first status that is shown",
        ("I7",),
        (
            Edit(
                feedback.shown,
                "patch_of(proxy, annotations=annotations, changes=changes)",
                "patch_of(\n        proxy, annotations=annotations, changes=changes, "
                "let_go=keys.finalizer\n    )",
            ),
        ),
    ),
    Defect(
        "a proxy let go at once",
        "feedback does not wait for a release when a proxy is being deleted",
        ("I7",),
        (
            Edit(
                reflecting.reflect,
                "if proxy.metadata.deletion_timestamp:\n        return _show(view, latest)",
                "if proxy.metadata.deletion_timestamp:\n"
                "        return (Release(None, End.UNKNOWN, 'deleted', True),)",
            ),
        ),
    ),
    Defect(
        "a proxy bound too early",
        "a proxy is bound before its delegate has a node",
        ("I2",),
        (
            Edit(
                reflecting._bind,
                "seen = latest.seen is not None and bool(latest.seen.node)",
                "seen = latest.seen is not None",
            ),
        ),
    ),
    Defect(
        "an older attempt shown",
        "a proxy shows its first delegate, whatever became of it",
        ("I2",),
        (
            Edit(
                ProxyViews.of,
                "latest=self._ledger.latest(uid)",
                "latest=next(iter(self._ledger.of(uid)), None)",
            ),
        ),
    ),
    Defect(
        "a lost cluster's proxies failed",
        "what runs in a cluster that was lost is told to have failed",
        ("I2",),
        (
            Edit(
                reflecting._follow,
                "if finish := _finish(latest):",
                "if latest.target in view.lost:\n"
                "        return (Finish(Phase.FAILED, 'ClusterLost', 'silent'),)\n"
                "    if finish := _finish(latest):",
            ),
        ),
    ),
    Defect(
        "a lost cluster's proxies deleted",
        "proxies are deleted when their delegates' cluster is lost",
        ("I7",),
        (
            Edit(
                reflecting.reflect,
                "if view.evicted:",
                "if view.evicted or (latest is not None and latest.target in view.lost):",
            ),
        ),
    ),
    Defect(
        "a lost cluster's virtual node deleted",
        "a virtual node goes as soon as its cluster is lost",
        ("I7",),
        (
            Edit(
                VirtualNodes._look,
                "if heartbeat is not None:",
                "if node is not None and target in self._standing.lost:\n"
                "                await self._cluster.delete(NODES, node.metadata.name)\n"
                "            elif heartbeat is not None:",
            ),
        ),
    ),
    Defect(
        "a secret in a log record",
        "an executor logs a Secret of the namespace in which it creates a delegate",
        ("I10",),
        (
            Edit(
                Creator._barred,
                "known = self._namespaces",
                "import logging\n"
                "        logging.getLogger('mcs.services').warning('%s', " + READ_SECRET + ")\n"
                "        known = self._namespaces",
            ),
        ),
    ),
    Defect(
        "a secret in a manifest",
        "an executor creates delegates with a Secret's content in an annotation",
        ("I10",),
        (
            Edit(
                Creator.create,
                "if not self._held():",
                "manifest['metadata']['annotations']['seen'] = str(" + READ_SECRET + ")\n"
                "        if not self._held():",
            ),
        ),
    ),
)
