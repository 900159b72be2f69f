"""The profile for Slurm against what it repeats: lines of the default one, the rules' resources."""

import re
from typing import Any

import yaml

from tests.conftest import REPOSITORY

RULES = "\n".join(path.read_text() for path in (REPOSITORY / "workflow" / "rules").glob("*.smk"))


def profile(name: str) -> dict[str, Any]:
    return yaml.safe_load((REPOSITORY / "profiles" / name / "profile.v9+.yaml").read_text())


def test_what_starts_a_job_anew_is_the_same_in_both_profiles() -> None:
    default, slurm = profile("default"), profile("slurm")
    for key in ("rerun-triggers", "rerun-incomplete"):
        assert slurm[key] == default[key]
    (downloads,) = (limit for limit in default["resources"] if limit.startswith("downloads="))
    assert downloads in slurm["resources"]
    assert not any(limit.startswith("gpu=") for limit in slurm["resources"])  # of all jobs at once


def test_the_profile_for_slurm_leaves_to_the_rules_what_a_job_asks_for() -> None:
    slurm = profile("slurm")
    assert not {"set-resources", "set-threads", "groups", "group-components"} & {*slurm}
    assert set(growing()) == {
        *("store_frames", "detect_boxes", "extract_objects", "finetune_detector"),
        *("score_detected", "score_groundtruth", "score_test"),
    }


def growing() -> dict[str, int]:
    """Minutes of a first attempt of each rule that asks for more time on a retry."""
    found: dict[str, int] = {}
    videos = yaml.safe_load((REPOSITORY / "config.yaml").read_text())["videos_per_job"]
    for name, text in re.findall(r"^rule (\w+):\n((?:    .*\n|\n)+)", RULES, flags=re.MULTILINE):
        for how, minutes in re.findall(r"runtime=(per_\w+)\((\d+)\)", text):
            found[name] = int(minutes) * {"per_video": videos, "per_attempt": 1}[how]
    for name, base in re.findall(r"^use rule (\w+) as (\w+) with:", RULES, flags=re.MULTILINE):
        if name in found:
            found[base] = found[name]
    return found


def test_the_example_of_many_retries_stays_below_a_day() -> None:
    page = (REPOSITORY / "docs" / "clusters.md").read_text()
    (text,) = re.findall(r"^```yaml\n(retries: 20\n.*?)^```", page, flags=re.MULTILINE | re.DOTALL)
    example = yaml.safe_load(text)["set-resources"]
    assert example.keys() == growing().keys() | {"train"}
    for name, given in example.items():
        minutes = [eval(str(given["runtime"]), {"attempt": attempt}) for attempt in (1, 20)]
        assert max(minutes) <= 24 * 60, name
        if name != "train":
            assert minutes[0] == min(growing()[name], 24 * 60), name
