"""`python -m wayfind` is `wayfind`."""

import sys

from wayfind.serve.cli import main

if __name__ == "__main__":
    sys.exit(main())
