"""Watching live video: sources that break and come back, what to do when behind, events and the terminal view."""
