"""The account of a target: arithmetic by hand on small plans, AVA's size, and what stops it."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from aia.budget.account import Account, Row, account_lines, account_of
from aia.budget.estimate import BENCHMARKS
from aia.budget.facts import Clips, Facts, counted_clips
from aia.budget.networks import NetworkCost, network_cost
from aia.budget.rates import Rates
from aia.budget.work import CLASSES
from aia.cli import main
from aia.config import parse_run, read_yaml
from aia.plan import Project
from aia.plan.publishers import ava_tables
from aia.run import Run
from tests.conftest import REPOSITORY

CONFIG = read_yaml(REPOSITORY / "config.yaml")
FOLDERS = (Path("."), REPOSITORY)
BOX = "0.1,0.1,0.5,0.9"
SIMPLE = {
    "job.overhead": 0.5, "job.frames": 0.25, "job.small": 1.5, "job.torch": 4.5,
    "video.seconds": 10, "video.fps": 20, "video.height": 32, "video.width": 64,
    "decode": 0.1024, "encode.jpeg": 0.0256, "bytes.jpeg90": 2, "load.jpeg": 7,
    "step.cpu": 0.125, "train.cpu": 3, "gpu.bfloat16": 10, "gpu.share.train": 0.5,
    "share.several": 0.8, "step.gpu": 0.01,
}  # fmt: skip
RUN = "slowfast_r50_4x16-serial-PM-amu-s0"
MODEL = f"results/own/runs/{RUN}/model.safetensors"


@pytest.fixture(autouse=True)
def _own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a data set of two videos a split, with 20 key frames to train on, and rates by hand."""
    monkeypatch.chdir(tmp_path)
    rows = [f"{v},{t},{BOX},1,0\n{v},{t},0.5,0.1,0.9,0.9,1,1\n" for v in "ab" for t in range(1, 11)]
    Path("train.csv").write_text("".join(rows))
    Path("val.csv").write_text(f"c,1,{BOX},1,0\nd,5,{BOX},1,0\n")
    Path("actions.pbtxt").write_text('label { name: "walk" label_id: 1 }')
    for video in "abcd":
        Path(f"{video}.mp4").touch()
    own = {
        "dataset": "own",
        "results": {"runs": ["slowfast_tiny-none", "slowfast_tiny-serial-POMPOM-amu"]},
        "videos_per_job": 1,
        "data": {
            "films": "{video}.mp4",
            "labels": "actions.pbtxt",
            "annotations": {"train": "train.csv", "val": "val.csv"},
            "excluded": {"train": None, "val": None},
            "objects": {"train": None, "val": None},
        },
        "frames": {"fps": 5, "short_side": 16},
        "train": {"init": "scratch", "steps": 3, "batch": 2, "validate_every": None},
    }
    Path("config").mkdir()
    Path("config/own.yaml").write_text(json.dumps(own))
    Path("simple.yaml").write_text(json.dumps(SIMPLE))


def account(
    *targets: str, cores: int = 4, gpus: int | None = 0, rates: str = "simple.yaml", **change: Any
) -> Account:
    project = Project(FOLDERS, overlays=change)
    return account_of(project, targets, rates=Rates(rates), cores=cores, gpus=gpus)


def row(found: Account, rule: str) -> Row:
    return {row.rule: row for row in found.rows}[rule]


def cost(name: str = RUN, size_hw: tuple[int, int] = (16, 32)) -> NetworkCost:
    run = Run.from_settings(parse_run(name), CONFIG, classes=CLASSES)
    return network_cost(run, size_hw)


# --- arithmetic ----------------------------------------------------------------------------------


