# What `./run test` runs: style, workflow, layers, types, tests. Arguments go to pytest.
set -euo pipefail

step() {
    echo "--- $*" >&2
    "$@"
}
step ruff check
step ruff format --check
step snakefmt --check --compact-diff Snakefile workflow
step snakemake --lint
step lint-imports
step mypy
export NO_MKDOCS_2_WARNING=1
# Without --quiet, which hides warnings from --strict, too.
step mkdocs build --strict --config-file docs/site/mkdocs.yml
# A file's tests stay together, since they share what they have made; one core for each of them. The
# order of files is that of tests/conftest.py, not by their number of tests.
export OMP_NUM_THREADS=1
step pytest --numprocesses auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder "$@"
