"""What is, folded from events. PURE.

A projection changes only in its own ``apply``, iterates in a total order, and keeps a digest that
is cheap to update. No I/O, no clock (``now`` is the newest timestamp folded), no chance.
"""