def test_a_frame_store_takes_what_is_decoded_and_what_is_packed() -> None:
    targets = [f"results/own/parts/train.00{number}.frames" for number in (0, 1)]
    found = account(*targets, cores=1)
    # 200 frames of 32x64 are 0.4096 Mpixel: 4 s; 50 of 16x32 are 0.0256 Mpixel: 1 s; starts 0.75 s
    assert found.schedule[:2] == pytest.approx((2 * 5.75, 5.75))
    total = found.rows[-1]
    assert (total.jobs, total.gpu_hours) == (2, 0)
    assert total.core_hours == pytest.approx(2 * 5.75 / 3600)
    assert total.disk_gb == pytest.approx(2 * 2 * 25600 / 1e9)
    assert [note.split(" such as")[0] for note in found.notes] == ["videos"]  # as AVA's
    assert {"decode", "encode.jpeg", "video.seconds"} <= found.rates.keys()
    assert "encode.h264" not in found.rates, "was not needed"


def test_training_takes_three_passes_of_each_clip_and_waits_for_its_frames() -> None:
    found, one = account(MODEL), cost()
    flops = 3 * 3 * 2 * (one.backbone_flops + one.head_flops)
    loading = 3 * 2 * (32 + 4) * 512 / 7e6
    training = 0.5 + 4.5 + 3 * 0.125 + flops / 3e9 + loading
    assert found.chain == ["store_frames", "train"]
    assert found.schedule.wall_sec == pytest.approx(5.75 + training)
    places = remembered = 20  # one of the two persons of each second
    weights, learned = 4 * one.parameters, 4 * one.trained_parameters
    checkpoint = weights + learned  # a network and its momentum
    pool = 4 * one.d * remembered
    train = row(found, "train")
    assert train.disk_gb == pytest.approx((2 * checkpoint + 2 * pool + weights) / 1e9)
    computing = checkpoint + learned + 2 * one.saved_bytes + 4 * one.d * places
    assert train.memory_gb == pytest.approx(1.1 + computing / 1e9)
    assert row(found, "all").jobs == len(found.rows[:-1]) + 1, "two frame stores, one of the rest"


def test_a_jobs_cpus_for_workers_do_not_make_the_arithmetic_faster() -> None:
    alone = row(account(MODEL), "train").core_hours
    several = account(MODEL, train={"workers": 3, "threads": 2}, cores=8)
    assert row(several, "train").core_hours == pytest.approx(alone)
    flops = 3 * 3 * 2 * (cost().backbone_flops + cost().head_flops)
    assert several.schedule.wall_sec == pytest.approx(5.75 + 5.375 + flops / 3e9 / 2)


def test_several_processes_share_the_computing_and_hold_a_gpu_each() -> None:
    recipe = {"steps": 7000, "batch": 8, "workers": 2}
    Path("fast.yaml").write_text(json.dumps(SIMPLE | {"load.jpeg": 1e6}))

    def on(gpus: int, **train: Any) -> tuple[Row, Account]:
        found = account(MODEL, cores=8, gpus=gpus, rates="fast.yaml", train=recipe | train)
        return row(found, "train"), found

    (one, _), (four, found) = on(4), on(4, processes=4)
    computing = 3 * 7000 * 8 * (cost().backbone_flops + cost().head_flops) / 5e12
    assert one.gpu_hours * 3600 == pytest.approx(5.0 + 70 + computing)
    assert four.gpu_hours * 3600 == pytest.approx(4 * (5.0 + 70 + computing / 4 / 0.8))
    assert found.schedule.wall_sec == pytest.approx(5.75 + 75 + computing / 4 / 0.8)
    assert four.disk_gb == one.disk_gb
    pool = 4 * cost().d * 20 / 1e9  # on the host, once
    assert one.memory_gb == pytest.approx(1.1 + 2 * 0.15)
    assert four.memory_gb == pytest.approx(4 * (1.1 + 2 * 0.15) + pool)
    assert four.gpu_memory_gb < one.gpu_memory_gb
    assert not [note for note in found.notes if "GPUs" in note]
    two, _ = on(8, processes=4, nodes=2)
    assert two.memory_gb == four.memory_gb, "is of one node"
    fewer, found = on(2, processes=4)
    assert found.notes[-1].endswith("are for 4 GPUs at once, and there are 2: a run trains on 2")
    assert fewer.gpu_hours * 3600 == pytest.approx(2 * (5.0 + 70 + computing / 2 / 0.8))


