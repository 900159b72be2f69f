"""Films that are none, and frame stores that are damaged or lie."""

import json
import zlib
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import h5py
import numpy as np
import pytest

from tests.broken.case import Case, cut, damaged, flipped, written
from tests.broken.conftest import Refuses
from tests.video.films import write_sound

FRAMES = "frames {} --output out/film.h5 --settings good/settings.yaml"
CHECK = (
    "check-films --frames kitchen.h5 --annotations good/actions.csv "
    "--settings good/settings.yaml --output out/films.csv"
)
DETECT = (
    "detect kitchen.h5 --weights good/detector.safetensors --annotations good/actions.csv "
    "--persons out/p.parquet --objects out/o.parquet --settings good/settings.yaml"
)


def photograph() -> None:
    cv2.imwrite("film.png", np.zeros((48, 64, 3), np.uint8))
    Path("film.png").rename("film.mp4")


def playlist(name: str) -> Callable[[], None]:
    """A text that FFmpeg plays as the film that it names."""

    def make() -> None:
        with av.open("good/kitchen.mp4") as source, av.open("all.ts", "w") as target:
            copy = target.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(video=0):
                if packet.dts is not None:
                    packet.stream = copy
                    target.mux(packet)
        text = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n#EXTINF:4,\n"
        Path(name).write_text(f"{text}{Path('all.ts').resolve()}\n#EXT-X-ENDLIST\n")

    return make


def stored(change: Callable[[h5py.File], object], *, sealed: bool = False) -> Callable[[], None]:
    """A copy of the frame store with something changed; `sealed`: its checksum fits again."""

    def make() -> None:
        damaged("kitchen.h5", bytes)()
        with h5py.File("kitchen.h5", "r+") as file:
            change(file)
            if sealed:
                index = {
                    name: file[name][()]
                    for name in sorted(file)
                    if name != "data" and isinstance(file[name], h5py.Dataset)
                }
                about = {name: np.asarray(value).tolist() for name, value in file.attrs.items()}
                for name in ("format", "version", "index_crc32"):
                    del about[name]
                check = zlib.crc32(json.dumps(about, sort_keys=True).encode())
                for name in index:
                    check = zlib.crc32(index[name].tobytes(), check)
                file.attrs["index_crc32"] = check

    return make


def attribute(name: str, value: object) -> Callable[[h5py.File], None]:
    return lambda file: file.attrs.__setitem__(name, value)


def without(name: str) -> Callable[[h5py.File], None]:
    return lambda file: file.__delitem__(name)


def instead(name: str, values: object) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[name]
        file[name] = values

    return change


def other_hdf5() -> None:
    with h5py.File("kitchen.h5", "w") as file:
        file["frames"] = [1, 2, 3]


def huge(file: h5py.File) -> None:
    """Numbers that were never written take no place in a file, and all memory there is."""
    del file["times_sec"]
    file.create_dataset("times_sec", shape=(1 << 50,), dtype="f8", chunks=(1 << 20,))


def blackened(file: h5py.File) -> None:
    file["data"][:] = 0


def elsewhere(put: Callable[[h5py.File, str, str], object]) -> Callable[[], None]:
    """A store whose times lie in another file, by its full path, and whose checksum fits."""

    def make() -> None:
        damaged("private.h5", bytes, source="kitchen.h5")()

        def change(file: h5py.File) -> None:
            private = str(Path("private.h5").resolve())
            del file["times_sec"]
            put(file, "times_sec", private)

        stored(change, sealed=True)()

    return make


def linked(file: h5py.File, name: str, other: str) -> None:
    file[name] = h5py.ExternalLink(other, name)


def linked_inside(file: h5py.File, name: str, other: str) -> None:
    file["more"] = h5py.ExternalLink(other, "/")
    file[name] = h5py.SoftLink(f"/more/{name}")


def outside(file: h5py.File, name: str, other: str) -> None:
    with h5py.File(other) as private:
        place = private[name].id.get_offset()
    file.create_dataset(name, shape=(32,), dtype="f8", external=[(other, place, 32 * 8)])


def virtual(file: h5py.File, name: str, other: str) -> None:
    layout = h5py.VirtualLayout(shape=(32,), dtype="f8")
    layout[:] = h5py.VirtualSource(other, name, shape=(32,))
    file.create_virtual_dataset(name, layout)


