"""Launch scripts: read, never run."""

from llmcost.scenario.importers.shell.reader import Reading, Shell, launcher_options
from llmcost.scenario.importers.shell.words import unquoted, words_of

__all__ = ["Reading", "Shell", "launcher_options", "unquoted", "words_of"]
