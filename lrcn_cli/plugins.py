"""``lrcn plugins``: what is installed, and whether it works."""

import contextlib
import dataclasses
import json
import logging
import sys
from typing import TYPE_CHECKING

from lrcn_cli.command import command_parser

if TYPE_CHECKING:
    from lrcn_hub.plugins import PluginRecord

DETAILS = """\
A plugin is ok, disabled (by the environment variable LRCN_PLUGINS), broken, or incompatible with this lrcn-hub.
LRCN_PLUGINS names plugins or distributions: empty for none, a,b for only these two, -a for all but a."""

EXAMPLES = """
lrcn plugins
lrcn plugins --json
lrcn plugins --check
LRCN_PLUGINS=-unwanted lrcn plugins
"""


def main(argv: list[str]) -> int:
    """List the plugins; returns 0, or 1 for ``--check`` where something is wrong."""
    parser = command_parser("plugins", details=DETAILS, examples=EXAMPLES)
    parser.add_argument("--json", action="store_true", help="print a list of records, tracebacks included")
    parser.add_argument(
        "--check", action="store_true", help="show tracebacks; exit with 1 if one cannot be used fully"
    )
    arguments = parser.parse_args(argv)
    records = installed_plugins()
    if arguments.json:
        print(json.dumps([dataclasses.asdict(record) for record in records], indent=2))
    else:
        for record in records:
            print(describe(record))
            if arguments.check and record.traceback:
                print(record.traceback)
        if not records:
            print("no plugin is installed; in a checkout of lrcn-hub run `pip install -e .`", file=sys.stderr)
    return int(arguments.check and not all(_is_sound(record) for record in records))


def _is_sound(record: "PluginRecord") -> bool:
    from lrcn_hub.plugins import task_names

    return record.state in ("ok", "disabled") and set(record.tasks) <= set(task_names())


def installed_plugins() -> "list[PluginRecord]":
    """Load the plugins, keeping what they print out of our answer and their failures out of the log."""
    with contextlib.redirect_stdout(sys.stderr):
        from lrcn_hub.plugins import plugin_records

        logging.getLogger("lrcn_hub.plugins").setLevel(logging.ERROR)
        return plugin_records()


def describe(record: "PluginRecord") -> str:
    """Give a plugin's line: state, name, distribution, version, its tasks and what is wrong with it."""
    tasks = f"tasks: {', '.join(record.tasks)}" if record.tasks else ""
    parts = [f"{record.state:<13}{record.name:<17}{record.distribution} {record.version}", tasks, record.reason]
    return "  ".join(part for part in parts if part)
