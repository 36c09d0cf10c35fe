"""The recipes that come with LRCN Hub: one YAML file for each run that matters, named on the command line without .yaml."""
