"""``python -m lrcn_hub.training``: what a launcher of several processes starts."""

from lrcn_hub.training import main

raise SystemExit(main())
