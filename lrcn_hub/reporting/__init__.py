"""The page of an evaluation, ``report.html``: what a task says for it, and how it is drawn."""

from lrcn_hub.reporting.content import Card, Evaluation, Histogram, OtherRun, ReportPage, ReportSection

__all__ = ["Card", "Evaluation", "Histogram", "OtherRun", "ReportPage", "ReportSection"]
