"""The account of planned jobs: arithmetic by hand, real plans, and what stops it."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from aia.budget.account import account_lines, account_of
from aia.budget.jobs import Job, known_jobs, needed_jobs, options_of, read_jobs
from aia.budget.networks import CLASSES, network_cost
from aia.budget.rates import packaged_rates, read_rates, write_rates
from aia.cli import _parser, main
from aia.config import parse_run, read_yaml, run_settings
from aia.errors import InputError
from aia.run import Run
from tests.conftest import REPOSITORY

CONFIG = read_yaml(REPOSITORY / "config.yaml")
SIMPLE = {
    "job.overhead": 0.5, "job.frames": 0.25, "job.torch": 4.5,
    "film.seconds": 10, "film.fps": 20, "film.height": 30, "film.width": 40,
    "decode": 0.06, "encode.jpeg": 0.005, "bytes.jpeg90": 2, "load.jpeg": 7, "step.cpu": 0.125,
    "train.cpu": 3, "score.cpu": 2, "film.key_frames": 11, "film.persons": 2,
    "gpu.bfloat16": 10, "gpu.share.train": 0.5,
}  # fmt: skip
parse = _parser().parse_args


def rates_of(tmp_path, given):
    file = tmp_path / "rates.yaml"
    file.write_text(json.dumps(given))
    base = packaged_rates()
    return base.with_other(read_rates(file, base))


def run_of(name: str) -> Run:
    return Run.from_settings(parse_run(name), CONFIG, classes=CLASSES)


def frames_job(video, **settings):
    frames = {"fps": 5, "short_side": 15, "codec": "jpeg", "quality": 90} | settings
    return Job(
        rule="store",
        command=f"aia frames films/{video}.mp4 --output f/{video}.h5 "
        f"--settings '{json.dumps({'frames': frames})}'",
        output=(f"f/{video}.h5",),
        mem_mb=2000,
    )


def train_job(name, *, steps=3, batch=2, threads=2, **train):
    raw = run_settings(CONFIG, parse_run(name))
    change = {"steps": steps, "batch": batch, "validate_every": None, "workers": 0, **train}
    raw["train"] = raw["train"] | change
    return Job(
        rule="train",
        command=f"aia train --run {name} --frames f/a.h5 --annotations no.csv --labels no.pbtxt "
        f"--work w --output-dir out --settings '{json.dumps(raw)}'",
        input=("f/a.h5",),
        output=("out/model.safetensors",),
        threads=threads,
    )


def test_nothing_planned_costs_nothing():
    found = account_of([], parse=parse, rates=packaged_rates(), cores=2, gpus=0)
    assert account_lines(["a.csv"], found) == ["a.csv: nothing to be done"]


def test_a_frame_store_takes_what_is_decoded_and_what_is_packed(tmp_path):
    rates = rates_of(tmp_path, SIMPLE)
    jobs = [frames_job("a"), frames_job("b")]
    found = account_of(jobs, parse=parse, rates=rates, cores=1, gpus=0)
    # 200 frames of 30x40 are 0.24 Mpixel, 4 s; 50 of 15x20 are 0.015 Mpixel, 3 s; the start 0.75 s
    assert found.plan.chain_sec == pytest.approx(7.75)
    assert found.plan.wall_sec == pytest.approx(2 * 7.75)
    row = found.rows[-1]
    assert row.jobs == 2
    assert row.core_hours == pytest.approx(2 * 7.75 / 3600)
    assert row.disk_gb == pytest.approx(2 * 2 * 15000 / 1e9)
    assert (row.asked_gb, row.gpu_hours) == (2.0, 0)
    assert len(found.notes) == 1  # that the films are taken as AVA's
    assert {"decode", "encode.jpeg", "film.seconds"} <= found.rates.keys()
    assert "encode.h264" not in found.rates  # which was not needed


def test_training_takes_three_passes_of_each_clip_and_waits_for_its_frames(tmp_path):
    name = "slowfast_r50_4x16-serial-PM-amu-s0"
    jobs = [train_job(name), frames_job("a")]
    assert needed_jobs(jobs) == [{1}, set()]
    rates = rates_of(tmp_path, SIMPLE)
    found = account_of(jobs, parse=parse, rates=rates, cores=4, gpus=0)
    cost = network_cost(run_of(name), (15, 20))
    flops = 3 * 3 * 2 * (cost.backbone_flops + cost.head_flops)
    loading = 3 * 2 * (32 + 4) * 300 / 7e6
    training = 0.5 + 4.5 + 3 * 0.125 + flops / 3e9 / 2 + loading
    assert found.plan.wall_sec == pytest.approx(7.75 + training)
    assert found.chain == ["store", "train"]
    row = {row.rule: row for row in found.rows}["train"]
    places, remembered = 11 * 1, 11 * 1  # one person of each second is remembered
    pool = 4 * 2304 * remembered
    weights, learned = 4 * cost.parameters, 4 * cost.trained_parameters
    checkpoint = weights + learned  # a network and its momentum
    assert row.disk_gb == pytest.approx((2 * checkpoint + 2 * pool + weights) / 1e9)
    computing = checkpoint + learned + 2 * cost.saved_bytes + 4 * 2304 * places
    assert row.memory_gb == pytest.approx(packaged_rates()["memory.torch"] + computing / 1e9)


def test_a_jobs_cpus_for_workers_do_not_make_the_arithmetic_faster(tmp_path):
    rates = rates_of(tmp_path, SIMPLE)
    jobs = [frames_job("a"), train_job("slowfast_r50_4x16-none-s0", threads=2)]
    asks = replace(jobs[1], threads=6, command=f"{jobs[1].command} --threads 2")
    alike, more = (
        account_of([jobs[0], job], parse=parse, rates=rates, cores=8, gpus=0)
        for job in (jobs[1], asks)
    )
    assert more.plan.wall_sec == alike.plan.wall_sec


def test_on_a_gpu_training_holds_it_while_clips_are_loaded(tmp_path):
    name = "slowfast_r50_4x16-none-s0"
    jobs = [frames_job("a"), train_job(name, steps=700, workers=2)]
    found = account_of(jobs, parse=parse, rates=rates_of(tmp_path, SIMPLE), cores=4, gpus=1)
    cost = network_cost(run_of(name), (15, 20))
    computing = 3 * 700 * 2 * (cost.backbone_flops + cost.head_flops) / (10e12 * 0.5)
    loading = 700 * 2 * (32 + 4) * 300 / 7e6
    row = {row.rule: row for row in found.rows}["train"]
    assert row.gpu_hours * 3600 == pytest.approx(5.0 + max(computing, loading / 2))
    assert row.core_hours * 3600 == pytest.approx(5.0 + loading)
    assert row.gpu_memory_gb > 0


def test_several_processes_share_the_computing_and_hold_a_gpu_each(tmp_path):
    name = "slowfast_r50_4x16-serial-PM-amu-s0"
    recipe = {"steps": 7000, "batch": 8, "workers": 2}
    rates = rates_of(tmp_path, SIMPLE | {"step.gpu": 0.001, "share.several": 0.8, "load.jpeg": 1e6})

    def row_of(gpus, **train):
        jobs = [frames_job("a"), train_job(name, **recipe, **train)]
        found = account_of(jobs, parse=parse, rates=rates, cores=8, gpus=gpus)
        return {row.rule: row for row in found.rows}["train"], found

    (one, _), (four, account) = row_of(4), row_of(4, processes=4)
    start = 5.0 + 7  # a start, and what a step takes beside the operations
    computing = one.gpu_hours * 3600 - start
    assert four.gpu_hours * 3600 == pytest.approx(4 * (start + computing / 4 / 0.8))
    assert account.plan.wall_sec == pytest.approx(7.75 + start + computing / 4 / 0.8)
    assert four.disk_gb == one.disk_gb
    pool = 4 * 2304 * 11 * 1 / 1e9  # on the host, once
    process = packaged_rates()["memory.torch"] + 2 * packaged_rates()["memory.small"]
    assert one.memory_gb == pytest.approx(process)
    assert four.memory_gb == pytest.approx(4 * process + pool)
    assert four.gpu_memory_gb < one.gpu_memory_gb
    assert not [note for note in account.notes if "GPUs" in note]
    two, _ = row_of(8, processes=4, nodes=2)
    assert two.memory_gb == four.memory_gb, "of one node"
    assert two.gpu_hours * 3600 == pytest.approx(8 * (start + computing / 8 / 0.8))
    note = row_of(2, processes=4)[1].notes[0]
    assert note.startswith("train is for 4 GPUs at once")
    assert "there are 2" in note


def test_what_starts_a_command_on_each_node_is_no_part_of_it():
    job = train_job("slowfast_r50_4x16-none-s0")
    srun = "srun --ntasks=2 --ntasks-per-node=1 --cpu-bind=none --kill-on-bad-exit=1"
    command = f"{srun} {job.command} --nodes 2"
    options = options_of(replace(job, command=command), parse)
    assert (options.name, options.nodes) == ("slowfast_r50_4x16-none-s0", 2)


def test_what_waits_for_a_checkpoint_is_left_out_with_all_that_is_made_from_it():
    fetched = Job(rule="fetched", command="", output=("all.done",), checkpoint=True)
    frames = frames_job("a")
    train = replace(train_job("slowfast_r50_4x16-none-s0"), input=("<TBD>",))
    said = replace(train, input=("all.done",), command="aia train <TBD>", output=("other",))
    score = Job(rule="score", command="aia x", input=train.output, output=("scores",))
    jobs = [score, train, said, fetched, frames]
    assert known_jobs([]) == []
    assert known_jobs(jobs) == [fetched, frames]


def test_operations_are_those_that_others_counted():
    """SlowFast at 256x340 in the authors' form: 137.9 and 412 GFLOP a clip, counted on theirs."""
    for name, gflops in (("slowfast_r50_4x16", 137.9), ("slowfast_r101_8x8", 412.0)):
        cost = network_cost(run_of(f"{name}-none-s0-released"), (256, 340))
        assert cost.backbone_flops / 1e9 == pytest.approx(gflops, rel=1e-3)


