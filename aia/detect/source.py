"""What the detector learns from: frames of films, each with all its boxes and their classes.

Two tables can tell the boxes. AVA's key frames have the persons of the actions table, and the
objects of an objects table; a film whose persons are tracked has boxes on every frame. Both become
one table of `LABEL_COLUMNS`, in which a row without a box stands for a frame that shows nothing.
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
    """One frame, its boxes as fractions, and the class of each box."""

    rgb: UInt8[np.ndarray, "h w 3"]
    xyxy: Float[np.ndarray, "boxes 4"]
    names: tuple[str, ...]


def without_seconds(actions: pd.DataFrame, excluded: set[tuple[str, int]]) -> pd.DataFrame:
    """The rows of an actions table whose second is not among the excluded ones."""
    seconds = actions["time_sec"].round().astype(int)
    pairs = zip(actions["video"], seconds, strict=True)
    return actions[[pair not in excluded for pair in pairs]]


def key_frame_labels(
    actions: pd.DataFrame, objects: pd.DataFrame | None, *, person: str
) -> pd.DataFrame:
    """Boxes on AVA's key frames, from the tables of actions and of objects.

    A person has a row for each action, all with the same box, which counts once. Objects are
    taken on the frames that the actions table lists: only there are all persons known.
    """
    persons = actions[[*FRAME, *BOX]].drop_duplicates().assign(label=person)
    if objects is None:
        return persons[LABEL_COLUMNS].reset_index(drop=True)
    objects = objects.merge(persons[FRAME].drop_duplicates(), on=FRAME)
    return pd.concat([persons, objects], ignore_index=True)[LABEL_COLUMNS]


def track_labels(
    tracks: pd.DataFrame, actions: pd.DataFrame, *, store: FrameStore, person: str
) -> pd.DataFrame:
    """Boxes on every frame of a tracked film, within the seconds that `actions` lists.

    A second t is the film from t - 0.5 to t + 0.5 s; so the frames of a second that another
    split holds are never seen.

    Args:
        tracks: a row for each person in each frame of the film, frames numbered from 0.
        actions: of the split that is trained on.
        store: the film's stored frames, which may be fewer a second than the film's.
        person: name of the persons' class.
    """
    seconds = np.sort(actions.loc[actions["video"] == store.video, "time_sec"].unique())
    if not len(seconds):
        raise InputError(f"{store.video}: the annotations list no second of this tracked film")
    # A second ends where the next begins, hence the open end.
    last = np.searchsorted(seconds - 0.5, store.times_sec, side="right") - 1
    inside = (last >= 0) & (store.times_sec < seconds[last.clip(0)] + 0.5)
    times_sec = store.times_sec[inside]
    film_fps = float(store.fingerprint["frames"]) / float(store.fingerprint["duration_sec"])
    frames = pd.DataFrame(
        {
            "video": store.video,
            "time_sec": times_sec,
            "frame": np.round(times_sec * film_fps).astype(int),
        }
    )
    return frames.merge(tracks, on="frame", how="left").assign(label=person)[LABEL_COLUMNS]


class LabelledFrames:
    """The frames of a table of `LABEL_COLUMNS`, read from their stores as they are asked for.

    Args:
        stores: the frames of each film; rows of films that are not among them are left out.
        labels: the table.
        classes: labels to keep; other things count as background.
        max_images: at most so many frames, evenly spread over the table.
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
            raise InputError("annotations: name none of the films whose frames are given")
        present = set(labels.loc[labels["x1"].notna(), "label"])
        if missing := [name for name in classes if name not in present]:
            raise InputError(
                f"detector.classes: {', '.join(missing)} has no box in the annotations of these "
                f"films (they have {', '.join(sorted(present)) or 'none'}); is a table missing?"
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
