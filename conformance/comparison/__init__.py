"""Two targets asked the same cases: where their answers differ, and the smallest case that shows it."""
