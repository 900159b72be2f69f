"""The jobs that targets still need, as JSON lines on standard output: a dry run for programs.

    python workflow/jobs.py results/playhouse_val.csv [--configfile FILE] [any option of snakemake]

Each line is one job: its rule with its wildcards, the command that it runs, its input and output
files, threads, and the resources that it asks for. What is finished has no job. What is known only
when a checkpoint has run stands as <TBD>. Errors go to standard error; the exit status is
Snakemake's.
"""

import contextlib
import io
import json
import re
import sys
from logging import ERROR, LogRecord
from pathlib import Path

from snakemake.cli import main
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.registry import LoggerPluginRegistry


class LogHandler(LogHandlerBase):
    """A line of JSON for each planned job with a command, and each checkpoint; errors."""

    said = False  # any error

    def emit(self, record: LogRecord) -> None:
        """Print what this record says."""
        if record.levelno >= ERROR:
            LogHandler.said = True
            print(plain(record.getMessage()), file=sys.__stderr__)
        if getattr(record, "event", None) != LogEvent.JOB_INFO:
            return
        if not record.shellcmd and not record.is_checkpoint:
            return
        job = {
            "rule": record.rule_name,
            "wildcards": dict(record.wildcards),
            "command": record.shellcmd or "",
            "input": [str(file) for file in record.input],
            "output": [str(file) for file in record.output],
            "threads": record.threads,
            "checkpoint": record.is_checkpoint,
            "resources": {
                name: value
                for name, value in record.resources.items()
                if isinstance(value, int) and not name.startswith("_")
            },
        }
        print(json.dumps(job))

    writes_to_stream = True  # so that Snakemake's own handler does not
    writes_to_file = False
    has_filter = True
    has_formatter = True
    needs_rulegraph = False


def plain(message: str) -> str:
    """What an error says, without where in the rules it was met."""
    message = message.rpartition("WorkflowError:\n")[2]
    return re.split(r"\nWildcards:|\nTraceback:|\(rule .*, line \d+", message)[0].strip()


def plan(arguments: list[str]) -> None:
    """Print the jobs that a call of snakemake with these arguments would run."""
    LoggerPluginRegistry().register_plugin("snakemake_logger_plugin_jobs", sys.modules[__name__])
    snakefile = Path(__file__).resolve().parents[1] / "Snakefile"
    fixed = ("--snakefile", str(snakefile), "--dry-run", "--nolock", "--logger", "jobs")
    remarks = io.StringIO()  # such as which profile is used: of no interest unless it ends badly
    try:
        with contextlib.redirect_stderr(remarks):
            main([*arguments, *fixed])
    except SystemExit as end:
        if end.code and not LogHandler.said:
            print(remarks.getvalue(), file=sys.stderr)
        raise


if __name__ == "__main__":
    plan(sys.argv[1:])
