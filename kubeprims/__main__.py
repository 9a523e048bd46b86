"""``python -m kubeprims``."""

import sys

from kubeprims.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
