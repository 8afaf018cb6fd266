"""`python -m wayfind` is `wayfind`."""

from wayfind.serve.cli import main

if __name__ == "__main__":
    main()
