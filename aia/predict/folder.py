"""Predict videos, and write what each shows: {video}.parquet, .csv, .mp4, .html, and an index.

Each file appears whole or not at all, the scores first: an interrupted call finds them again.
"""

import hashlib
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from aia.errors import InputError
from aia.files import file_digest
from aia.log import Pace, say
from aia.predict.film import draw_film
from aia.predict.model import ActionDetector
from aia.predict.page import IndexRow, write_index, write_page
from aia.predict.prediction import Prediction
from aia.predict.sources import Source
from aia.predict.spans import smoothed, spans_of, write_spans
from aia.predict.stream import VideoScorer
from aia.tables.attention import read_attention, write_attention
from aia.tables.detections import write_predictions
from aia.tables.parquet import read_description
from aia.tables.scores import ScoreTable, read_scores, write_scores
from aia.video.decode import VideoFile, open_container
from aia.video.transforms import resize_size_hw

PLAYED = {"h264", "vp8", "vp9", "av1"}
"""Codecs that browsers play, in 8 bits."""
LARGE_SIDE = 400
"""Pixels of a detector's shorter side from which on a frame takes long on a CPU."""
_FREQUENT = 3  # actions of a video that the index names


@dataclass(frozen=True, kw_only=True)
class PredictOptions:
    """What is scored and what is written."""

    per_sec: float = 1.0
    """Key frames of a second."""
    times_sec: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Key frames of single videos instead, rising; those of "" hold for all others."""
    track_per_sec: float | None = None
    """Frames of a second in which persons are followed; None: `usual_track_rate`."""
    start_at: float = 0.5
    """Score from which on an action begins, and is shown."""
    stop_below: float = 0.3
    """Score below which it ends."""
    gap_sec: float = 1.0
    """Longest gap within one action."""
    smooth_sec: float = 0.0
    """Width of the mean over a track's scores; 0: they stay as they are."""
    film: bool = True
    page: bool = True
    overwrite: bool = False


class Predicted(NamedTuple):
    """What became of a video."""

    video: str
    table: ScoreTable
    spans: pd.DataFrame
    duration_sec: float


def usual_track_rate(who: ActionDetector) -> float:
    """Return how often a second persons are looked for between key frames: 5 times, if cheap.

    A large detector on a CPU takes seconds for a frame: there, key frames alone follow them.
    """
    cheap = who.device.type != "cpu" or who.detector.short_side < LARGE_SIDE
    return 5.0 if cheap else 0.0


def predict_video(
    who: ActionDetector,
    file: VideoFile,
    *,
    name: str,
    per_sec: float = 1.0,
    times_sec: Sequence[float] | None = None,
    track_per_sec: float | None = None,
    attention: bool = False,
    progress: Callable[[float], object] = lambda done_sec: None,
) -> Prediction:
    """Predict one video; moments are computed as they are asked for.

    Args:
        who: Network, detector and rules.
        file: The video.
        name: Its id.
        per_sec: Key frames of a second.
        times_sec: Times of the key frames, rising, instead.
        track_per_sec: Frames of a second in which persons are followed; None: `usual_track_rate`.
        attention: Keep what each person attended to.
        progress: Called with the seconds that were seen.
    """
    sees, span_sec = who.perception, who.model.run.backbone.span / who.perception.fps
    if 0 < file.stated_sec < span_sec:
        say(
            f"{file.path}: lasts {file.stated_sec:.2f} s and a clip of this network "
            f"{span_sec:.2f} s; its first and last frame are repeated"
        )
    scorer = VideoScorer(
        who,
        name,
        file.frames(fps=sees.fps, short_side=sees.short_side, numbered=sees.numbered),
        size_hw=resize_size_hw(file.size_hw, sees.short_side),
        per_sec=per_sec,
        times_sec=times_sec,
        track_per_sec=usual_track_rate(who) if track_per_sec is None else track_per_sec,
        attention=attention,
        progress=progress,
    )
    return Prediction(scorer, video=name, classes=who.model.run.classes, provenance=who.provenance)


def predict_folder(
    who: ActionDetector, sources: Sequence[Source], output: Path, options: PredictOptions
) -> list[str]:
    """Predict video files, one after the other; one that fails is named and left out.

    Args:
        who: Network, detector and rules.
        sources: Video files.
        output: Folder that is written; videos that are finished in it are kept.
        options: What is scored and written.

    Returns:
        Why videos failed, a line each.

    Raises:
        InputError: A file would be written over that is not of these videos and this model, or the
            only video fails.
    """
    rows, spans, failed = [], [], []
    for number, source in enumerate(sources, start=1):
        if len(sources) > 1:
            say(f"{source.id}: video {number} of {len(sources)}")
        try:
            done = _one(who, source, output, options)
        except InputError as error:
            if len(sources) == 1:
                raise
            say(f"{source.id}: left out, {error}")
            failed.append(f"{source.id}: {error}")
            rows.append(IndexRow(source.id, failed=str(error)))
            continue
        spans.append(done.spans)
        rows.append(_index_row(done, output, options))
        write_index(output / "index.html", rows)
    write_spans(output / "actions.csv", _joined(spans))
    write_index(output / "index.html", rows)
    return failed


