"""Training: Algorithm 1 (loop.py), its loss, schedule and checkpoints, and the run around them."""