def test_without_a_number_of_gpus_a_run_gets_those_that_it_asks_for() -> None:
    found = account(MODEL, gpus=None, train={"processes": 4, "device": "cuda"})
    assert found.gpus == 4
    assert row(found, "train").gpu_hours > 0


def test_operations_are_those_that_others_counted() -> None:
    """SlowFast at 256x340 in the authors' form: 137.9 and 412 GFLOP a clip, counted on theirs."""
    for name, gflops in (("slowfast_r50_4x16", 137.9), ("slowfast_r101_8x8", 412.0)):
        run = parse_run(f"{name}-none-s0-released")
        found = network_cost(Run.from_settings(run, CONFIG, classes=CLASSES), (256, 340))
        assert found.backbone_flops / 1e9 == pytest.approx(gflops, rel=1e-3)


@pytest.mark.parametrize(
    "run",
    [f"{backbone}-none-s0" for backbone in CONFIG["backbones"]]
    + [f"slowfast_tiny-{kind}-s0" for kind in ("nl", "lfb-MM-frozen", "dense-POMPOM-amu",
                                               "parallel-PO-none")],
)  # fmt: skip
def test_every_backbone_and_structure_can_be_counted(run: str) -> None:
    found = network_cost(Run.from_settings(parse_run(run), CONFIG, classes=CLASSES), (224, 224))
    assert min(found.backbone_flops, found.head_flops, found.saved_bytes) > 0


# --- facts ---------------------------------------------------------------------------------------


def test_key_frames_with_a_person_are_counted_and_excluded_seconds_are_not() -> None:
    columns = ["video", "time_sec", "action", "person"]
    rows = pd.DataFrame(
        [("a", 902, 11, 0), ("a", 902, 12, 0), ("a", 902, 11, 1),  # two persons, three labels
         ("a", 905, 11, 0), ("a", 907, 11, 0), ("a", 911, -1, -1), ("b", 1000, 11, 0)],
        columns=columns,
    ).assign(x1=0.1, y1=0.1, x2=0.5, y2=0.9)  # fmt: skip
    assert counted_clips(rows, excluded=set(), clips_per_sec=1) == Clips(4, 5, 6 + 1)
    assert counted_clips(rows, excluded=set(), clips_per_sec=2) == Clips(4, 5, 11 + 1)
    assert counted_clips(rows, excluded={("a", 907)}, clips_per_sec=1) == Clips(3, 4, 4 + 1)


def test_a_videos_own_header_is_read(shared_data: Path) -> None:
    data = Project(FOLDERS).data("own")
    for video in "abcd":
        Path(f"{video}.mp4").unlink()
        Path(f"{video}.mp4").symlink_to((shared_data / "pets09" / "vtest.avi").resolve())
    notes: list[str] = []
    store = Facts(data, Rates(), notes.append).store
    assert (round(store.seconds, 1), store.fps, store.size_hw) == (79.5, 5, (16, 21))
    assert notes == []


def test_a_street_that_is_not_fetched_yet_is_estimated_as_it_will_be(shared_data: Path) -> None:
    expected = {"train": Clips(54, 329, 78), "val": Clips(20, 89, 20)}
    for fetched in (False, True):
        if fetched:
            Path("data").mkdir()
            Path("data/pets09").symlink_to((shared_data / "pets09").resolve())
        notes: list[str] = []
        facts = Facts(Project(FOLDERS).data("pets09"), Rates(), notes.append)
        assert {split: facts.clips(split) for split in expected} == expected
        video = facts.video
        assert (round(video.seconds, 1), video.fps, video.size_hw) == (79.5, 10, (576, 768))
        assert notes == []


