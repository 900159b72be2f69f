"""Numbers of a trained network: two-pass scoring and metrics; aia/report shows them.

score.py          scores of a network on clips; attention.py: its attention
validation.py     frame mAP during training
drift.py          drift of a memory
fuse.py           mean of several scores
frame_map.py      frame mAP on AVA, by matching.py, turns.py and protocols.py
all_protocols.py  frame mAP under every protocol
ucf24.py          frame and video mAP of UCF101-24, by linking.py and tubes.py
top_k.py          EPIC-Kitchens; majority.py: its floor
person_ap.py      the detector
"""
