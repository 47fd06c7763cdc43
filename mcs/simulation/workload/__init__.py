"""What would a federation make of a workload? Files or a seed in, figures for people out. SHELL.

The real core decides (``State``, ``schedule``, ``frame_cycle``); time is counted, not waited for.
Here may live: what a workload is, where it comes from, how it is played, and what is measured of
it. No services, no adapters, no loops of the product: what is measured is where pods are placed,
not how a process gets there.

    traces                what a workload is
    synthetic alibaba     where it comes from: a generator, or files
    playing               plays it through the core
    measuring compacting  utilisation, waits, fragmentation; how few nodes would do
"""
