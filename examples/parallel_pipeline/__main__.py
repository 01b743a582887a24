"""``python -m parallel_pipeline``."""

import sys

from .command import main

sys.exit(main())
