"""What the commands share: the form of their help."""

import argparse

from lrcn_cli import COMMANDS


def command_parser(
    name: str, *, examples: str, usage: str | None = None, details: str = ""
) -> argparse.ArgumentParser:
    """Make the parser of command `name`, whose help ends with `examples`, one on each line."""
    listing = "\n".join(f"  {line.strip()}" for line in examples.strip().splitlines())
    summary = COMMANDS[name]
    return argparse.ArgumentParser(
        prog=f"lrcn {name}",
        usage=usage,
        description=f"{summary[0].upper()}{summary[1:]}.\n\n{details}",
        epilog=f"examples:\n{listing}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def asks_for_help(argv: list[str]) -> bool:
    """Whether help is all that is asked for, so that it can be given without loading a task."""
    return argv in (["-h"], ["--help"])
