"""Step time of a training run, from the architecture, the hardware and the parallel layout.

Work is counted for one device and one micro-batch of one layer, forward; a *pass* is one such
forward. The backward pass does twice the matrix products, full recompute adds a forward. The
parts of a step add up to ``step_time_s``. Each file holds one part; importing the package enters
the rules of all.
"""

# The order of a step, in which an explanation lists its formulas.
# isort: off
from llmcost.engine.performance import layout  # noqa: F401
from llmcost.engine.performance import software  # noqa: F401
from llmcost.engine.performance import products  # noqa: F401
from llmcost.engine.performance import attention  # noqa: F401
from llmcost.engine.performance import elementwise  # noqa: F401
from llmcost.engine.performance import communication  # noqa: F401
from llmcost.engine.performance import layer  # noqa: F401
from llmcost.engine.performance import pipeline  # noqa: F401
from llmcost.engine.performance import data_parallel  # noqa: F401
from llmcost.engine.performance import step  # noqa: F401
