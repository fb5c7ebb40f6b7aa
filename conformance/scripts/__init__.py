"""A counterexample as a script of its own, which needs nothing of this kit."""
