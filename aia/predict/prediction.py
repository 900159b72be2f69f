"""What was predicted of one video: moments as they come, and all of them as tables."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pandas as pd

from aia.labels import ClassList
from aia.predict.stream import Moment
from aia.tables.schema import SIDES
from aia.tables.scores import ScoreTable

MOST_ATTENDED = 6
"""Slots of one block that are kept of a person's attention: those of the largest weights."""


class Prediction:
    """Moments of one video, computed as they are asked for and kept.

    Args:
        moments: Where they come from.
        video: Id of the video.
        classes: What the scores are of.
        provenance: Model and detector.
    """

    def __init__(
        self,
        moments: Iterable[Moment],
        *,
        video: str,
        classes: ClassList,
        provenance: Mapping[str, str],
    ) -> None:
        self.video, self.classes, self.provenance = video, classes, dict(provenance)
        self._coming = iter(moments)
        self._known: list[Moment] = []

    def __iter__(self) -> Iterator[Moment]:
        """Yield every moment, from the first; what is not computed yet is computed now."""
        place = 0
        while True:
            if place == len(self._known):
                moment = next(self._coming, None)
                if moment is None:
                    return
                if moment.attention is not None:  # all of it would fill the memory in an hour
                    moment = moment._replace(attention=_strongest(moment.attention))
                self._known.append(moment)
            yield self._known[place]
            place += 1

    def table(self) -> ScoreTable:
        """Return boxes, tracks and scores of all moments, as they stand in Parquet."""
        moments = list(self)
        counts = [len(moment.xyxy) for moment in moments]
        xyxy = np.concatenate([np.zeros((0, 4), np.float32), *(m.xyxy for m in moments)])
        track = np.concatenate([np.zeros(0, np.int64), *(m.track for m in moments)])
        boxes = pd.DataFrame(
            {
                "video": pd.Series([self.video] * len(xyxy), dtype=str),
                "time_sec": np.repeat([float(m.time_sec) for m in moments], counts),
                **{side: xyxy[:, column] for column, side in enumerate(SIDES)},
                "score": np.concatenate(
                    [np.zeros(0, np.float32), *(m.person_score for m in moments)]
                ),
                "track": pd.array(np.where(track < 0, 0, track), dtype="Int32"),
            }
        )
        boxes.loc[track < 0, "track"] = pd.NA
        none = np.zeros((0, len(self.classes)), np.float32)
        scores = np.concatenate([none, *(m.scores for m in moments)])
        return ScoreTable(boxes, scores, self.classes.ids, dict(self.provenance))

    def attention(self) -> pd.DataFrame | None:
        """Return what each person attended to, the strongest of each block; None: not kept."""
        kept = [m.attention for m in self if m.attention is not None]
        return pd.concat(kept, ignore_index=True) if kept else None

    def to_pandas(self) -> pd.DataFrame:
        """Return a row for each person and key frame, with a column for each class by its name."""
        table = self.table()
        columns = [
            name if self.classes.names.count(name) == 1 else f"{name} ({class_id})"
            for class_id, name in zip(self.classes.ids, self.classes.names, strict=True)
        ]
        scores = pd.DataFrame(table.scores, columns=columns, index=table.boxes.index)
        return pd.concat([table.boxes, scores], axis=1)


def _strongest(attention: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the largest weights, `MOST_ATTENDED` of each person and block."""
    order = attention.sort_values("weight", ascending=False, kind="stable")
    return order.groupby(["target", "block"], sort=False).head(MOST_ATTENDED).sort_index()