CASES = [
    Case("film that is not there", lambda: None, FRAMES.format("no.mp4"),
         r"no\.mp4: there is no such film"),
    Case("film of no bytes", written("film.mp4", b""), FRAMES.format("film.mp4"),
         r"film\.mp4: the file is empty; was its download cut off"),
    Case("film that is cut off", damaged("film.mp4", cut, source="kitchen.mp4"),
         FRAMES.format("film.mp4"), r"film\.mp4: not a film that FFmpeg can open .*cut off"),
    Case("text called a film", written("film.mp4", "To be fetched.\n" * 99),
         FRAMES.format("film.mp4"), r"film\.mp4: not a film that FFmpeg can open .*another kind"),
    Case("page called a film", written("film.mkv", "<!DOCTYPE html><html>404</html>"),
         FRAMES.format("film.mkv"), r"film\.mkv: not a film that FFmpeg can open"),
    Case("playlist of a film elsewhere called a film", playlist("film.mp4"),
         FRAMES.format("film.mp4"), r"film\.mp4: not a film "),
    Case("playlist of a film elsewhere", playlist("film.m3u8"), FRAMES.format("film.m3u8"),
         r"film\.m3u8: not a film of a kind that is read .*a playlist, which names other files"),
    Case("list of films elsewhere called a film",
         written("film.mp4", "ffconcat version 1.0\nfile good/kitchen.mp4\n"),
         FRAMES.format("film.mp4"),
         r"film\.mp4: not a film of a kind that is read .*a playlist, which names other files"),
    Case("film without a picture", lambda: write_sound(Path("film.mp4")),
         FRAMES.format("film.mp4"), r"film\.mp4: a film is expected, but .*audio.*a sound file"),
    Case("photograph called a film", photograph, FRAMES.format("film.mp4"), r"film\.mp4: "),
    Case("folder called a film", lambda: Path("film.mp4").mkdir(), FRAMES.format("film.mp4"),
         r"film\.mp4: there is no such film"),
    Case("film too short for a clip", lambda: None,
         FRAMES.format("good/kitchen.mp4") + " --min-frames 99",
         r"good/kitchen\.mp4: 32 frames at 8 a second, but a clip needs 99"),
    Case("store that is not there", lambda: None, CHECK, r"kitchen\.h5: there is no such frame"),
    Case("store of no bytes", written("kitchen.h5", b""), CHECK,
         r"kitchen\.h5: not a frame store, or a damaged one"),
    Case("store that is cut off", damaged("kitchen.h5", cut), CHECK, r"kitchen\.h5: .*store again"),
    Case("store that lacks its last byte", damaged("kitchen.h5", lambda raw: raw[:-1]), CHECK,
         r"kitchen\.h5: .*[Mm]ake the store again"),
    Case("store with a flipped bit in its header", damaged("kitchen.h5", flipped(0.0)), CHECK,
         r"kitchen\.h5: not a frame store, or a damaged one"),
    Case("store with a frame changed", stored(blackened),
         DETECT, r"kitchen\.h5: frame \d+ is damaged \(its checksum is wrong\).*store again"),
    Case("store with times changed", stored(instead("times_sec", np.arange(32.0))), CHECK,
         r"kitchen\.h5: its index is damaged; [Mm]ake the store again"),
    Case("store without times", stored(without("times_sec")), CHECK,
         r"kitchen\.h5: its index is damaged; [Mm]ake the store again"),
    Case("store without frames", stored(without("data")), CHECK,
         r"kitchen\.h5: not a frame store, or a damaged one.*data"),
    Case("store without times whose checksum fits", stored(without("times_sec"), sealed=True),
         CHECK, r"kitchen\.h5: .*times_sec.*[Mm]ake the store again"),
    Case("store with fewer times than frames whose checksum fits",
         stored(instead("times_sec", np.arange(7.0)), sealed=True), CHECK,
         r"kitchen\.h5: .*times_sec.*[Mm]ake the store again"),
    Case("store with offsets that fall whose checksum fits",
         stored(lambda file: file["offsets"].__setitem__(3, 1), sealed=True), CHECK,
         r"kitchen\.h5: .*offsets.*[Mm]ake the store again"),
    Case("store that says of times that they are texts",
         stored(instead("times_sec", [b"a"] * 32), sealed=True), CHECK,
         r"kitchen\.h5: .*[Mm]ake the store again"),
    Case("store without its settings whose checksum fits",
         stored(lambda file: file.attrs.__delitem__("codec"), sealed=True), CHECK,
         r"kitchen\.h5: .*codec.*[Mm]ake the store again"),
    Case("store with a size that is no size", stored(attribute("size_hw", [-1, 64]), sealed=True),
         CHECK, r"kitchen\.h5: .*size_hw.*[Mm]ake the store again"),
    Case("store of petabytes", stored(huge), CHECK, r"kitchen\.h5: .*[Mm]ake the store again"),
    *(Case(f"store whose times are {how} another file", elsewhere(put), CHECK,
           r"kitchen\.h5: its \w+ is expected to lie in the file itself.*[Mm]ake the store again")
      for how, put in (("linked from", linked), ("linked by way of", linked_inside),
                       ("stored in", outside), ("a view of", virtual))),
    Case("store whose checksums are linked from another file", elsewhere(lambda file, name, other: (
         file.move("crc32", name), linked(file, "crc32", other))), CHECK,
         r"kitchen\.h5: its crc32 is expected to lie in the file itself"),
    Case("store with numbers in a folder", stored(lambda file: file.create_group("more")), CHECK,
         r"kitchen\.h5: its more is expected to lie in the file itself"),
    Case("store of petabytes in one piece", stored(lambda file: file.create_dataset(
         "more", shape=(1 << 50,), dtype="f8")), CHECK,
         r"kitchen\.h5: its more is expected to lie in the file itself"),
    Case("store of another version", stored(attribute("version", 7)), CHECK,
         r"kitchen\.h5: a frame store of version 7, this program reads 1; [Mm]ake the store again"),
    Case("HDF5 that is no store", other_hdf5, CHECK,
         r"kitchen\.h5: an HDF5 file, but not a frame store; is the path right"),
    Case("store made with other settings", stored(attribute("short_side", 47), sealed=True), CHECK,
         r"kitchen\.h5: made with frames\.short_side = 47, but the settings say 48"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_is_refused_by_name_and_nothing_is_written(case: Case, refuses: Refuses) -> None:
    refuses(case)
