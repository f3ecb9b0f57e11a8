"""Pure functions over broadcasting numpy arrays, and the chain that ties them together."""