# --- rates and benchmarks ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"decod": 3}, "decod is not a rate, did you mean decode?"),
        ({"decode": 0}, "decode = 0, expected a number above 0"),
        ({"decode": "fast"}, "decode = 'fast', expected a number above 0"),
    ],
)
def test_a_wrong_rate_is_named(
    given: dict[str, Any], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("wrong.yaml").write_text(json.dumps(given))
    assert main(["budget", MODEL, "--rates", "wrong.yaml"]) == 2
    assert f"wrong.yaml: {said}" in capsys.readouterr().err


def test_every_shipped_rate_has_a_unit_and_says_where_it_is_from() -> None:
    known = ("measured", "assumed", "counted", "AVA", "docs/", "fitted", "by the load")
    for name, rate in Rates().known.items():
        assert rate.unit, name
        assert any(word in rate.source for word in known), name


def test_a_network_may_have_a_rate_of_its_own() -> None:
    Path("own.yaml").write_text(json.dumps(SIMPLE | {"train.cpu.slowfast_r50_4x16": 6}))
    fast, slow = account(MODEL, rates="own.yaml"), account(MODEL)
    flops = 3 * 3 * 2 * (cost().backbone_flops + cost().head_flops)
    saved = slow.schedule.wall_sec - fast.schedule.wall_sec
    assert saved == pytest.approx(flops / 3e9 - flops / 6e9)
    assert fast.rates["train.cpu.slowfast_r50_4x16"].source == "given in own.yaml"


def benchmark(part: str, seconds: float, memory_mb: float) -> None:
    """Write what Snakemake writes of a finished job that stores frames."""
    for path, text in (
        (f"results/own/parts/{part}.frames", ""),
        (f"logs/own/store_frames/{part}.benchmark.tsv",
         f"s\th:m:s\tmax_rss\tmax_vms\n{seconds}\t0:00:10\t{memory_mb}\t-\n"),
    ):  # fmt: skip
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)


def test_what_finished_jobs_took_comes_before_the_rates() -> None:
    benchmark("train.000", 12.0, 321.0)
    target = "results/own/parts/train.001.frames"
    found = account(target)
    assert found.schedule.wall_sec == pytest.approx(0.5 + 12.0)  # instead of 5.75
    assert found.rows[-1].memory_gb == pytest.approx(0.321)
    assert found.rates["store_frames.own"].value == pytest.approx(12 / 5.25)
    assert account(target, gpus=1).schedule.wall_sec == pytest.approx(5.75), "is another machine"
    Path("results/own/parts/train.000.frames").unlink()  # begins anew
    assert account(target).schedule.wall_sec == pytest.approx(5.75)


def test_a_file_that_is_no_benchmark_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    benchmark("train.000", 0.0, 321.0)
    assert main(["budget", "results/own/parts/train.001.frames"]) == 2
    said = capsys.readouterr().err
    assert "train.000.benchmark.tsv: not a benchmark of Snakemake (s is not above 0)" in said


def test_benchmarks_are_where_the_workflow_writes_them() -> None:
    rules = "".join(path.read_text() for path in (REPOSITORY / "workflow/rules").glob("*.smk"))
    for rule, path in BENCHMARKS.items():
        text = rules.partition(f"rule {rule}:")[2] or rules.partition(f" as {rule} with:")[2]
        assert f'benchmark:\n        "{path}"' in text.partition("\nrule ")[0], rule


# --- targets -------------------------------------------------------------------------------------


