"""The shipped adapter of xlstm's sLSTMCell, known to the kit by shapes alone.

So its cases need no file with equations to be read.
"""

from dataclasses import replace

from conformance.adapters.xlstm_slstm import capabilities as claimed
from conformance.adapters.xlstm_slstm import forward as forward
from conformance.adapters.xlstm_spec import slstm
from reference_rnn.recurrences import of_shapes

capabilities = replace(claimed, cells=(of_shapes(slstm.shapes),), gradients=False)
