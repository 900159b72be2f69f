"""Readers of annotations, and loading of their clips in batches."""
