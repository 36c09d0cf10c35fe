"""``lrcn demo``: train a small captioner on built-in pictures, judge it, load it again and write a report."""

__all__ = ["main"]


def main(argv: list[str] | None = None) -> int:
    """Run the demo as the arguments say (`lrcn_hub.demo.command.main`); returns the exit code."""
    from lrcn_hub.demo import command

    return command.main(argv)
