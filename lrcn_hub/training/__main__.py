"""``python -m lrcn_hub.training``: what a launcher of several processes starts."""

import sys

from lrcn_hub.training import main

try:
    sys.exit(main())
except (OSError, ValueError) as error:
    sys.exit(f"error: {error}")
