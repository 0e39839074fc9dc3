"""The command: overrides, checks before a run, help, and what mistakes are answered with."""
