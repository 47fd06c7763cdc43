"""Golden dialogues: what is done to a small federation, and everything mcs says and does then.

A file ``<name>.txt`` is a story in blocks. Comments (``#``) say what it shows; then come inputs, a
line ``----``, and all that followed until the world was quiet for three seconds:

     0s  obs c1.proxy         an observation, as stored under mcs.obs.c1.proxy
         dec c2.c1            a decision, as stored under mcs.dec.c2.c1
         api c1               a write that mcs asked of c1's API server, and how that went if badly
         ask c1               a request to c1's agent over core NATS
         !   agent c1         what happened to a process

The time is seconds since the block began, where it changed. Left out is what only says that all
goes on: heartbeats, ticks, marks, leases, the capacity shown by virtual nodes. What others do
(users, kubelets, kube-scheduler) is not told, only what mcs sees of it.

The product's services run unchanged over the in-memory adapters, on virtual time: nothing waits,
and each run of a file gives the same text. ``interpreter.py`` lists the sentences of the inputs.

    pytest tests/scenarios              compares
    pytest tests/scenarios --rewrite    writes what follows today; review it as prose, with git diff

A changed scenario is committed only by somebody who understands the change, and wants it.
"""
