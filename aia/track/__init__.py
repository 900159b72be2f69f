"""Identity over time: which boxes of a video are the same person."""
