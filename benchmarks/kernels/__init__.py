"""Fit the constants of single kernels and collectives to published measurements of them."""
