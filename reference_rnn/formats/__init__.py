"""Other notations of a case: the short expression that builds it, and the fused layout of one implementation."""
