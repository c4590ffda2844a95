"""`python -m reslab` is the command `reslab`."""

import sys

from reslab.cli import main

if __name__ == "__main__":
    sys.exit(main())
