"""One file (or folder) per outside thing: JetStream, Kubernetes, and their in-memory twins. SHELL.

Only here are ``nats`` and ``kubernetes_asyncio`` imported; their errors are translated to ours.
"""
