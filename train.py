"""Train a model of any task: ``accelerate launch --config_file accelerate_config.yaml train.py --task NAME ...``.

The same as ``lrcn train ...``; a file of its own because `accelerate launch` wants one.
"""

import sys

from lrcn_cli import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
