"""From a trained network to numbers: two-pass scoring, frame mAP, tables."""
