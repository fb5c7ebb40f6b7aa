"""How far rounding may move a number: arithmetics, balls, and sums in another order."""
