"""One file (or folder) per outside thing: JetStream, Kubernetes, and their in-memory twins. SHELL.

Only here are ``nats`` and ``aiohttp`` imported; their errors are translated to ours.
"""
