"""Step time of a training run, from the architecture, the hardware and the parallel layout.

Work is counted for one device and one micro-batch of one layer, forward; the backward pass does
the matrix products twice, and a share of the forward again where activations are recomputed. Time
comes from kernels: arithmetic at the rate that measured products reach, bytes through memory,
bytes over the networks, launches. The parts of a step add up to ``predicted_step_s``. Each file
holds one part; importing the package enters the rules of all.
"""

# The order of a step, in which an explanation lists its formulas.
# isort: off
from llmcost.engine.performance import layout  # noqa: F401
from llmcost.engine.performance import faults  # noqa: F401
from llmcost.engine.performance import elementwise  # noqa: F401
from llmcost.engine.performance import attention  # noqa: F401
from llmcost.engine.performance import clock  # noqa: F401
from llmcost.engine.performance import products  # noqa: F401
from llmcost.engine.performance import experts  # noqa: F401
from llmcost.engine.performance import remade  # noqa: F401
from llmcost.engine.performance import context  # noqa: F401
from llmcost.engine.performance import communication  # noqa: F401
from llmcost.engine.performance import exchange  # noqa: F401
from llmcost.engine.performance import host  # noqa: F401
from llmcost.engine.performance import pipeline  # noqa: F401
from llmcost.engine.performance import hybrid_sharding  # noqa: F401
from llmcost.engine.performance import data_parallel  # noqa: F401
from llmcost.engine.performance import offload  # noqa: F401
from llmcost.engine.performance import step  # noqa: F401
from llmcost.engine.performance import power  # noqa: F401
