"""The review page in a real browser, from a file, as people use it."""

import shutil
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd
import pytest

from aia.labels import ClassList
from aia.predict.page import IndexRow, write_index, write_page
from aia.tables import read_actions
from aia.tables.attention import ATTENTION_COLUMNS
from aia.tables.scores import ScoreTable
from tests.conftest import REPOSITORY
from tests.predict.browser import Page, browser
from tests.predict.scored import SIDES, hour, spans_where, table_of
from tests.video.videos import write_video

CLASSES = ClassList(
    (3, 5, 11, 12),
    ("walk", "talk", "<img src=x onerror=document.title='hit'>", "</script><b>open</b>"),
    ("PERSON_MOVEMENT", "PERSON_INTERACTION", "", "OBJECT_MANIPULATION"),
)
SECONDS, FPS, SIZE_HW = 12, 10, (240, 320)
LEFT, RIGHT = (0.1, 0.2, 0.3, 0.7), (0.6, 0.2, 0.8, 0.7)
NO_PICKER = "delete window.showSaveFilePicker"
FAKE_PICKER = """
window.written = [];
window.asked = 0;
window.showSaveFilePicker = async (options) => ({
  name: `${options.suggestedName} ${++asked}`,
  createWritable: async () => ({
    write: async (text) => written.push(text),
    close: async () => {},
  }),
});
"""


@pytest.fixture(scope="module")
def chromium() -> str:
    """Path of the browser."""
    found = map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
    program = next(filter(None, found), None)
    if program is None:
        pytest.skip("no chromium on the path; `apt install chromium` brings it")
    return program


