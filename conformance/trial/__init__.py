"""One target judged: options, the loop, its drivers, and what follows from what was found."""
