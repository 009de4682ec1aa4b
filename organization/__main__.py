"""Run the command without installing it: `python -m organization report`."""

import sys

from organization.cli import main

if __name__ == "__main__":
    sys.exit(main())
