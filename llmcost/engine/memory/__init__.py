"""Memory of a device, a ledger: states, activations and buffers add up to ``memory_gb_per_device``."""

# The order of the ledger, in which an explanation lists its formulas.
# isort: off
from llmcost.engine.memory import stages  # noqa: F401
from llmcost.engine.memory import states  # noqa: F401
from llmcost.engine.memory import adapted  # noqa: F401
from llmcost.engine.memory import remade  # noqa: F401
from llmcost.engine.memory import activations  # noqa: F401
from llmcost.engine.memory import flight  # noqa: F401
from llmcost.engine.memory import buffers  # noqa: F401
from llmcost.engine.memory import total  # noqa: F401
from llmcost.engine.memory import beside  # noqa: F401
