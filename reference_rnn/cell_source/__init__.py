"""The text of a cell: loading the file that has it, its hash, and its equations written out."""
