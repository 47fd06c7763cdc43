"""Loops: read, decide, write. They know ports and the pure core, never an adapter. SHELL."""
