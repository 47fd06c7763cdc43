"""The real parts we test against, as child processes of a test, a benchmark or a demo.

mcs is proved on real software: etcd, kube-apiserver, the controller manager, the scheduler, KWOK
as the kubelet, Argo's workflow controller, nats-server. None of it needs containers. `parts`
builds, once, into a cache, what PyPI does not offer; `controlplane` and `nats` start it; `argo`
and `docker_engine` add what only some tests want.

What may live here: code that starts, stops, feeds and measures other people's programs. Nothing in
`mcs/` imports it, and it imports nothing of `mcs/`, so that what we test with does not share the
mistakes of what we test.
"""
