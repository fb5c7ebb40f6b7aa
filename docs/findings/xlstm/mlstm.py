"""The shipped adapter of xlstm's functions for the mLSTM, known to the kit by shapes alone.

So its cases need no file with equations to be read.
"""

from dataclasses import replace

from conformance.adapters.xlstm_mlstm import capabilities as claimed
from conformance.adapters.xlstm_mlstm import forward as forward
from conformance.adapters.xlstm_spec import mlstm
from reference_rnn.recurrences import of_shapes

capabilities = replace(claimed, cells=(of_shapes(mlstm.shapes),), gradients=False)
