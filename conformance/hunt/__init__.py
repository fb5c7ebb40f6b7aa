"""Hunts: targets judged on seeds that never repeat, by many processes or machines, and a corpus of what was found."""
