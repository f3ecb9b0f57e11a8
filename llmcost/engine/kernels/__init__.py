"""Times of single kernels and collectives, as plain functions of shapes and of a device's figures.

Constants are without dimension wherever they can be: shares of a device's peak, bandwidth and
processors, so that those of an architecture carry over to a device that nobody measured. They
stand in the catalog's kind ``kernels``, made by ``python -m benchmarks.kernels``.
"""
