"""The catalog: accelerators, models, clouds and the rest, each entry with its source."""

from llmcost.catalog.load import KINDS, Catalog, load_catalog

__all__ = ["KINDS", "Catalog", "load_catalog"]
