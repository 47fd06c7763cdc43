"""mcs: a multi-cluster scheduler with a memory.

Every fact and every decision is an event in a NATS JetStream log. The layers, from pure to
impure (an arrow never points down):

    names quantities errors      words and numbers everybody shares
    events                       what may be written to the log
    objects                      what Kubernetes objects mean to us: manifests in, patches out
    projections                  what is, folded from events
    decisions                    what next, as events and actions
    ports                        the border: the first ``async def`` in the tree
    adapters | services          one file per outside thing | loops that read, decide and write
    views deployment             what people are shown | the YAML that `mcs manifests` prints
    simulation demo              the product on in-memory parts: in virtual time | for your eyes
    app commands cli             composition root; commands
"""

__version__ = "0.1.0"
