"""Which key frames are shown."""

import pandas as pd

from aia.report.choice import Second, by_second, choose_seconds


def actions(*rows: tuple[float, int]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["time_sec", "action"])
    return table.assign(video="a")


def test_every_action_is_shown_before_any_video_is_shown_again(scene) -> None:
    candidates = by_second(scene.actions)
    chosen = choose_seconds(candidates, most=3)
    shown = {action for second in chosen for action in candidates[second]["action"]}
    assert shown == {3, 5, 11}
    assert {second.video for second in chosen} == {"red", "blue-1"}


def test_each_frame_is_a_key_frame_of_its_own_where_every_frame_is_labelled() -> None:
    rows = actions((2.32, 3), (2.36, 5), (2.3600001, 3))
    assert {second.t: len(group) for second, group in by_second(rows).items()} == {2.32: 1, 2.36: 2}


def test_no_more_key_frames_are_chosen_than_there_are() -> None:
    assert choose_seconds(by_second(actions((2.0, 3))), most=5) == [Second("a", 2)]