def test_every_backbone_and_structure_can_be_counted():
    names = [f"{backbone}-none-s0" for backbone in CONFIG["backbones"]]
    structures = ("nl", "lfb-MM-frozen", "dense-POMPOM-amu", "parallel-PO-none")
    names += [f"slowfast_tiny-{structure}-s0" for structure in structures]
    for name in names:
        cost = network_cost(run_of(name), (224, 224))
        assert cost.backbone_flops > 0, name
        assert cost.head_flops > 0, name
        assert cost.saved_bytes > 0, name


def test_a_scored_model_that_nothing_makes_is_a_clear_error(tmp_path):
    job = Job(
        rule="score",
        command=f"aia score --model {tmp_path}/model.safetensors --frames f/a.h5 "
        "--annotations no.csv --labels no.pbtxt --output s.parquet --settings "
        f"'{json.dumps({'score': CONFIG['score']})}'",
    )
    with pytest.raises(InputError, match="no planned job trains it"):
        account_of([frames_job("a"), job], parse=parse, rates=packaged_rates(), cores=1, gpus=0)


def test_jobs_that_are_no_jobs_are_told_by_their_line():
    with pytest.raises(InputError, match="plan, line 2: not a job"):
        read_jobs(['{"rule": "a", "command": "b", "input": [], "output": []}', "{}"], source="plan")


