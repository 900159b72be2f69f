"""Why jobs failed, in their own words: said last, after Snakemake's."""

import re
import signal
from collections.abc import Iterable
from pathlib import Path

_FAILED = re.compile(  # a local job with its command, and one of a cluster
    r"Command '[^\n]*? (?:--log|2>) (?P<log>\S+?)'? [^\n]*?"
    r"(?:died with <Signals\.(?P<signal>\w+)|returned non-zero exit status (?P<status>\d+))"
    r"|^ +log: (?P<cluster>\S+) \(check log file"
, re.M)  # fmt: skip


def causes(snakemake_logs: Iterable[str | Path]) -> list[str]:
    """Return what each failed job said last, from the logs of a call of Snakemake."""
    said = "".join(
        Path(log).read_text(encoding="utf-8", errors="replace") for log in snakemake_logs
    )
    found: dict[str, str] = {}
    for match in _FAILED.finditer(said):
        path, code = match["log"] or match["cluster"], int(match["status"] or 0) - 128
        killed = signal.Signals(code).name if 0 < code < signal.NSIG else match["signal"]
        found[path] = _last_error(Path(path), killed)
    return [f"{path}: {cause}" for path, cause in found.items()]


def _last_error(path: Path, killed: str | None) -> str:
    """Return the last error in a job's log, with all its lines."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    begins = [number for number, line in enumerate(lines) if line.startswith("error: ")]
    if killed:
        memory = " (was its memory too little?)" if killed == "SIGKILL" else ""
        return f"ended by {killed}{memory}; the same command resumes"
    if not begins:
        return lines[-1] if lines else "said nothing"
    return "\n".join(lines[begins[-1] :])