@pytest.fixture(scope="module")
def tab(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A tab of a browser that all tests share, without the picker of files."""
    with browser(chromium, tmp_path_factory.mktemp("browser")) as page:
        page.call("Page.addScriptToEvaluateOnNewDocument", source=NO_PICKER)
        yield page


@pytest.fixture(autouse=True)
def _nothing_kept(tab: Page) -> Iterator[None]:
    """Forget what the page keeps for a reload: all files share one store in Chromium."""
    yield
    tab.run("localStorage.clear()")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of twelve seconds, under a name as phones give them."""
    path = tmp_path_factory.mktemp("films") / "Straße #1 (50%)?.mp4"
    frames = [np.full((*SIZE_HW, 3), 40 + k, np.uint8) for k in range(SECONDS * FPS)]
    times = [Fraction(k, FPS) for k in range(len(frames))]
    return write_video(path, frames, times_sec=times, rate=Fraction(FPS))


def street() -> ScoreTable:
    """Two persons: 1 walks from left to right and talks at 4 to 7 s; 2 stands still, and walks."""
    rows: list[Any] = []
    for second in range(1, SECONDS):
        share = (second - 1) / 10
        moving = tuple((1 - share) * a + share * b for a, b in zip(LEFT, RIGHT, strict=True))
        rows.append((float(second), 1, moving, [0.9, 0.8 if 4 <= second <= 7 else 0.1, 0, 0.02]))
        rows.append((float(second), 2, (0.4, 0.1, 0.5, 0.9), [0.6, 0.3, 0.0, 0.0]))
    return table_of(rows, CLASSES.ids)


def looks() -> pd.DataFrame:
    """At 5 s, person 1 attended to person 2, to a thing, and to 2 s and 9 s."""
    boxes = street().boxes
    target = boxes[(boxes["time_sec"] == 5) & (boxes["track"] == 1)][SIDES].to_numpy()[0]
    other, thing = (0.4, 0.1, 0.5, 0.9), (0.05, 0.75, 0.15, 0.95)
    slots = [("P1", 5, other, 0.7), ("P1", 5, target, 0.3), ("O1", 5, thing, 1.0)]
    slots += [("M1", 2, other, 0.6), ("M1", 9, other, 0.4)]
    rows = [("street", 5.0, 0, *target, name, at, 0, *box, w) for name, at, box, w in slots]
    return pd.DataFrame(rows, columns=list(ATTENTION_COLUMNS))


def write(folder: Path, film: Path, table: ScoreTable | None = None, **more: Any) -> Path:
    """Write the page of the street."""
    table = street() if table is None else table
    given: dict[str, Any] = {"classes": CLASSES, "attention": None, "about": {"model": "none"}}
    given |= {"duration_sec": float(SECONDS), "size_hw": SIZE_HW} | more
    spans = spans_where(table, given["classes"])
    write_page(folder / "street.html", video=film, table=table, spans=spans, **given)
    return folder / "street.html"


@pytest.fixture
def page(tab: Page, film: Path, tmp_path: Path) -> Iterator[Page]:
    """The page of the street, open; at the end nothing was wrong and nothing was fetched."""
    tab.resize(1280, 800)
    tab.events.clear()
    open_page(tab, write(tmp_path, film, attention=looks()))
    tab.dialogs.clear()
    yield tab
    assert tab.problems() == []
    assert all(address.startswith(("file:", "blob:")) for address in tab.requests())


def open_page(tab: Page, path: Path) -> None:
    """Open a page of a video that plays, and wait for its first frame."""
    tab.open(path.as_uri())
    tab.wait("video.readyState >= 2")
    tab.settle()


def where(tab: Page, track: int, name: str, second: float) -> tuple[float, float]:
    """Return where on the page a person's bar of an action is, at a second."""
    c = CLASSES.names.index(name)
    x, y = tab.run(
        f"""(() => {{
          const row = rows.find((one) => one.track === {track});
          const area = timeline.getBoundingClientRect();
          const here = (bar) => bar.c === {c} && bar.start <= {second} && {second} < bar.stop;
          const l = row.lanes.findIndex((lane) => lane.some(here));
          if (l < 0) throw Error("there is no such bar");
          return [area.left + gutter() + {second} * pixels - scroller.scrollLeft,
                  area.top + row.top + PAD / 2 + (l + 0.5) * LANE - scroller.scrollTop];
        }})()"""
    )
    return x, y


def bars(tab: Page, track: int) -> list[tuple[str, float, float]]:
    """Return a person's bars that are displayed: action, start, stop."""
    found = tab.run(
        f"rows.find((one) => one.track === {track}).lanes.flat()"
        ".map((bar) => [CLASSES[bar.c].name, bar.start, bar.stop])"
    )
    return sorted((name, start, stop) for name, start, stop in found)


def saved(tab: Page, folder: Path) -> pd.DataFrame:
    """Read the CSV that the browser downloaded, by the reader that training uses."""
    (path,) = folder.glob("street.reviewed*.csv")
    rows = read_actions(path, labels=CLASSES)
    path.unlink()
    return rows


@pytest.fixture
def downloads(tab: Page, tmp_path: Path) -> Path:
    """Folder that this test's downloads go to."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    tab.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
    return folder


def save(tab: Page, folder: Path) -> pd.DataFrame:
    """Press Ctrl+S and read what was saved."""
    tab.key("s", control=True)
    deadline = 200
    while not list(folder.glob("*.csv")) and deadline:
        tab.settle()
        deadline -= 1
    return saved(tab, folder)


def status(tab: Page) -> str:
    """Return what a screen reader was told last."""
    return str(tab.run("document.getElementById('status').textContent"))


def test_the_video_plays_with_boxes_that_follow(page: Page) -> None:
    assert page.run("[video.videoWidth, video.videoHeight]") == [320, 240]
    page.key(" ")
    page.wait("video.currentTime > 0.6")
    assert page.run("document.getElementById('play').textContent") == "Pause"
    page.key(" ")
    assert page.run("video.paused")
    page.run("jump(5.5)")
    page.wait("!video.seeking")
    page.settle()
    ((x1, _, _, _),) = page.run(
        "placedAt(5.5).filter((one) => one.track === 1).map((one) => one.xyxy)"
    )
    assert x1 == pytest.approx(0.1 + 0.5 * 0.45, abs=1e-4)  # half way between two key frames
    area = page.run("placed.find((one) => one.track === 1).area")
    at = f"{area[0]:.0f}, {area[1] + area[3] / 2:.0f}"
    r, g, b, a = page.run(f"[...overlay.getContext('2d').getImageData({at}, 1, 1).data]")
    assert a > 200
    assert max(r, g, b) > 150  # the box is painted there


def test_a_click_on_a_bar_jumps_there_and_chooses_its_person(page: Page) -> None:
    page.click(*where(page, 2, "walk", 7.25))
    page.wait("!video.seeking")
    assert page.run("video.currentTime") == pytest.approx(7.25, abs=0.05)
    assert page.run("document.getElementById('person').value") == "2"
    assert "person 2 at 7 s: walk 0.60" in status(page)


def test_a_click_on_a_box_chooses_its_person(page: Page) -> None:
    page.run("jump(2)")
    page.settle()
    x, y = page.run(
        """(() => {
          const { left, top } = overlay.getBoundingClientRect();
          const [x, y, w, h] = placed.find((one) => one.track === 2).area;
          return [left + x + w / 2, top + y + h / 2];
        })()"""
    )
    page.click(x, y)
    assert page.run("chosen.track") == 2


def test_hovering_over_a_bar_tells_the_score(page: Page) -> None:
    page.move(*where(page, 1, "talk", 5.1))
    tip = page.run(
        "document.getElementById('tip').hidden ? '' : document.getElementById('tip').textContent"
    )
    assert tip.split("\n") == [
        "talk, person 1",
        "score 0.80 at 5 s",
        "mean 0.80 of 4",
        "3.5 s to 7.5 s",
    ]
    page.move(5, 5)
    assert page.run("document.getElementById('tip').hidden")


def test_bars_are_filtered_by_score_and_by_class(page: Page) -> None:
    assert bars(page, 1) == [("talk", 3.5, 7.5), ("walk", 0.5, 11.5)]
    page.run("$('least').value = 0.85; $('least').dispatchEvent(new Event('input'))")
    assert bars(page, 1) == [("walk", 0.5, 11.5)]
    assert bars(page, 2) == []
    page.run(
        "$('least').value = 0.25; $('least').dispatchEvent(new Event('input')); $('weak').click()"
    )
    assert bars(page, 2) == [("talk", 0.5, 11.5), ("walk", 0.5, 11.5)]
    page.run("$('classes').open = true")
    page.click_on("#none")
    assert bars(page, 2) == []
    page.click_on("#class-list li:nth-child(2) input")
    assert bars(page, 2) == [("talk", 0.5, 11.5)]
    assert page.run("$('how-many').textContent") == "1 of 4"


def test_a_corrected_second_is_saved_as_training_reads_it(page: Page, downloads: Path) -> None:
    page.click(*where(page, 1, "talk", 5))
    page.key("Delete")
    assert status(page) == "talk removed from person 1 at 1 key second"
    assert bars(page, 1) == [("talk", 3.5, 4.5), ("talk", 5.5, 7.5), ("walk", 0.5, 11.5)]
    page.key("a")
    page.type(CLASSES.names[3])
    page.key("Enter")
    rows = save(page, downloads)
    assert rows["video"].tolist() == ["street", "street"]
    assert rows["time_sec"].tolist() == [5, 5]
    assert rows["action"].tolist() == [3, 12]
    assert rows["person"].tolist() == [1, 1]
    expected = street().boxes.query("time_sec == 5 and track == 1")[SIDES].to_numpy()
    np.testing.assert_allclose(rows[SIDES].to_numpy(), [*expected, *expected], atol=1.5e-5)
    assert not page.run("dirty()")


def test_all_labels_are_saved_where_that_is_wished(page: Page, downloads: Path) -> None:
    page.run("$('which').value = 'all'")
    rows = save(page, downloads)
    given = street()
    box, position = np.nonzero(given.scores >= 0.5)
    assert len(rows) == len(box) == 26
    assert rows["time_sec"].tolist() == given.boxes["time_sec"].to_numpy()[box].tolist()
    assert rows["action"].tolist() == [CLASSES.ids[k] for k in position]
    assert rows["person"].tolist() == given.boxes["track"].to_numpy()[box].tolist()


def test_a_reviewed_second_on_which_nobody_acts_is_kept(page: Page, downloads: Path) -> None:
    page.run("jump(3)")
    page.key("1")
    page.key("n")
    page.key("1")
    rows = save(page, downloads)
    assert rows["time_sec"].tolist() == [3]
    assert rows["action"].tolist() == [-1]


def test_a_second_of_which_one_person_is_reviewed_is_no_empty_one(
    page: Page, downloads: Path
) -> None:
    page.run("jump(3)")
    page.key("1")
    page.key("s", control=True)
    assert status(page).startswith("Nothing is reviewed yet")
    assert not list(downloads.iterdir())
    page.run("jump(4)")
    page.key("R")
    assert save(page, downloads)["time_sec"].tolist() == [4, 4, 4]


def test_a_span_is_corrected_at_once(page: Page, downloads: Path) -> None:
    page.click(*where(page, 1, "talk", 5))
    page.key("w")
    assert status(page) == "Span 4 s to 7 s"
    page.run(
        """(() => {
          const change = document.querySelector("[aria-label='Change talk to']");
          change.value = "2";
          change.dispatchEvent(new Event("change"));
        })()"""
    )
    assert bars(page, 1)[0] == (CLASSES.names[2], 3.5, 7.5)
    rows = save(page, downloads)
    assert sorted(set(rows["action"])) == [3, 11]
    assert rows[rows["action"] == 3]["time_sec"].tolist() == [4, 5, 6, 7]
    assert rows[rows["action"] == 11]["time_sec"].tolist() == [4, 5, 6, 7]


def test_undo_and_redo(page: Page) -> None:
    before = bars(page, 1)
    page.click(*where(page, 1, "walk", 6))
    page.key("Delete")
    page.run("jump(8)")
    page.key("2")
    after = bars(page, 1)
    assert after != before
    page.key("z", control=True)
    page.key("u")
    assert bars(page, 1) == before
    assert not page.run("dirty()")
    assert page.run("edits.label.size + edits.reviewed.size") == 0
    page.key("y", control=True)
    page.key("U")
    assert bars(page, 1) == after
    assert page.run("$('unsaved').hidden") is False


def test_a_person_gets_another_number_or_swaps_it(page: Page, downloads: Path) -> None:
    page.run("choose(1); jump(8); $('onwards').checked = true")
    page.key("c")
    page.type("2")
    page.key("Enter")
    assert status(page) == "person 1 is now person 2, swapped with it at 4 at 4 key seconds"
    page.run("choose(1); jump(2); $('onwards').checked = false")
    page.key("c")
    page.type("9")
    page.key("Enter")
    assert page.run("[...persons.keys()]") == [1, 2, 9]
    assert page.run("edits.reviewed.size") == 0
    page.run("$('which').value = 'all'")
    rows = save(page, downloads)
    found = {time: frame for time, frame in rows.groupby("time_sec")}
    assert found[2].sort_values("x1")["person"].tolist() == [9, 2]
    assert found[7].drop_duplicates("person").sort_values("x1")["person"].tolist() == [1, 2]
    assert found[11].sort_values("x1")["person"].tolist() == [1, 2]


def test_the_keyboard_alone_goes_everywhere(page: Page) -> None:
    page.key("ArrowRight")
    page.key("ArrowRight")
    assert page.run("time()") == pytest.approx(2, abs=0.01)
    page.key("ArrowLeft")
    page.key(".")
    assert page.run("time()") == pytest.approx(1.04, abs=0.07)
    page.key("End")
    assert page.run("time()") == pytest.approx(SECONDS, abs=0.2)
    page.key("Home")
    page.key("ArrowRight")
    page.key("ArrowDown")
    assert page.run("chosen.track") == 2
    page.key("p")
    assert page.run("chosen.track") == 1
    page.key("?")
    assert page.run("$('help').open")
    assert "play or pause" in page.run("$('help').innerText")
    page.key("2")  # says nothing to the page below
    page.key("Escape")
    assert not page.run("$('help').open")
    page.run("$('keys-on').checked = false")
    page.key("2")
    page.run("$('keys-on').checked = true; $('add').focus()")
    page.key("2")
    assert page.run("[position, $('add').value]") == [0, "2"]


def test_every_control_has_a_name_and_shows_its_focus(page: Page) -> None:
    page.run("$('classes').open = $('about').open = true")
    page.run("choose(1); jump(5)")
    page.settle()
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    seen = [node for node in nodes if not node.get("ignored")]
    controls = {"button", "combobox", "slider", "checkbox", "searchbox", "spinbutton", "textbox"}
    roles = [node["role"]["value"] for node in seen]
    assert controls - {"textbox"} <= set(roles)
    for node in seen:
        if node["role"]["value"] in controls | {"region", "image"}:
            assert node.get("name", {}).get("value"), node
    reached = set()
    for _ in range(80):
        page.key("Tab")
        told = page.run(
            """(() => {
              const on = document.activeElement;
              const wide = parseFloat(getComputedStyle(on).outlineWidth);
              return [on.id || on.textContent, on === document.body || wide >= 2];
            })()"""
        )
        assert told[1], told
        reached.add(told[0])
    assert {"play", "seek", "person", "scroller", "save", "least", "add", "number"} <= reached


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_written_can_be_read(page: Page, scheme: str) -> None:
    page.scheme(scheme)
    page.run("choose(1); jump(5); $('classes').open = $('about').open = true")
    page.settle()
    found = page.run((REPOSITORY / "tests" / "predict" / "contrasts.js").read_text())
    assert found["written"] > 50
    assert found["poor"] == []
    page.scheme("light")


def test_an_annotated_video_gets_the_chosen_persons_box_alone(
    page: Page, film: Path, tmp_path: Path
) -> None:
    count = """(() => {
      const area = overlay.getContext("2d").getImageData(0, 0, overlay.width, overlay.height);
      return area.data.filter((value, k) => k % 4 === 3 && value > 0).length;
    })()"""
    at_five = """new Promise((done) => {
      choose(1, null, false);
      const drawn = () => requestAnimationFrame(() => done(draw()));
      video.addEventListener("seeked", drawn, { once: true });
      jump(5);
    })"""
    page.run(at_five)
    page.settle()
    whole = page.run(count)
    open_page(page, write(tmp_path, film, drawn=True))
    page.run(at_five)
    page.settle()
    assert 0 < page.run(count) < whole / 2


def test_attention_is_told_and_drawn(page: Page) -> None:
    page.run("choose(1); jump(5)")
    page.wait("!video.seeking")
    page.settle()
    told = page.run("[...$('attended').children].map((one) => one.textContent.trim())")
    assert told == [
        "M1: person 2 at 2 s 0.60 person 2 at 9 s 0.40",
        "O1: object 1.00",
        "P1: person 2 0.70 itself 0.30",
    ]
    paint = "overlay.toDataURL() + timeline.toDataURL()"
    shown = page.run(paint)
    page.key("l")
    assert page.run(paint) != shown
    page.run("$('attended').querySelectorAll('button')[1].click()")
    assert page.run("time()") == 9
    page.settle()
    assert page.run("$('attended').textContent") == "nothing is known for this second"


def test_changes_survive_a_reload_with_a_warning(page: Page, downloads: Path) -> None:
    page.click(*where(page, 1, "walk", 6))
    page.key("Delete")
    changed = bars(page, 1)
    page.reload()
    page.settle()
    assert page.dialogs == ["beforeunload"]
    assert bars(page, 1) == changed
    assert "1 reviewed, not saved yet" in status(page)
    assert page.run("$('unsaved').hidden") is False
    page.key("u")
    assert bars(page, 1) != changed
    page.key("U")
    assert save(page, downloads)["action"].tolist() == [5]
    page.reload()
    page.settle()
    assert page.dialogs == ["beforeunload"]
    assert bars(page, 1) == changed
    assert page.run("$('unsaved').hidden")


def test_a_file_that_was_chosen_is_written_again(tab: Page, film: Path, tmp_path: Path) -> None:
    script = tab.call("Page.addScriptToEvaluateOnNewDocument", source=FAKE_PICKER)
    try:
        tab.resize(1280, 800)
        open_page(tab, write(tmp_path, film))
        tab.run("jump(5)")
        tab.wait("!video.seeking")
        tab.settle()
        tab.key("r")
        tab.key("s")
        assert status(tab) == "Saved 2 lines to street.reviewed.csv 1"
        tab.key("n")
        tab.key("r")
        tab.key("s")
        assert status(tab) == "Saved 3 lines to street.reviewed.csv 1"
        assert [text.count("\n") for text in tab.run("written")] == [2, 3]
        assert not tab.run("dirty()")
    finally:
        tab.call("Page.removeScriptToEvaluateOnNewDocument", identifier=script["identifier"])


def test_names_from_files_are_text(page: Page) -> None:
    page.run("choose(1); jump(5); setLabel(2, true); $('classes').open = true")
    page.settle()
    assert page.run("document.querySelectorAll('img').length") == 0
    assert page.run("document.title") == "street: who does what"
    assert "<img src=x onerror" in page.run("$('actions').textContent")


def write_old(path: Path, *, sound: bool) -> None:
    """Write two seconds of MPEG-4 Part 2, with a sound that browsers play."""
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("mpeg4", rate=FPS)]
        streams[0].height, streams[0].width = SIZE_HW
        if sound:
            streams.append(container.add_stream("aac", rate=8000))
        for _ in range(2 * FPS):
            grey = np.full((*SIZE_HW, 3), 90, np.uint8)
            container.mux(streams[0].encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        for k in range(16 * sound):
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            silence.rate, silence.pts = 8000, 1024 * k
            container.mux(streams[1].encode(silence))
        for stream in streams:
            container.mux(stream.encode(None))


@pytest.mark.parametrize("kind", ["avi", "mp4", "sound", "absent"])
def test_a_page_without_a_picture_still_works(tab: Page, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"street.{'avi' if kind == 'avi' else 'mp4'}"
    if kind != "absent":
        write_old(path, sound=kind == "sound")
    tab.open(write(tmp_path, path).as_uri())
    tab.wait("!$('silent').hidden")
    assert f"No picture: {path.name} is not there, or browsers cannot play" in tab.run(
        "$('silent').textContent"
    )
    assert tab.run("$('silent').getAttribute('role')") == "alert"
    tab.click(*where(tab, 1, "talk", 5))
    assert tab.run("time()") == pytest.approx(5, abs=0.05)
    assert tab.run("placed.length") == 2
    tab.key(" ")
    tab.wait("time() > 5.4")
    tab.key("k")
    at = tab.run("time()")
    tab.settle()
    assert tab.run("time()") == at
    tab.key("Delete")
    assert tab.run("history.length && edits.label.size") == 1
    tab.run("undo()")


def test_persons_without_a_number_are_each_a_box(tab: Page, film: Path, tmp_path: Path) -> None:
    rows: list[Any] = [(2.0, None, LEFT, [0.9, 0, 0, 0]), (2.0, None, RIGHT, [0.1, 0.7, 0, 0])]
    open_page(
        tab, write(tmp_path, film, table_of([*rows, (3.0, None, LEFT, [0, 0, 0, 0])], CLASSES.ids))
    )
    tab.run("jump(2)")
    tab.key("n")
    assert "talk 0.70" in status(tab)
    tab.key("n")
    assert "walk 0.90" in status(tab)
    tab.key("c")
    tab.type("4")
    tab.key("Enter")
    assert tab.run("[...persons].map(([track, boxes]) => [track, boxes.length])") == [
        [4, 1],
        [-1, 2],
    ]
    lines = [line.split(",") for line in tab.run("csv('all')").splitlines()]
    assert [[*line[:2], *line[6:]] for line in lines] == [
        ["street", "2", "3", "4"],
        ["street", "2", "5", "-1"],
        ["street", "3"],
    ]
    tab.run("undo()")


def test_a_video_without_persons_opens(tab: Page, film: Path, tmp_path: Path) -> None:
    tab.events.clear()
    open_page(tab, write(tmp_path, film, table_of([], CLASSES.ids)))
    for key in ("n", "1", "r", "R", "Delete", "w", "s", "ArrowRight"):
        tab.key(key)
    assert tab.run("time()") == 1
    assert tab.problems() == []


def test_an_hour_of_five_persons_and_eighty_classes_stays_fluid(
    tab: Page, film: Path, tmp_path: Path
) -> None:
    classes = ClassList.numbered(80)
    page = write(tmp_path, film, hour(5, 80), classes=classes, duration_sec=3600.0)
    open_page(tab, page)
    assert tab.run("[BOXES, persons.size]") == [18_000, 5]
    median = (
        "((run) => { const took = []; for (let k = 0; k < 15; k++) { const at = performance.now();"
        " run(k); took.push(performance.now() - at); } return took.sort((a, b) => a - b)[7] })"
    )
    costs = {
        "a frame while it plays": "(k) => redraw()",
        "scrolled to another minute": "(k) => { scroller.scrollLeft = 900 * k; redraw(); }",
        "the whole hour at once": "(k) => { zoom(0); version += 1; redraw(); }",
        "another filter": "(k) => { filter.least = k / 20; lay(); redraw(); }",
        "a correction": "(k) => { setLabel(79 - k, true, [persons.get(1)[60 * k]]); redraw(); }",
    }
    took = {what: tab.run(f"{median}({script})") for what, script in costs.items()}
    for what, ms in took.items():
        print(f"{what}: {ms:.1f} ms")
    tab.run("zoom(0); play()")
    frames = """new Promise((done) => {
      let count = 0;
      const begun = performance.now(), one = () => {
        count += 1;
        if (performance.now() - begun < 2000) requestAnimationFrame(one); else done(count / 2);
      };
      requestAnimationFrame(one);
    })"""
    print(f"while it plays: {tab.run(frames):.0f} frames a second")
    tab.run("pause()")
    assert tab.run("edits.label.size") == 15
    tab.run("while (position) undo()")


def test_the_index_is_sorted_by_a_click(tab: Page, tmp_path: Path) -> None:
    tab.events.clear()
    rows = [
        IndexRow("b 10", 3700.0, 2, ("walk",), page=tmp_path / "b 10.html"),
        IndexRow("<img src=x>", failed="no video stream; is it a sound file?"),
        IndexRow("b 9", 61.0, 11, ("talk", "walk"), film=tmp_path / "b#9.mp4"),
    ]
    write_index(tmp_path / "index.html", rows)
    tab.open((tmp_path / "index.html").as_uri())
    names = "[...document.querySelectorAll('tbody td:first-child')].map((one) => one.textContent)"
    assert tab.run(names) == ["b 10", "<img src=x>", "b 9"]
    assert tab.run("document.getElementById('sum').textContent") == "3 videos, 1 failed"
    tab.click_on("thead th:nth-child(1) button")
    assert tab.run(names) == ["<img src=x>", "b 9", "b 10"]
    tab.click_on("thead th:nth-child(3) button")
    tab.click_on("thead th:nth-child(3) button")
    assert tab.run(names) == ["<img src=x>", "b 9", "b 10"]
    assert tab.run("document.querySelector('[aria-sort]').textContent") == "persons"
    assert "failed: no video stream" in tab.run("document.querySelector('tbody').textContent")
    links = tab.run("[...document.querySelectorAll('a')].map((one) => one.getAttribute('href'))")
    assert links == ["b%23" + "9.mp4", "b%2010.html", "b%2010.html"]
    assert tab.problems() == []
