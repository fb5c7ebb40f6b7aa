"""Comba of the shipped adapter, known to the kit by shapes alone: then its cases need no file with equations.

In double precision, which the operators round to single: else a difference of half a number could be rounding.
"""

from dataclasses import replace

from conformance.adapters.fla_naive import capabilities as claimed
from conformance.adapters.fla_naive import forward as forward
from conformance.adapters.fla_spec import comba
from reference_rnn.recurrences import of_shapes

capabilities = replace(claimed, cells=(of_shapes(comba.shapes),), dtypes=("float64",), gradients=False)