# --- rates ---


def test_a_rate_of_ones_own_takes_the_place_of_the_packaged_one(tmp_path):
    slow = rates_of(
        tmp_path, {"decode": 1.5, "train.cpu.c2d_r50_8x8": {"value": 7, "source": "me"}}
    )
    assert slow["decode"] == 1.5
    assert slow.used["decode"].source.startswith("given in")
    assert slow.used["decode"].unit == "Mpixel/s a core"
    assert slow["train.cpu.c2d_r50_8x8"] == 7
    write_rates(tmp_path / "again.yaml", slow.used)
    assert read_rates(tmp_path / "again.yaml", packaged_rates()) == slow.used


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"decod": 3}, "decod is not a rate, did you mean decode?"),
        ({"decode": 0}, "decode = 0, expected a number above 0"),
        ({"decode": "fast"}, "expected a number above 0"),
    ],
)
def test_a_wrong_rate_is_named(tmp_path, given, said):
    with pytest.raises(InputError) as error:
        rates_of(tmp_path, given)
    assert said in str(error.value)


def test_every_packaged_rate_has_a_unit_and_says_where_it_is_from():
    for name, rate in packaged_rates().known.items():
        assert rate.unit, name
        assert any(word in rate.source for word in ("measured", "assumed", "counted", "AVA",
                                                    "docs/", "fitted", "by the load"))  # fmt: skip