def _one(who: ActionDetector, source: Source, output: Path, options: PredictOptions) -> Predicted:
    """Predict one video as far as its files are not there yet, and write them."""
    video, paths = Path(source.address), _paths(output, source.id)
    film = paths["film"]
    if options.film and film.exists() and video.exists() and film.samefile(video):
        raise InputError(f"{video}: would be written over; give another --output than its folder")
    file = VideoFile(video)
    times = options.times_sec.get(source.id, options.times_sec.get(""))
    provenance = dict(who.provenance) | {
        "source": video.name,
        "made_of": _made_of(who, video, options, times),
    }
    found = _existing(paths["scores"], provenance["made_of"], overwrite=options.overwrite)
    fresh = found is None
    if found is None:
        prediction = predict_video(
            who,
            file,
            name=source.id,
            per_sec=options.per_sec,
            times_sec=times,
            track_per_sec=options.track_per_sec,
            attention=options.page,
            progress=_pace(f"{source.id}: seen", file.stated_sec),
        )
        found = prediction.table()
        found = found._replace(provenance=provenance | {"duration_sec": f"{file.end_sec:.3f}"})
        attention = prediction.attention()
        if attention is not None:
            write_attention(paths["attention"], attention)
        write_scores(
            paths["scores"],
            boxes=found.boxes,
            scores=found.scores,
            class_ids=found.class_ids,
            provenance=found.provenance,
        )
    classes, duration_sec = who.model.run.classes, float(found.provenance["duration_sec"])
    if options.smooth_sec:
        found = smoothed(found, window_sec=options.smooth_sec)
    per_sec = options.per_sec if times is None else _rate(times)
    spans = spans_of(
        found,
        classes,
        start_at=options.start_at,
        stop_below=options.stop_below,
        gap_sec=options.gap_sec,
        per_sec=per_sec,
    )
    if fresh or not paths["csv"].exists():
        write_predictions(paths["csv"], found, classes)
    if options.film and (fresh or not paths["film"].exists()):
        draw_film(
            video, found, classes, paths["film"], least=options.start_at, per_sec=per_sec,
            progress=_pace(f"{source.id}: drawn", duration_sec),
        )  # fmt: skip
    if options.page and (fresh or not paths["page"].exists()):
        attention_file = paths["attention"]
        shows_film = options.film and not plays(video)
        write_page(
            paths["page"],
            video=paths["film"] if shows_film else video,
            drawn=shows_film,
            table=found,
            classes=classes,
            spans=spans,
            attention=read_attention(attention_file) if attention_file.exists() else None,
            about={"model": str(who.model.run.name), "detector": who.provenance["detector"]},
            duration_sec=duration_sec,
            size_hw=file.size_hw,
            least=options.start_at,
        )
    persons = found.boxes["track"].nunique()
    say(
        f"{source.id}: {len(found.boxes)} boxes, {persons} tracks, {len(spans)} actions in "
        f"{duration_sec:.1f} s of video"
        + ("" if len(found.boxes) else "; nobody was found, is --detector right for it?")
    )
    return Predicted(source.id, found, spans, duration_sec)


def _paths(output: Path, name: str) -> dict[str, Path]:
    return {
        "scores": output / f"{name}.parquet",
        "attention": output / f"{name}.attention.parquet",
        "csv": output / f"{name}.csv",
        "film": output / f"{name}.mp4",
        "page": output / f"{name}.html",
    }


def _made_of(
    who: ActionDetector, video: Path, options: PredictOptions, times_sec: Sequence[float] | None
) -> str:
    """Hash what the scores of a video depend on."""
    what = {
        "video": file_digest(video),
        "by": dict(who.provenance),
        "key frames": options.per_sec if times_sec is None else list(times_sec),
        "tracks": options.track_per_sec,
        "precision": who.precision,
    }
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


def _existing(path: Path, made_of: str, *, overwrite: bool) -> ScoreTable | None:
    """Return the scores that are there; None if they are to be computed.

    Raises:
        InputError: They are of something else.
    """
    if not path.exists():
        return None
    about = read_description(path, (), "scores").get("provenance", {})
    if about.get("made_of") == made_of:
        return read_scores(path)
    if overwrite:
        return None
    raise InputError(
        f"{path}: is there already, of another video, model or options; give another --output, or "
        "--overwrite"
    )


def _pace(what: str, total_sec: float) -> Callable[[float], None]:
    """Return a function that logs progress every few seconds, given the seconds that are done."""
    pace = Pace(total=max(1, round(total_sec)))
    pace.due()

    def tell(done_sec: float) -> None:
        if pace.due():
            done = max(1, round(done_sec))
            say(
                f"{what} {done} of {pace.total} s, {pace.rate(done):.2f} s of video a second, eta "
                f"{pace.eta(done)}"
            )

    return tell


def _rate(times_sec: Sequence[float]) -> float:
    """Return how many key frames a second has, by the smallest distance of two."""
    steps = [b - a for a, b in itertools.pairwise(times_sec) if b > a]
    return 1 / min(steps) if steps else 1.0


def plays(video: Path) -> bool:
    """Return True if browsers play a video."""
    if video.suffix.lower() not in (".mp4", ".m4v", ".webm", ".mov"):
        return False
    with open_container(video) as container:
        stream = container.streams.best("video")
        codec = stream.codec_context if stream else None
        return bool(codec and codec.name in PLAYED | {"libdav1d"} and "10" not in codec.pix_fmt)


def _index_row(done: Predicted, output: Path, options: PredictOptions) -> IndexRow:
    paths = _paths(output, done.video)
    spans = done.spans.assign(sec=done.spans["stop_sec"] - done.spans["start_sec"])
    longest = spans.groupby("name")["sec"].sum().sort_values(ascending=False)
    return IndexRow(
        done.video,
        duration_sec=done.duration_sec,
        persons=int(done.table.boxes["track"].nunique()),
        actions=tuple(map(str, longest.index[:_FREQUENT])),
        page=paths["page"] if options.page else None,
        film=paths["film"] if options.film else None,
        table=paths["csv"],
    )


def _joined(spans: Sequence[pd.DataFrame]) -> pd.DataFrame:
    columns = ["video", "track", "start_sec", "stop_sec", "action", "name", "score"]
    return pd.concat(spans, ignore_index=True) if spans else pd.DataFrame(columns=columns)
