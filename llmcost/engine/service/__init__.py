"""The model in use: what it takes to read prompts and write answers, day after day.

A *replica* is one copy of the model on a group of devices. It writes one token for each of its
sequences in every step (decode) and reads prompts in between (prefill), so that the time of an
output token is its share of a step and the prompt tokens that come with it. Quantities are of
one replica and one step unless they say otherwise; those that begin with ``service_`` are the
serving hardware's and software's own. Importing the package enters the rules of all files.

The same rules price any other tokens that the model writes, such as the rollouts of
reinforcement learning: give the prompt and output tokens of a day and the sequences' mean
context, and ask for ``inference_tokens_per_s_per_device``.
"""

# The order from a request to the bill, in which an explanation lists its formulas.
# isort: off
from llmcost.engine.service import work  # noqa: F401
from llmcost.engine.service import memory  # noqa: F401
from llmcost.engine.service import traffic  # noqa: F401
from llmcost.engine.service import links  # noqa: F401
from llmcost.engine.service import decode  # noqa: F401
from llmcost.engine.service import prefill  # noqa: F401
from llmcost.engine.service import replicas  # noqa: F401
from llmcost.engine.service import power  # noqa: F401
from llmcost.engine.service import bill  # noqa: F401
from llmcost.engine.service import life  # noqa: F401
from llmcost.engine.service import growth  # noqa: F401