def test_own_data_are_counted_before_anything_was_made(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["budget", "results/own_val.csv", "--cores", "2", "--log", "budget.log"]) == 0
    said = capsys.readouterr().out
    rows = {line.split()[0]: line.split()[1] for line in said.splitlines() if line[:1].isalpha()}
    assert (rows["store_frames"], rows["detect_boxes"], rows["train"]) == ("4", "4", "2")
    assert "longest chain: store_frames > " in said
    assert not Path("results").exists()
    Path("slow.yaml").write_text("train.cpu.slowfast_tiny: 1.0e-4\n")
    main(["budget", "results/own_val.csv", "--rates", "slow.yaml", "--gpus", "0"])
    slower = capsys.readouterr().out
    train = next(line for line in slower.splitlines() if line.startswith("train "))
    runs = (cost(f"slowfast_tiny-{kind}-s0", (16, 28)) for kind in ("none", "serial-POMPOM-amu"))
    flops = 3 * 3 * 2 * sum(one.backbone_flops + one.head_flops for one in runs)
    assert float(train.split()[2]) == pytest.approx(flops / 1e5 / 3600, abs=0.01)
    assert "given in slow.yaml" in slower


def test_a_target_that_is_there_needs_nothing() -> None:
    Path("done.csv").touch()
    assert account_lines(["done.csv"], account("done.csv")) == ["done.csv: nothing to be done"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["results/smal_val.csv"], "'smal' has no settings"),
        (["nothing.csv"], "nothing.csv: there is no such file, and no rule makes it"),
        (["a.csv", "--cores", "0"], "expected at least one core"),
        (["a.csv", "--configfile", "no.yaml"], "no.yaml: there is no such file"),
    ],
)
def test_what_cannot_be_planned_ends_with_2(
    options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["budget", *options]) == 2
    found = capsys.readouterr()
    assert said in found.err
    assert found.out == ""
    assert "Traceback" not in found.err


def test_before_anything_is_downloaded_the_account_ends_with_a_note() -> None:
    found = account("results/ava_v22_val.csv", cores=128, gpus=8)
    assert [row.rule for row in found.rows] == ["fetch_ava_annotations", "prepare_data", "all"]
    assert "account ends there; make results/fetched/ava_v2.2.done first" in found.notes[0]


def test_avas_account_is_of_its_known_size() -> None:
    """docs/costs.md: 157 GB of videos, 36 GB of frame stores of train and val; Ω of 6.2 GB."""
    for path in ava_tables("2.2"):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).touch()
    ids = {"train": range(235), "val": range(235, 299), "test": range(299, 430)}
    for split in ("train", "val"):
        lines = [f"v{n},{t},{BOX},12,0\n" for n in ids[split] for t in range(902, 1799)]
        Path(f"data/ava/v2.2/ava_{split}_v2.2.csv").write_text("".join(lines))
    labels = 'label { name: "walk" label_id: 12 }'
    for end in ("", "_evaluated"):
        Path(f"data/ava/v2.2/ava_action_list_v2.2{end}.pbtxt").write_text(labels)
    for name, splits in (("trainval", ("train", "val")), ("test", ("test",))):
        films = "".join(f"v{n}.mkv\n" for split in splits for n in ids[split])
        Path(f"data/ava/v2.2/ava_file_names_{name}_v2.1.txt").write_text(films)
    for backbone in ("slowfast_r50_4x16", "slowfast_r101_8x8"):
        Path("data/backbones").mkdir(exist_ok=True)
        Path(f"data/backbones/{backbone}.safetensors").touch()
    target = "results/ava_v22_val.csv"
    project = Project(FOLDERS)
    found = account_of(project, [target], rates=Rates(), cores=128, gpus=8)
    assert (row(found, "store_frames").jobs, row(found, "train").jobs) == (55, 3)
    assert len(found.downloads) == 431  # and the detector
    assert sum(found.downloads) / 1e9 == pytest.approx(157, abs=1)
    assert row(found, "store_frames").disk_gb == pytest.approx(36 * 430 / 299, rel=0.02)
    # three runs of 110,000 steps of 16 clips; 195 clips/s of R50 is what rates.yaml assumes
    assert 20 < row(found, "train").gpu_hours < 30
    assert 11 < found.schedule.wall_sec / 3600 < 13
    text = "\n".join(account_lines([target], found))
    assert "> store_frames > detect_boxes > train > " in text
    assert "downloads: 431, 157 GB" in text
