"""Training: recipes, the trainer, the story of a run. Heavy libraries are imported when a run begins."""

__all__ = ["evaluate_main", "main"]


def main(argv: list[str] | None = None) -> int:
    """Train as the arguments say (`lrcn_hub.training.run.main`); returns the exit code."""
    from lrcn_hub.training import run

    return run.main(argv)


def evaluate_main(argv: list[str] | None = None) -> int:
    """Judge a trained model as the arguments say (`lrcn_hub.training.evaluate.evaluate_main`)."""
    from lrcn_hub.training import evaluate

    return evaluate.evaluate_main(argv)
