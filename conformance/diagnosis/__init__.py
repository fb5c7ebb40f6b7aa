"""Which mistake gives the numbers of a target, and where they are wrong."""
