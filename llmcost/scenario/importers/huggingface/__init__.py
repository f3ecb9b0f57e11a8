"""A model from a Hugging Face config.json: any family, by a table of families and a few kinds of layer."""

from llmcost.scenario.importers.huggingface.read import Model, read_config, read_model

__all__ = ["Model", "read_config", "read_model"]
