"""`python -m aia` is `aia`."""

import sys

from aia.cli import main

if __name__ == "__main__":
    sys.exit(main())