# --- real plans ---


def test_the_account_of_a_real_target_follows_from_its_jobs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["budget", "results/small_val.csv", "--cores", "2"]) == 0
    said = capsys.readouterr().out
    rows = {line.split()[0]: line.split()[1] for line in said.splitlines() if line[:1].isalpha()}
    assert rows["store_frames"] == "5"
    assert rows["train"] == "3"
    assert rows["all"] == "22"
    assert "longest chain: draw_playhouse > store_frames > train > train" in said
    assert "train.cpu.slowfast_tiny" in said
    assert not (tmp_path / "results").exists()
    slow = tmp_path / "slow.yaml"
    slow.write_text("train.cpu.slowfast_tiny: 1.0e-3\n")
    assert main(["budget", "results/small_val.csv", "--rates", str(slow), "--gpus", "0"]) == 0
    slower = capsys.readouterr().out
    assert "given in" in slower
    assert ":" in slower.splitlines()[0].rpartition("about")[2]
    hours = {line.split()[0]: line.split()[2] for line in slower.splitlines() if "_" in line[:20]}
    # 2 x 12 + 10 steps of 4 clips of 0.26 GFLOP, at 0.001 GFLOP/s: 10 hours and more
    train = next(line for line in slower.splitlines() if line.startswith("train "))
    assert 8 < float(train.split()[2]) < 12
    assert hours["store_frames"] == "<0.01"


def test_before_anything_is_fetched_the_account_ends_with_a_note(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["budget", "results/ava_v22_val.csv", "--gpus", "8", "--cores", "128"]) == 0
    said = capsys.readouterr().out
    rows = {line.split()[0] for line in said.splitlines() if line[:1].isalpha()}
    assert {"fetch_ava_annotations", "annotations_fetched"} <= rows
    assert "train" not in rows
    assert "this account ends there; make results/fetched/ava_v2.2.done first" in said


def test_a_run_of_several_gpus_is_counted_with_all_of_them(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    train = {"init": "scratch", "processes": 4, "device": "cuda"}
    Path("several.json").write_text(json.dumps({"train": train}))
    target = "results/small/runs/slowfast_tiny-none-s0/model.safetensors"
    for options, gpus in (((), 4), (("--gpus", "8"), 4), (("--gpus", "2"), 2)):
        main(["budget", target, "--cores", "9", "--configfile", "several.json", *options])
        found = capsys.readouterr().out
        asked = packaged_rates()["memory.torch"] * gpus
        (row,) = (line for line in found.splitlines() if line.startswith("train "))
        assert float(re.findall(r"([\d.]+) GB", row)[0]) == pytest.approx(asked, rel=0.05)


def test_what_is_finished_costs_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    target = "results/small/annotations/train.csv"
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile")]
    subprocess.run([*command, target, "--cores", "1"], check=True, capture_output=True)
    assert main(["budget", target]) == 0
    assert "nothing to be done" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("target", "said"),
    [("results/smal_val.csv", "'smal' has no settings"), ("nothing.csv", "No rule to produce")],
)
def test_a_target_that_nothing_makes_ends_with_2(tmp_path, monkeypatch, capsys, target, said):
    monkeypatch.chdir(tmp_path)
    assert main(["budget", target]) == 2
    found = capsys.readouterr()
    assert said in found.err
    assert found.out == ""
    assert "Traceback" not in found.err


def test_a_folder_without_the_workflow_is_named(tmp_path, capsys):
    assert main(["budget", "a.csv", "--workflow", str(tmp_path)]) == 2
    assert "there is no such planner of jobs" in capsys.readouterr().err
    assert main(["budget", "a.csv", "--cores", "0"]) == 2


@pytest.mark.slow
def test_rates_are_measured_on_this_machine(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    options = ("--measure", "--output-rates", "mine.yaml")
    assert main(["budget", "results/small_val.csv", *options]) == 0
    assert "measured here" in capsys.readouterr().out
    found = read_rates(Path("mine.yaml"), packaged_rates())
    names = {name.replace(".gpu.", ".cpu.") for name in found}
    assert {"decode", "encode.jpeg", "load.jpeg", "train.cpu.slowfast_tiny",
            "score.cpu.slowfast_tiny", "detect.cpu.small"} == names  # fmt: skip
    shutil.rmtree(tmp_path / ".snakemake", ignore_errors=True)
