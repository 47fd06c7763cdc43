"""One file for each group of commands: options in, a call of ``mcs.app`` or a view out.

Everything heavy is imported inside the commands, so that help is fast.
"""
