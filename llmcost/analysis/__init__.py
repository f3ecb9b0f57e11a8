"""What shapes the arrays that the engine computes: estimates, comparisons, sweeps, projections."""
