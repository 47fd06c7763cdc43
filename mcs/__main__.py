"""``python -m mcs``."""

from mcs.cli import main

main()
