import pytest

from aia.errors import InputError
from aia.tables import (
    read_films,
    read_seconds,
    read_seconds_by_video,
    read_videos,
    seconds_for,
    write_seconds,
)


def test_films_are_ids_with_or_without_an_ending_in_file_order(tmp_path):
    path = tmp_path / "films.txt"
    path.write_text("--205wugM18\r\nzz.mkv\naA_-.MP4\nv1.2\n\n")
    assert read_videos(path) == ["--205wugM18", "zz", "aA_-", "v1.2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; a list of videos expected"),
        ("a\n\nb\n", "line 2: is empty"),
        ("a\n../b.mp4\n", "line 2: video id is '../b'"),
        ("a.mp4\nb\na.mkv\n", "line 3: a is already the video of line 1"),
        ("a,902\n", "line 1: video id is 'a,902'"),
    ],
)
def test_what_is_wrong_with_a_list_of_films_is_named_by_line(tmp_path, text, message):
    path = tmp_path / "films.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_videos(path)


def test_seconds_rise_and_are_each_listed_once(tmp_path):
    path = tmp_path / "seconds.txt"
    path.write_text("0904\n0902\n0904\n902.5\n")
    assert read_seconds(path) == [902, 902.5, 904]


def test_seconds_may_be_of_all_videos_or_of_each(tmp_path):
    path, again = tmp_path / "seconds.txt", tmp_path / "again.txt"
    path.write_text("0904\n902.5\n")
    assert read_seconds_by_video(path) == {"": [902.5, 904]}
    path.write_text("b,7\na,0904\nb,2.5\nb,7\n")
    found = read_seconds_by_video(path)
    assert found == {"b": [2.5, 7], "a": [904]}
    write_seconds(again, found)
    assert read_seconds_by_video(again) == found
    assert seconds_for("b", found) == [2.5, 7]
    assert seconds_for("c", found) == []
    assert seconds_for("c", {"": [1.0]}) == [1.0]


@pytest.mark.parametrize("line", ["-1", "nan", "1e3", "9.0.2", "film,0902", "99999999"])
def test_what_is_no_second_is_refused(tmp_path, line):
    path = tmp_path / "seconds.txt"
    path.write_text(f"0902\n{line}\n")
    with pytest.raises(InputError, match="line 2: .* is not a second of a video"):
        read_seconds(path)


def test_avas_own_lists_are_read(shared_data):
    films = read_videos(shared_data / "ava" / "ava_test_v2.2.txt")
    assert len(films) == 131
    assert read_films is read_videos
    seconds = read_seconds(shared_data / "ava" / "ava_included_timestamps_v2.2.txt")
    assert seconds == [float(t) for t in range(902, 1799)]
