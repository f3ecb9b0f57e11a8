"""llmcost: what it takes to train a large model, in devices, days, money, energy, carbon and water."""

__version__ = "0.1.0"
