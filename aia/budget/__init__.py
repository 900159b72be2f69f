"""What a target will take, before anything starts: jobs, hours, memory, disk (`aia budget`).

The jobs that a target still needs come from aia/plan.

    facts.py       what they meet: how long videos are, how many clips there are
    networks.py    parameters, operations and activations of a run, counted without computing
    rates.yaml     how fast things go, each with where that was measured; rates.py reads it
    work.py        what one job takes: seconds, memory, disk; operations and pixels to seconds
    amounts.py     how much work each kind of job is
    estimate.py    what each job takes on a machine; what finished jobs took comes first
    schedule.py    jobs on cores and GPUs: when the last one ends, and the longest chain
    account.py     all of it as a text
"""
