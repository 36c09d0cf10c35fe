"""The text of model cards: a template for each type of model, and the facts of each model that is to be published."""
