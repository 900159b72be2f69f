"""Pictures of what was found: curves, AP of each class, actions on frames, attention (Fig. 4).

Each module takes tables and frame stores and writes one picture; none needs the network.
"""
