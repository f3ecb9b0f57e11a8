"""A sweep from plan to picture: planned, run, ranked, written and drawn, for a command or a program."""
