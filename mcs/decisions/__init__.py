"""What next: projections and policy in, events and actions out. PURE.

Verdicts are values, scores are integers, ties go to the cluster's name. Deciding twice on one
state gives the same; deciding again after folding what was decided gives nothing.
"""
