"""What jobs ask of a machine."""

from pathlib import Path
from typing import Any

from aia.config import Settings
from aia.plan import Project, resources
from tests.conftest import REPOSITORY


def settings(**train: Any) -> Settings:
    return Project([Path(REPOSITORY)], overlays={"train": train}).data("small").settings


def test_a_retry_gets_half_more_memory_and_never_more_than_twice() -> None:
    memory = [resources.training_memory_mb(settings(), attempt) for attempt in (1, 2, 3, 4)]
    assert memory == [16000, 24000, 32000, 32000]


def test_workers_have_threads_of_their_own() -> None:
    chosen = settings(threads=2, processes=3, workers=5)
    wanted = {"train": 3 + 3 * 5, "score_detected": 2, "measure_reach": 2, "draw_playhouse": 8}
    assert {rule: resources.threads(rule, chosen) for rule in wanted} == wanted
    assert resources.threads("detect_boxes", chosen) == 1
