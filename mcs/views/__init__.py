"""What people see: events as sentences, state as tables. PURE, but for rich in two files.

Nothing here reads a log, a clock or a terminal; callers hand over what was read, and the time. Data
for people is made first (``overview``, ``reasoning``) and drawn afterwards (``tables``), so that
``--json`` and the terminal never tell different stories.
"""
