"""Data sets that have settings, and the jobs that a target needs.

`snakemake -n` gives the same jobs (tests/plan/): the workflow takes its inputs from here.
"""

import difflib
import functools
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from aia.config import read_yaml
from aia.errors import InputError
from aia.plan.contents import Contents
from aia.plan.dataset import DataSet, find_settings, resolved_settings
from aia.plan.recipes import recipe
from aia.plan.rules import CONSTRAINTS, DRAWN_AS, FORM_OF, RULES, Rule, declared
from aia.plan.videos import NotFetchedError

PREPARING = tuple(FORM_OF)
CONTENTS = Path(".snakemake/contents.json")
"""Cache of the digests of files that no rule makes."""


class Job(NamedTuple):
    """Job: a rule with its wildcards, its files and its command."""

    rule: str
    wildcards: Mapping[str, str]
    needs: Mapping[str, Sequence[str]]
    """Files that it waits for, by what they are."""
    makes: tuple[str, ...]
    command: str
    """Command without options of the machine: `aia train --settings … --run …`."""


class Plan(NamedTuple):
    """Jobs of some targets, each after those that it needs."""

    jobs: tuple[Job, ...]
    waits_for: str | None = None
    """Publisher whose tables, once downloaded, name further jobs."""


class Project:
    """Settings of all data sets, and their jobs.

    Args:
        folders: Folders searched for config.yaml and config/: the working folder, the published
            settings' (`aia.config.settings_folder`).
        overlays: Settings of `--configfile` and `--config`, laid over all.
        default: The data set that is meant where none is named; None: that of config.yaml.
        source: Name of the overlays in messages.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        *,
        overlays: Mapping[str, Any] | None = None,
        default: str | None = None,
        source: Sequence[str] = (),
    ) -> None:
        self.folders, self.overlays, self._source = tuple(folders), dict(overlays or {}), source
        base = find_settings("config.yaml", self.folders)
        of_file = read_yaml(base).get("dataset") if base else None
        self.default = str(default or self.overlays.get("dataset") or of_file)
        self._data: dict[str, DataSet] = {}
        self._looked_at: set[str] = set()
        self._makers: dict[str, tuple[Rule, dict[str, str]] | None] = {}
        self.contents = Contents(CONTENTS)

    def raw(self, name: str) -> dict[str, Any]:
        """Return a data set's settings as plain YAML, unchecked."""
        return resolved_settings(
            name, default=self.default, folders=self.folders, overlays=self.overlays
        )

    def data(self, name: str) -> DataSet:
        """Return a data set, its settings checked.

        Raises:
            InputError: It has no settings, or they are wrong.
        """
        if name not in self._data:
            own = f"config/{name}.yaml"
            found = find_settings(own, self.folders)
            files = ["config.yaml", *([own] if found else []), *self._source]
            self._data[name] = DataSet(self.raw(name), source=" + ".join(dict.fromkeys(files)))
        return self._data[name]

    def write_settings(self) -> None:
        """Write the settings of each data set that was asked for, where commands read them."""
        for data in self._data.values():
            data.write_settings()

    @functools.cached_property
    def names(self) -> list[str]:
        """List the data sets that have settings."""
        files = [path for folder in self.folders for path in (folder / "config").glob("*.yaml")]
        return sorted({path.stem for path in files} | {self.default})

    def of_rule(self, rule: str) -> list[str]:
        """Return the data sets that a rule is for, of the rules that are for some alone."""
        if rule in DRAWN_AS:
            return [name for name in self.names if self._drawn_as(name) == DRAWN_AS[rule]]
        return [name for name in self.names if self._form(name) == FORM_OF[rule]]

    def _drawn_as(self, name: str) -> str | None:
        """Return the form in which Playhouse draws a data set; its settings are not checked."""
        return (self.raw(name).get("playhouse") or {}).get("form")

    def _form(self, name: str) -> str:
        """Return how a data set is annotated; its settings are not checked."""
        said = self.raw(name).get("data") or {}
        if said.get("tasks") is not None:
            return "segments"
        return "tubes" if said.get("source") is not None else "boxes"

    # --- jobs -------------------------------------------------------------------------------------

    def job(self, path: str) -> Job | None:
        """Return the job that makes a file; None: no rule does.

        Raises:
            InputError: Its wildcards name something that does not exist or does not fit.
            NotFetchedError: Its inputs are known once a publisher's tables are downloaded.
        """
        made_by = self._maker(path)
        return self._job(*made_by) if made_by else None

    def plan(self, targets: Sequence[str]) -> Plan:
        """Return all jobs of some targets whose files are not there yet, in an order to run them.

        Raises:
            InputError: A target is made by no rule, or its settings or data do not fit.
        """
        made: dict[str, Job] = {}
        jobs: list[Job] = []
        waits: list[str] = []

        def visit(path: str, needed_by: str) -> None:
            if path in made:
                return
            try:
                job = self.job(path)
            except NotFetchedError as missing:
                waits.append(missing.publisher)
                return
            if job is None:
                self._check_source(path, needed_by, self.default)
                return
            if all(map(os.path.exists, job.makes)):
                return
            made.update(dict.fromkeys(job.makes, job))
            for files in job.needs.values():
                for file in files:
                    visit(file, f" ({job.rule} needs it)")
            jobs.append(job)

        for target in targets:
            visit(target, "")
        return Plan(tuple(jobs), waits[0] if waits else None)

    def check(self, targets: Iterable[str]) -> None:
        """Look for the files that no rule makes and that targets need, finished or not.

        A result is not shown if what it was made of is gone: Snakemake forgives what is missing
        below a file that is there. What must be downloaded first is looked for after that.

        Raises:
            InputError: One is missing, or the settings or data do not fit.
        """
        waiting = [(path, "", self.default) for path in targets]
        while waiting:
            path, needed_by, dataset = waiting.pop()
            if path in self._looked_at:
                continue
            self._looked_at.add(path)
            try:
                job = self.job(path)
            except NotFetchedError:
                self._looked_at.discard(path)
                continue
            if job is None:
                self._check_source(path, needed_by, dataset)
                continue
            why, dataset = f" ({job.rule} needs it)", job.wildcards.get("dataset", dataset)
            waiting += [(file, why, dataset) for files in job.needs.values() for file in files]

    def made_by(self, rule: str, wildcards: Mapping[str, str]) -> str:
        """Return the first file that a job makes."""
        return _filled(RULES[rule].makes[0], wildcards)

    def recipe(self, rule: str, wildcards: Mapping[str, str]) -> str:
        """Return what decides on a job's outcome as JSON: settings, and files that no rule makes.

        Files that rules make decide by their dates, since Snakemake makes them anew.
        """
        data = self.data(wildcards.get("dataset", self.default))
        found = recipe(rule, data, wildcards)
        sources = self._sources(rule, data, wildcards)
        if not sources:
            return found
        try:
            contents = {path: self.contents.of(path) for path in sources}
        except OSError as error:
            raise InputError(f"{error.filename}: cannot be read ({error.strerror})") from None
        return json.dumps({**json.loads(found), "contents": contents}, sort_keys=True)

    def _sources(self, rule: str, data: DataSet, wildcards: Mapping[str, str]) -> list[str]:
        needs = declared(RULES[rule].needs(data, wildcards)).values()
        return sorted({path for paths in needs for path in paths if self._maker(path) is None})

    def _check_source(self, path: str, needed_by: str, dataset: str) -> None:
        """Raise an InputError if a file that no rule makes is missing."""
        if os.path.exists(path):
            return
        folder, name = os.path.split(path)
        there = os.listdir(folder or ".") if os.path.isdir(folder or ".") else []
        likely = difflib.get_close_matches(name, there, n=1)
        setting = _setting_of(path, self.raw(dataset))
        raise InputError(
            f"{setting + ': ' if setting else ''}{path}: there is no such file, and no rule makes "
            f"it{needed_by}{f'; did you mean {likely[0]}?' if likely else ''}"
            f"{'' if there else f'; there is no folder {folder}' if folder else ''}"
        )

    def _maker(self, path: str) -> tuple[Rule, dict[str, str]] | None:
        """Return the rule that makes a file, and its wildcards."""
        if path not in self._makers:
            self._makers[path] = next(
                (
                    (rule, found.groupdict())
                    for rule, pattern in self._patterns
                    if (found := pattern.fullmatch(path)) and self._is_for(rule, found.groupdict())
                ),
                None,
            )
        return self._makers[path]

    def _job(self, rule: Rule, wildcards: Mapping[str, str]) -> Job:
        # Rules about no data set are planned with the default one's settings.
        data = self.data(wildcards.get("dataset", self.default))
        words = [rule.command]
        if "dataset" in wildcards and rule.command and rule.takes_settings:
            words.append(f"--settings {data.path('settings.yaml')}")
        return Job(
            rule.name,
            wildcards,
            declared(rule.needs(data, wildcards)),
            tuple(_filled(pattern, wildcards) for pattern in rule.makes),
            _filled(" ".join(words), wildcards),
        )

    def _is_for(self, rule: Rule, wildcards: Mapping[str, str]) -> bool:
        """Return True if a rule is for the data set that its wildcards name."""
        dataset = wildcards.get("dataset")
        if rule.name in DRAWN_AS or rule.name in FORM_OF:
            return dataset in self.of_rule(rule.name)
        if rule.name == "table":
            return not str(dataset).endswith(("_val", "_test"))
        return True

    @functools.cached_property
    def _patterns(self) -> list[tuple[Rule, re.Pattern[str]]]:
        return [(rule, as_pattern(path)) for rule in RULES.values() for path in rule.makes]


def as_pattern(path: str) -> re.Pattern[str]:
    """Turn a path with wildcards into a regular expression with a group for each.

    >>> as_pattern("results/{dataset}/{table}.csv").fullmatch("results/a/table1b.csv")["table"]
    'table1b'
    """
    parts = re.split(r"\{(\w+)\}", path)
    seen: set[str] = set()

    def pieces() -> Iterator[str]:
        for place, part in enumerate(parts):
            if place % 2 == 0:
                yield re.escape(part)
            elif part in seen:
                yield f"(?P={part})"
            else:
                seen.add(part)
                yield f"(?P<{part}>{CONSTRAINTS[part]})"

    return re.compile("".join(pieces()))


def _setting_of(path: str, raw: Any, name: str = "") -> str | None:
    """Return the name of the setting that says a path, such as data.annotations.val."""
    if not isinstance(raw, dict):
        return name if raw == path else None
    inside = (_setting_of(path, raw[key], f"{name}.{key}" if name else str(key)) for key in raw)
    return next(filter(None, inside), None)


def _filled(pattern: str, wildcards: Mapping[str, str]) -> str:
    """Fill in a pattern's wildcards."""
    return re.sub(r"\{(\w+)\}", lambda found: wildcards[found[1]], pattern)
