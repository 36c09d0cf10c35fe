"""The demo's pictures: a captioner beside its baselines."""
