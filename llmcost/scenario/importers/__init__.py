"""What other programs write about a model or a run, read into a scenario."""
