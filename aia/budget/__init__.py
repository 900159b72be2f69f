"""What a target will take, before anything starts: jobs, hours, memory, disk (`aia budget`).

aia/plan       which jobs a target still needs
facts.py       what they meet: how long videos are, how many clips there are
networks.py    parameters, operations and activations of a run, counted without computing
work.py        the amount of a job's work times the rates: seconds, memory, disk
rates.yaml     how fast things go, each with where that was measured; rates.py reads it
benchmarks.py  what finished jobs took, which comes before the rates
schedule.py    jobs on cores and GPUs: when the last one ends, and the longest chain
account.py     all of it as a text
"""
