"""How far rounding may move a number: arithmetics, balls, reordered scans, and where NaN and infinity reach."""
