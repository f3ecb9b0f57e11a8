"""A model from a Hugging Face config.json: any family, by a table of families and a few kinds of layer."""
