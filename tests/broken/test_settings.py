"""Settings that are misspelt, of the wrong kind, nonsense, or hostile; and names of runs."""

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.broken.case import Case, written
from tests.broken.conftest import Refuses

FRAMES = "frames good/kitchen.mp4 --output out/film.h5 --settings s.yaml"
COST = "cost --run {} --labels good/labels.pbtxt --output out/cost.csv --settings s.yaml"
TRAIN = (
    "train --run '{}' --frames good/kitchen.h5 --annotations good/actions.csv --labels "
    "good/labels.pbtxt --work out/work --output-dir out --settings good/settings.yaml"
)
RUN = "slowfast_tiny-serial-PM-amu-s0"


def changed(section: str, **values: object) -> Callable[[], None]:
    """The whole settings with some of a section's changed."""

    def make() -> None:
        raw = yaml.safe_load(Path("good/settings.yaml").read_text())
        raw[section] = raw[section] | values
        Path("s.yaml").write_text(yaml.safe_dump(raw))

    return make


def instead(section: str, value: object) -> Callable[[], None]:
    """... with another value as the section; None: without it."""

    def make() -> None:
        raw = yaml.safe_load(Path("good/settings.yaml").read_text())
        raw.pop(section)
        Path("s.yaml").write_text(yaml.safe_dump(raw | ({section: value} if value else {})))

    return make


