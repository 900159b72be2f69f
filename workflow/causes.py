"""Why jobs failed, in their own words: said last, after Snakemake's."""

import re
from collections.abc import Iterable
from pathlib import Path

_FAILED = re.compile(  # a local job with its command, and one of a cluster
    r"Command '(?:[^\n]*?) --log (?P<log>\S+?)'? [^\n]*?died with <Signals\.(?P<signal>\w+)"
    r"|Command '(?:[^\n]*?) --log (?P<said>\S+?)'? [^\n]*?returned non-zero exit status"
    r"|^ +log: (?P<cluster>\S+) \(check log file"
, re.M)  # fmt: skip


def causes(snakemake_logs: Iterable[str | Path]) -> list[str]:
    """Return what each failed job said last, from the logs of a call of Snakemake."""
    said = "".join(
        Path(log).read_text(encoding="utf-8", errors="replace") for log in snakemake_logs
    )
    found: dict[str, str] = {}
    for match in _FAILED.finditer(said):
        path = match["log"] or match["said"] or match["cluster"]
        found[path] = _last_error(Path(path), match["signal"])
    return [f"{path}: {cause}" for path, cause in found.items()]


def _last_error(path: Path, signal: str | None) -> str:
    """Return the last error in a job's log, with all its lines."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    begins = [number for number, line in enumerate(lines) if line.startswith("error: ")]
    if signal:
        memory = " (was its memory too little?)" if signal == "SIGKILL" else ""
        return f"ended by {signal}{memory}; the same command resumes"
    if not begins:
        return lines[-1] if lines else "said nothing"
    return "\n".join(lines[begins[-1] :])
