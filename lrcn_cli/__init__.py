"""The command line: ``lrcn COMMAND ...``, one file here for each command.

It lives outside `lrcn_hub`, whose import registers models and takes seconds: commands import it only when they run, so
that ``--help`` and ``--version`` answer at once.
"""

import argparse
import importlib
import os
import sys
import traceback
from importlib import metadata

__all__ = ["main"]

COMMANDS = {
    "demo": "train on built-in pictures and videos, judge, watch live and write a report",
    "train": "train a model of a task by a recipe",
    "evaluate": "judge a trained model on a split of its data",
    "fuse": "judge several recognisers together, such as one of frames and one of flow",
    "judge": "let people rank what several systems say of pictures, and count their ranks",
    "caption": "describe photos with a trained model",
    "retrieve": "find the photos of a folder that a sentence fits best, with a trained captioner",
    "rank": "find the captions of a list that fit a photo best, with a trained captioner",
    "classify": "say what is done in videos, with a trained model",
    "narrate": "say in sentences what happens in videos, with a trained model",
    "watch": "recognise or narrate live video: files, pipes, cameras, streams",
    "card": "write a model's card, or show that of a model to be published",
    "export": "copy a model's folder without its run, complete in itself",
    "push": "publish a model's folder on the Hugging Face Hub",
    "convert": "turn weights that LRCN's authors published for Caffe into a model",
    "tasks": "list the tasks that can be trained",
    "plugins": "list the installed plugins and what became of them",
    "env": "show versions and devices, for a bug report",
}

EPILOG = """\
exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted

examples:
  lrcn tasks
  lrcn train --task captioning --recipe RECIPE.yaml --output_dir my-captioner
  lrcn caption holiday.jpg --model my-captioner
"""


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    # Read once, when torch is imported. OpenMP's threads spin while they wait, by default so long that training stalls
    # when another program wants a core; sleeping at once halves the speed on free cores (docs/performance.md).
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    argv = sys.argv[1:] if argv is None else argv
    words = [word for word in argv if word != "--debug"]
    parser = _parser()
    command = parser.parse_args(words[:1]).command
    if command is None:
        parser.print_help(sys.stderr)
        return 2
    try:
        code: int = importlib.import_module(f"lrcn_cli.{command}").main(words[1:])
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print(f"lrcn {command}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader, such as `head`, has seen enough; Python must not flush into the pipe again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (ImportError, OSError, ValueError) as error:
        if len(words) < len(argv):
            traceback.print_exc()
        print(f"lrcn {command}: error: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    listing = "\n".join(f"  {name:<10}{summary}" for name, summary in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="lrcn",
        usage="lrcn [-h] [--version] [--debug] COMMAND ...",
        description=f"Recurrent vision models on Hugging Face.\n\ncommands:\n{listing}",
        epilog=f"`lrcn COMMAND --help` explains a command.\n\n{EPILOG}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"lrcn-hub {_version()}")
    parser.add_argument("--debug", action="store_true", help="anywhere: show the traceback of an error")
    parser.add_argument("command", nargs="?", choices=COMMANDS, metavar="COMMAND", help=argparse.SUPPRESS)
    return parser


def _version() -> str:
    try:
        return metadata.version("lrcn-hub")
    except metadata.PackageNotFoundError:
        return "(not installed)"
