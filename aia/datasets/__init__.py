"""Data sets: who does what, where and when; and their clips in batches."""
