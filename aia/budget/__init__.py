"""What a target will take, before anything starts: jobs, hours, memory, disk (`aia budget`).

jobs.py       the planned jobs, as workflow/jobs.py prints them
facts.py      what they will meet: films, key frames, persons
networks.py   parameters, operations and activations of a run, counted without computing
rates.yaml    how fast things go, each with where that was measured; rates.py reads it
measure.py    the important ones again, on this machine
work.py       a job's command -> seconds, memory and disk
schedule.py   jobs on cores and GPUs: when the last one ends, and the longest chain
account.py    all of it as a text
"""
