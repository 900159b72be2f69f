"""Training data of the detector: frames with all their boxes and classes.

Boxes come from one of two sources. Key frames in AVA's format have the persons of the actions table
and the objects of an objects table; a video with tracked persons has boxes on every frame. Both are
converted to a table of `LABEL_COLUMNS`, where a row without a box is a frame that shows nothing.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, UInt8

from aia.errors import InputError
from aia.video.store import FrameStore

BOX = ["x1", "y1", "x2", "y2"]
FRAME = ["video", "time_sec"]
LABEL_COLUMNS = [*FRAME, *BOX, "label"]


class LabelledFrame(NamedTuple):
    """A frame, its boxes as fractions, and the class of each box."""

    rgb: UInt8[np.ndarray, "h w 3"]
    xyxy: Float[np.ndarray, "boxes 4"]
    names: tuple[str, ...]


def without_seconds(actions: pd.DataFrame, excluded: set[tuple[str, int]]) -> pd.DataFrame:
    """Remove the rows of an actions table whose second is excluded."""
    seconds = actions["time_sec"].round().astype(int)
    pairs = zip(actions["video"], seconds, strict=True)
    return actions[[pair not in excluded for pair in pairs]]


def key_frame_labels(
    actions: pd.DataFrame, objects: pd.DataFrame | None, *, person: str
) -> pd.DataFrame:
    """Collect the boxes on key frames from the tables of actions and of objects.

    A person has a row for each action, all with the same box, which is taken once. Objects are
    taken on the frames of the actions table alone: only there are all persons annotated.
    """
    persons = actions[[*FRAME, *BOX]].drop_duplicates().assign(label=person)
    if objects is None:
        return persons[LABEL_COLUMNS].reset_index(drop=True)
    objects = objects.merge(persons[FRAME].drop_duplicates(), on=FRAME)
    return pd.concat([persons, objects], ignore_index=True)[LABEL_COLUMNS]


def track_labels(
    tracks: pd.DataFrame, actions: pd.DataFrame, *, store: FrameStore, person: str
) -> pd.DataFrame:
    """Collect the boxes on every frame of a tracked video, within the seconds of `actions`.

    Second t is the video from t - 0.5 to t + 0.5 s, so frames of other splits' seconds are never
    used.

    Args:
        tracks: A row for each person in each frame of the video, frames numbered from 0.
        actions: Actions of the training split.
        store: The video's frame store, whose rate may be lower than the video's.
        person: Name of the persons' class.
    """
    seconds = np.sort(actions.loc[actions["video"] == store.video, "time_sec"].unique())
    if not len(seconds):
        raise InputError(f"{store.video}: the annotations list no second of this tracked video")
    # a second ends where the next begins, hence the open end
    last = np.searchsorted(seconds - 0.5, store.times_sec, side="right") - 1
    inside = (last >= 0) & (store.times_sec < seconds[last.clip(0)] + 0.5)
    times_sec = store.times_sec[inside]
    video_fps = float(store.fingerprint["frames"]) / float(store.fingerprint["duration_sec"])
    frames = pd.DataFrame(
        {
            "video": store.video,
            "time_sec": times_sec,
            "frame": np.round(times_sec * video_fps).astype(int),
        }
    )
    return frames.merge(tracks, on="frame", how="left").assign(label=person)[LABEL_COLUMNS]


class LabelledFrames:
    """Frames of a table of `LABEL_COLUMNS`, read from their stores on access.

    Args:
        stores: The frame store of each video; rows of other videos are skipped.
        labels: The table.
        classes: Labels to keep; other things are background.
        max_images: Most frames, evenly sampled from the table.
    """

    def __init__(
        self,
        stores: Mapping[str, FrameStore],
        labels: pd.DataFrame,
        *,
        classes: tuple[str, ...],
        max_images: int,
    ) -> None:
        self.stores = dict(stores)
        labels = labels[labels["video"].isin(self.stores.keys())]
        if labels.empty:
            raise InputError("annotations: name none of the videos whose frames are given")
        present = set(labels.loc[labels["x1"].notna(), "label"])
        if missing := [name for name in classes if name not in present]:
            raise InputError(
                f"detector.classes: {', '.join(missing)} has no box in the annotations of these "
                f"videos (they have {', '.join(sorted(present)) or 'none'}); is a table missing?"
            )
        groups = list(labels.groupby(FRAME, sort=True))
        chosen = np.linspace(0, len(groups) - 1, min(max_images, len(groups))).round().astype(int)
        self.frames: list[tuple[str, float]] = []
        self.boxes: list[tuple[np.ndarray, tuple[str, ...]]] = []
        for index in chosen:
            (video, time_sec), rows = groups[index]
            rows = rows[rows["label"].isin(classes) & rows["x1"].notna()]
            self.frames.append((str(video), float(time_sec)))
            self.boxes.append((rows[BOX].to_numpy(np.float32), tuple(rows["label"])))

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> LabelledFrame:
        video, time_sec = self.frames[index]
        rgb = self.stores[video].at([time_sec])[0]
        return LabelledFrame(rgb, *self.boxes[index])
