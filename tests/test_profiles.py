"""The profile for Slurm against what it repeats: lines of the default one, the rules' resources."""

import re
from typing import Any

import yaml

from tests.conftest import REPOSITORY

RULES = "\n".join(path.read_text() for path in (REPOSITORY / "workflow" / "rules").glob("*.smk"))


def profile(name: str) -> dict[str, Any]:
    return yaml.safe_load((REPOSITORY / "profiles" / name / "profile.v9+.yaml").read_text())


def rule(name: str) -> str:
    """A rule's text."""
    (text,) = re.findall(rf"^rule {name}:\n((?:    .*\n|\n)+)", RULES, flags=re.MULTILINE)
    return text


def test_what_starts_a_job_anew_is_the_same_in_both_profiles() -> None:
    default, slurm = profile("default"), profile("slurm")
    for key in ("rerun-triggers", "rerun-incomplete"):
        assert slurm[key] == default[key]
    (downloads,) = (limit for limit in default["resources"] if limit.startswith("downloads="))
    assert downloads in slurm["resources"]
    assert not any(limit.startswith("gpu=") for limit in slurm["resources"])  # of all jobs at once


def test_a_first_attempt_asks_for_what_the_rule_says() -> None:
    for name, given in profile("slurm")["set-resources"].items():
        text = rule(name)
        for resource, value in given.items():
            if resource == "turn":
                continue
            assert f"{resource}={eval(value, {'attempt': 1})}," in text, (name, resource)
            assert eval(value, {"attempt": 3}) == 3 * eval(value, {"attempt": 1})


def test_rules_that_are_grouped_have_a_group_each_and_take_turns_at_a_gpu() -> None:
    slurm = profile("slurm")
    groups = dict(entry.split("=") for entry in slurm["groups"])
    assert len(set(groups.values())) == len(groups)
    assert {entry.split("=")[0] for entry in slurm["group-components"]} == set(groups.values())
    for name in groups:
        in_turn = slurm["set-resources"].get(name, {}).get("turn")
        assert (in_turn == 1) == ("gpu=" in rule(name)), name


def test_the_example_of_many_retries_stays_below_a_day() -> None:
    page = (REPOSITORY / "docs" / "clusters.md").read_text()
    (text,) = re.findall(r"^```yaml\n(retries: 20\n.*?)^```", page, flags=re.MULTILINE | re.DOTALL)
    example, slurm = yaml.safe_load(text), profile("slurm")
    groups = dict(entry.split("=") for entry in slurm["groups"])
    films = dict(entry.split("=") for entry in slurm["group-components"])
    assert example["set-resources"].keys() == slurm["set-resources"].keys() | {"train"}
    for name, given in example["set-resources"].items():
        times = int(films[groups[name]]) if "turn" in given else 1
        hours = [times * eval(str(given["runtime"]), {"attempt": n}) / 60 for n in (1, 20)]
        assert max(hours) <= 24, name
        if name != "train":
            own = slurm["set-resources"][name]
            assert given.keys() == own.keys()
            assert hours[0] == times * eval(own["runtime"], {"attempt": 1}) / 60
