"""The file of a cell: importing it, and the hash of all that its equations are made of."""
