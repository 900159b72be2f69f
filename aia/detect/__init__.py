"""Stage 1: Faster R-CNN detects persons and objects on the key frames (§4.1)."""
