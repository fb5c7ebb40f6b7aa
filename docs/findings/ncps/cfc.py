"""The shipped adapter of ncps.torch.CfC, known to the kit by shapes alone.

So its cases need no file with equations to be read.
"""

from dataclasses import replace

from conformance.adapters.ncps_cfc import capabilities as claimed
from conformance.adapters.ncps_cfc import forward as forward
from conformance.adapters.ncps_spec import cfc
from reference_rnn.recurrences import of_shapes

capabilities = replace(claimed, cells=(of_shapes(cfc.shapes),), gradients=False)
