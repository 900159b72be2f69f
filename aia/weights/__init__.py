"""Readers of published checkpoints: they rename tensors and account for every entry."""
