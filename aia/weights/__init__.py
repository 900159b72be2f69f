"""Readers of published checkpoints: their names become ours, and every entry is accounted for."""
