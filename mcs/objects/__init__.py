"""What Kubernetes objects mean to us: manifests in; events, manifests and patches out. PURE.

Here live the few fields we read of each kind, and the pure translations between API objects and
our events. No I/O, no clock, no chance; nothing here knows how an API server is reached.
"""
