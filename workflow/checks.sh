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
step pytest "$@"
