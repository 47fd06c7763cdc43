"""Which of the clusters that could run a pod gets it: one small file for each policy. PURE.

    candidates     what a policy sees: one row for each cluster, and the interface that it fills in
    shares         how full a cluster is, in thousandths
    most_replicas, binpack, spread, prefer, blend
    chosen         the policies there are, and what a configuration's text means

A policy gives each cluster an integer; the highest wins, ties go to the first name.
It promises two things, which placement's speed rests on and a test holds for every policy. A
cluster's score comes from that cluster alone: so when something changes there, nobody else is
scored again. And it never falls as the room there grows: so a bound of the room, which is cheap,
bounds the score, and room is counted out only where the best score is.
"""
