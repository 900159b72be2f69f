"""What `./run` leaves in results/playhouse, in small, by networks that learned nothing.

python -m tests.small_run FOLDER
"""

import sys
from dataclasses import replace
from pathlib import Path

import torch

from aia.config import Perception, PlayhouseConfig, build_section, overlay, parse_run, read_yaml
from aia.detect.model import build_detector, save_detector
from aia.labels import read_labels
from aia.playhouse import draw_playhouse
from aia.run import Run
from tests.conftest import REPOSITORY

RUN = "slowfast_tiny-serial-POMPOM-amu-s0-quick"


def write_small_run(folder: Path) -> Path:
    """Write results/playhouse below a folder; return the folder of its run."""
    settings = read_yaml(REPOSITORY / "config.yaml")
    small = overlay(settings["playhouse"], {"train_films": 1, "val_films": 2, "seconds": 6})
    top = folder / "results" / "playhouse"
    draw_playhouse(top, config=build_section(PlayhouseConfig, small, "playhouse"), processes=1)
    run = Run.from_settings(
        parse_run(RUN), settings, classes=read_labels(top / "annotations" / "actions.pbtxt")
    )
    sees = Perception.from_settings(settings)
    torch.manual_seed(3)
    network = run.build()
    # A detector that learned nothing is sure of nothing.
    run = replace(run, perception=replace(sees, person_threshold=0.0, object_threshold=0.0))
    run.write(top / "runs" / RUN / "model.safetensors", network.state_dict())
    detector = build_detector(
        sees.detector, classes=sees.detector_classes, short_side=sees.detector_short_side
    )
    save_detector(top / "runs" / RUN / "detector.safetensors", detector)
    return top / "runs" / RUN


if __name__ == "__main__":
    print(write_small_run(Path(sys.argv[1])))
