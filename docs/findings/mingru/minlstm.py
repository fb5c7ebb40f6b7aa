"""minLSTM of the shipped adapter, known to the kit by shapes alone.

So its cases need no file with equations to be read.
"""

from dataclasses import replace

from conformance.adapters.mingru_pytorch import capabilities as claimed
from conformance.adapters.mingru_pytorch import forward as forward
from conformance.adapters.mingru_spec import minlstm
from reference_rnn.recurrences import of_shapes

capabilities = replace(claimed, cells=(of_shapes(minlstm.shapes),), gradients=False)
