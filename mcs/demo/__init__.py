"""``mcs demo``: the product's own services on two clusters kept in memory and a real nats-server.

Nothing of mcs is imitated here: this package makes nodes, pods and a terminal view, and watches.
"""
