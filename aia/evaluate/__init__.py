"""Numbers of a trained network: two-pass scoring and metrics; aia/report shows them.

score.py, attention.py, validation.py   scores and attention of a network on clips
drift.py        drift of its memory
fuse.py         mean of several scores
frame_map.py    frame mAP on AVA: matching.py, turns.py and protocols.py are its parts
all_protocols.py   frame mAP under every protocol
ucf24.py        frame and video mAP of UCF101-24: linking.py, tubes.py are its parts
top_k.py, majority.py   EPIC-Kitchens
person_ap.py    the detector
"""
