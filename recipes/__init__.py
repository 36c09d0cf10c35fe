"""The recipes that come with LRCN Hub: a YAML file for each run that matters; the command line takes its bare name."""
