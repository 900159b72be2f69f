"""How many broken inputs there are."""

import importlib

MODULES = ("films", "parquet", "csv", "other_annotations", "checkpoints", "settings", "archives")


def test_there_are_at_least_40_each_with_a_name_of_its_own() -> None:
    tables = [importlib.import_module(f"tests.broken.test_{name}").CASES for name in MODULES]
    names = [case.name for cases in tables for case in cases]
    assert len(names) >= 40
    assert len(set(names)) == len(names)
