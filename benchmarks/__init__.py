"""What Sidelong costs: `python -m benchmarks [WORKLOAD ...]`, one file per workload.

Every contestant runs in a process of its own against a `redis-server` of the program's own, in turn with the others
(A, B, A, B), so that what slows the machine down slows all of them. Only ratios travel to other machines.
"""