def text(content: str | bytes) -> Callable[[], None]:
    return written("s.yaml", textwrap.dedent(content) if isinstance(content, str) else content)


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]\n" for k in range(1, 15)
)
CASES = [
    Case("settings that are not there", lambda: None, FRAMES,
         r"s\.yaml: there is no such file of settings"),
    Case("settings that are a folder", lambda: Path("s.yaml").mkdir(), FRAMES,
         r"s\.yaml: cannot be read"),
    Case("settings of no bytes", text(""), FRAMES, r"s\.yaml: expected sections of settings"),
    Case("settings that are a list", text("- frames\n"), FRAMES,
         r"s\.yaml: expected sections of settings, found list"),
    Case("settings that are no text", text(b"\xff\xfe\0\0frames"), FRAMES,
         r"s\.yaml: not readable as YAML"),
    Case("settings with a zero byte", text("frames: {fps: 8\0}\n"), FRAMES,
         r"s\.yaml: not readable as YAML"),
    Case("settings with a tab", text("frames:\n\tfps: 8\n"), FRAMES,
         r"s\.yaml: not readable as YAML: .*line 2"),
    Case("settings with a bracket that is never closed", text("frames: {fps: 8\n"), FRAMES,
         r"s\.yaml: not readable as YAML: .*line"),
    Case("settings that run a program",
         text('frames: !!python/object/apply:os.system ["touch canary"]\n'), FRAMES,
         r"s\.yaml: not readable as YAML: could not determine a constructor for the tag .*os"),
    Case("settings that make an object", text("frames: !!python/object/new:os._exit [7]\n"), FRAMES,
         r"s\.yaml: not readable as YAML: could not determine a constructor"),
    Case("settings that are a bomb of anchors", text(BOMB + "frames: *a14\n"), FRAMES,
         r"settings: frames = \[\[\[.*, expected a section of settings"),
    Case("settings with a bomb of anchors as a value", lambda: (
         changed("frames", fps=7)(),
         Path("s.yaml").write_text(BOMB + Path("s.yaml").read_text().replace("fps: 7", "fps: *a14"))
         ), FRAMES, r"settings: frames\.fps = .* is not a number"),
    Case("settings nested without end", text("frames: " + "[" * 100_000), FRAMES,
         r"s\.yaml: not readable as YAML: it is nested more than 500 deep"),
    Case("settings nested without end by dashes", text("- " * 100_000), FRAMES,
         r"s\.yaml: not readable as YAML: it is nested more than 500 deep"),
    Case("settings that contain themselves", text("frames: &a {fps: *a}\n"), FRAMES,
         r"settings: frames\.\w+ is missing"),
    Case("settings with a day that is none", text("frames: 2026-99-99\n"), FRAMES,
         r"s\.yaml: not readable as YAML: .*month"),
    Case("settings with a word that is called a number", text("frames: !!int many\n"), FRAMES,
         r"s\.yaml: not readable as YAML: .*many"),
    Case("settings with a list as a key", text("frames: {[1, 2]: 3}\n"), FRAMES,
         r"s\.yaml: not readable as YAML: .*unhashable"),
    Case("settings as cut JSON", lambda: None, FRAMES.replace("s.yaml", "'{\"frames\": {'"),
         r"--settings: not a JSON object"),
    Case("settings as JSON nested without end", lambda: None,
         FRAMES.replace("s.yaml", "'" + '{"a":' * 5000 + "'"), r"--settings: not a JSON object"),
    Case("a section that is not there", instead("frames", None), FRAMES,
         r"settings: section frames is missing \(found .*playhouse"),
    Case("a section that is a number", instead("frames", 5), FRAMES,
         r"settings: frames = 5, expected a section of settings"),
    Case("a setting that is misspelt", changed("frames", qualty=90), FRAMES,
         r"settings: frames\.qualty is not a setting, did you mean frames\.quality"),
    Case("a setting that is a word", changed("frames", fps="many"), FRAMES,
         r"settings: frames\.fps = 'many' is not a number"),
    Case("a setting that is not a number", changed("frames", fps=float("nan")), FRAMES,
         r"settings: frames\.fps = nan is not a number"),
    Case("a setting that is infinite", changed("frames", fps=float("inf")), FRAMES,
         r"settings: frames\.fps = inf is not a number"),
    Case("a setting beyond all numbers", changed("frames", fps=10**400), FRAMES,
         r"settings: frames\.fps = 1000.* is not a number"),
    Case("a setting below 0", changed("frames", fps=-8), FRAMES,
         r"settings: frames\.fps = -8\.0 is less than 0\.1"),
    Case("a setting that is true", changed("frames", short_side=True), FRAMES,
         r"settings: frames\.short_side = True is not a whole number"),
    Case("a setting that is none of the words", changed("frames", codec="av1"), FRAMES,
         r"settings: frames\.codec = 'av1', expected one of jpeg, h264"),
    Case("a setting that is a list instead of a word", changed("frames", codec=["jpeg"]), FRAMES,
         r"settings: frames\.codec = \['jpeg'\], expected one of jpeg, h264"),
    Case("pictures larger than all memory", changed("frames", short_side=10**9), FRAMES,
         r"settings: frames\.short_side = 1000000000 is more than"),
    Case("a backbone of no family",
         instead("backbones", {"slowfast_tiny": {"family": ["slowfast"]}}), COST.format(RUN),
         r"settings: backbones.*family = \['slowfast'\], expected one of"),
    Case("a backbone that is a number", instead("backbones", {"slowfast_tiny": 5}),
         COST.format(RUN), r"settings: backbones.*expected"),
    Case("backbones that are a list", instead("backbones", ["slowfast_tiny"]), COST.format(RUN),
         r"settings: backbones = .*expected a mapping"),
    Case("a run without its section", instead("network", None), COST.format(RUN),
         r"settings: section network is missing"),
    Case("a variant that is a word", instead("variants", {"wide": "network"}),
         COST.format(RUN + "-wide"), r"settings: variants\.wide = 'network', expected a mapping"),
    Case("a memory that reaches back", changed("memory", reach=-1), COST.format(RUN),
         r"settings: memory: reach = -1 is less than 0"),
    Case("a setting that was removed", changed("check", fingerprints="f.csv"), FRAMES,
         r"settings: check\.fingerprints is not a setting"),
    Case("a run with a path in its name", lambda: None, TRAIN.format("../../" + RUN),
         r"'\.\./\.\./slowfast_tiny-serial-PM-amu-s0' is not a run: expected BACKBONE"),
    Case("a run with a path as its variant", lambda: None, TRAIN.format(RUN + "-../x"),
         r"'.*' is not a run: expected BACKBONE"),
    Case("a run with a line break in its name", lambda: None, TRAIN.format(RUN + "\n"),
         r"'slowfast_tiny-serial-PM-amu-s0"),
    Case("a run whose seed is beyond all numbers", lambda: None, TRAIN.format(RUN + "9" * 5000),
         r"'slowfast_tiny-serial-PM-amu-s0999.*' is not a run"),
    Case("a run whose seed is in other digits", lambda: None, TRAIN.format(RUN[:-1] + "٣"),
         r"'.*' is not a run"),
    Case("a run without a memory for its block", lambda: None,
         TRAIN.format("slowfast_tiny-serial-PM-none-s0"), r"'.*': an M-Block needs a memory"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_is_refused_by_name_and_nothing_is_written(case: Case, refuses: Refuses) -> None:
    refuses(case)
