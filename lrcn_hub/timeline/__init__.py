"""A video as a line of class probabilities over time: made in one pass, drawn, and cut short when it is sure."""
