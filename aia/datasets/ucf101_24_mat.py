"""`finalAnnots.mat`: UCF101-24's corrected annotations in the form of their authors' MATLAB code.

    annot    1 x videos    name      'Basketball/v_Basketball_g01_c01'
                          num_imgs  frames of the video
                          tubes     1 x persons    class  1 to 24
                                                   sf     first frame, from 1
                                                   ef     last frame
                                                   boxes  frames x 4: x, y, width, height

MATLAB counts from 1, the pickle of the same annotations from 0; the reader converts to the latter.
The order of the fields does not matter, and other fields are ignored.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io

from aia.errors import InputError


def read_mat(path: Path) -> dict[str, dict[str, Any]]:
    """Read the videos of `annot`, each described as in `pyannot.pkl`.

    Returns:
        By video: `numf`, and `annotations` with `label`, `sf` and `ef` (the frame after the last)
        from 0, and `boxes` as x, y, width and height in pixels.

    Raises:
        InputError: The file is of another kind, or damaged.
    """
    videos: dict[str, dict[str, Any]] = {}
    for number, video in enumerate(_structs(_annot(path), f"{path}: annot"), start=1):
        where = f"{path}: annot({number})"
        name = _text(video, "name", where)
        if name in videos:
            raise InputError(f"{where}: is {name}, like an earlier one")
        tubes = _field(video, "tubes", where)
        videos[name] = {
            "numf": _whole(video, "num_imgs", where),
            "annotations": [
                _tube(tube, f"{where}, {name}, tube {k}")
                for k, tube in enumerate(_structs(tubes, f"{where}, tubes"), start=1)
            ],
        }
    return videos


def _annot(path: Path) -> np.ndarray:
    try:
        found = scipy.io.loadmat(path, variable_names=["annot"])
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error}); was its download cut off?") from None
    except NotImplementedError:
        raise InputError(
            f"{path}: is a .mat file of MATLAB 7.3, which is HDF5; save it again with -v7"
        ) from None
    except Exception as error:  # a damaged file raises almost anything
        raise InputError(
            f"{path}: not a whole .mat file ({type(error).__name__}: {error}); was its download "
            "cut off?"
        ) from None
    annot = found.get("annot")
    if annot is None or annot.dtype.names is None or not annot.size:
        there = [f"{name} ({kind})" for name, _, kind in scipy.io.whosmat(path)]
        raise InputError(
            f"{path}: has no array of structures 'annot' (it has {', '.join(there) or 'nothing'}); "
            "is it the finalAnnots.mat of the corrected annotations?"
        )
    return annot


def _structs(array: np.ndarray, where: str) -> Iterator[np.void]:
    """Yield the entries of an array of structures; MATLAB writes an empty one as numbers."""
    if array.size and array.dtype.names is None:
        raise InputError(f"{where}: holds {array.dtype}, expected structures")
    yield from array.ravel()


def _field(struct: np.void, name: str, where: str) -> np.ndarray:
    names = struct.dtype.names or ()
    if name not in names:
        raise InputError(f"{where}: has no field {name} (it has {', '.join(names)})")
    return np.asarray(struct[name])


def _text(struct: np.void, name: str, where: str) -> str:
    value = _field(struct, name, where)
    if value.size != 1 or value.dtype.kind not in "US":
        raise InputError(f"{where}: {name} is {value!r}, expected a text")
    return str(value.item())


def _whole(struct: np.void, name: str, where: str) -> int:
    value = _field(struct, name, where)
    if value.size != 1 or value.dtype.kind not in "iuf" or value.item() % 1:  # NaN % 1 is NaN
        raise InputError(f"{where}: {name} is {value!r}, expected a whole number")
    return int(value.item())


def _tube(struct: np.void, where: str) -> dict[str, Any]:
    boxes = _field(struct, "boxes", where)
    label, first = _whole(struct, "class", where), _whole(struct, "sf", where)
    last = _whole(struct, "ef", where)
    if label < 1 or first < 1:
        raise InputError(
            f"{where}: class is {label} and sf is {first}; MATLAB counts from 1, is this file "
            "counted from 0?"
        )
    # ef is the last frame or the one after it, depending on the number of boxes
    if len(boxes) not in (last - first + 1, last - first):
        raise InputError(f"{where}: has {len(boxes)} boxes for the frames {first} to {last}")
    end = first + len(boxes)
    return {"label": label - 1, "sf": first - 1, "ef": end - 1, "boxes": boxes}
