"""The calls that a notebook types: load a model, predict a video, score a clip."""
