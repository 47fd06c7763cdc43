"""What people see: events as sentences, state as tables, the past as stories. PURE, but for rich.

Nothing here reads a log or a clock; callers hand over what was read, and the time. Data for people
is made first (``overview``, ``reasoning``, ``scenes``) and drawn afterwards (``tables``,
``stories``, ``screens``), so that ``--json`` and the terminal never tell different stories. Only
``living`` has a terminal in hand.
"""
