"""Derivatives of what is written on generic functions: a tape for reverse mode, and complex step."""
