import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from aia.config import overlay, read_yaml
from aia.config.schema import schema

REPOSITORY = Path(__file__).resolve().parents[1]
SETTINGS = [REPOSITORY / "config.yaml", *sorted((REPOSITORY / "config").glob("*.yaml"))]


@pytest.fixture(scope="module")
def shipped() -> dict:
    return json.loads((REPOSITORY / "config" / "schema.json").read_text(encoding="utf-8"))


def test_the_shipped_schema_is_that_of_the_sections(shipped):
    """If not: python -m aia.config.schema > config/schema.json."""
    assert shipped == schema()


def test_every_setting_is_described(shipped):
    sections = {"": shipped, **shipped["$defs"]}
    assert len(sections) > 25
    assert not [
        f"{section}.{name}"
        for section, about in sections.items()
        for name, setting in about["properties"].items()
        if not setting.get("description")
    ]


@pytest.mark.parametrize("path", SETTINGS, ids=lambda path: path.stem)
def test_shipped_settings_fit_the_schema_that_their_first_line_names(path):
    first = path.read_text(encoding="utf-8").splitlines()[0]
    named = path.parent / first.removeprefix("# yaml-language-server: $schema=")
    validator = Draft202012Validator(json.loads(named.read_text(encoding="utf-8")))
    assert [error.message for error in validator.iter_errors(read_yaml(path))] == []


@pytest.mark.parametrize(
    "change",
    [
        {"memry": {}},
        {"memory": {"reech": 3}},
        {"memory": {"reach": "far"}},
        {"train": {"optimizer": "sdg"}},
        {"data": {"test": {"video": "t"}}},
        {"data": {"source": {"format": "epic55", "verb": "v.csv"}}},
        {"backbones": {"slowfast_tiny": {"lateral": {"relu": True}}}},
        {"backbones": {"slowfast_tiny": {"strides": [4, 2, 1]}}},
        {"submissions": {"seed": [0]}},
        {"variants": {"paper": {"train": {"stepz": 7}}}},
    ],
    ids=json.dumps,
)
def test_what_is_misspelt_or_of_another_type_does_not_fit(shipped, change):
    validator = Draft202012Validator(shipped)
    assert not validator.is_valid(change)  # in an overlay
    assert not validator.is_valid(overlay(read_yaml(REPOSITORY / "config.yaml"), change))
