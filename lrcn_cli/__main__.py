"""``python -m lrcn_cli`` is ``lrcn``."""

import sys

from lrcn_cli import main

sys.exit(main())
