"""Classes of faults: what goes wrong in recurrent networks, as bug reports show it."""

from __future__ import annotations

CLASSES = {
    # direction and order
    "reverse-output-order": "The reverse output is not in the order of the input.",
    "direction": "A direction is ignored, or computed with the input or the weights of the other.",
    "direction-halves": "The halves of a bidirectional layer are joined wrongly, or one is missing.",
    "entry-order": "Final or initial states are in the wrong order: of layers, of directions, of h and c.",
    "layer-wiring": "A layer reads the wrong input, or the wrong part of the packed weights.",
    # states
    "final-state": "A final state is missing, or that of the wrong step or direction.",
    "initial-state": "An initial state is ignored, or read from the wrong place.",
    "default-state": "A state that is not given is not zero.",
    "recurrence": "Within one call, a step does not start from the step before.",
    "carried-state": "What one call hands out does not continue its run in the next.",
    "kept-between-calls": "A state, a plan or a cache of one call reaches the next.",
    # cells
    "reset-gate": "The reset gate of a GRU acts in the wrong place, or not at all.",
    "update-gate": "The update gate of a GRU keeps what it should renew.",
    "bias": "A bias is dropped, doubled, misplaced or taken from elsewhere.",
    "gate-order": "Gates are packed in another order, or have the weights of another gate, or transposed ones.",
    "cell-variant": "Another cell is computed than was asked for, or an option is ignored.",
    # layout
    "batch-axis": "Steps and rows are confused, or an axis of size one is dropped.",
    "shape-contract": "A result has another shape than it should have.",
    "memory-layout": "An array that is not contiguous is misread.",
    # lengths
    "padding": "Padding enters states, outputs or gradients.",
    "reverse-padding": "The reverse direction starts in the padding.",
    "mixed-rows": "Rows of a batch are mixed up.",
    "empty": "No steps, no rows or a row of length 0 are computed wrongly.",
    "second-path": "One of several paths through the code gives other numbers: by lengths, sizes or mode.",
    "dropout": "Dropout acts in the wrong place or mode, or its mask lives too long.",
    # gradients
    "back-propagation": "Back-propagation through time is wrong.",
    "missing-gradient": "A parameter or a state has no gradient, or that of another one.",
    "gradient-buffers": "A gradient is overwritten, or one that is not given is not zero.",
    # memory and numbers
    "stale-memory": "Scratch memory is read before it is written: it is stale, or never set.",
    "stale-weights": "Copies of the weights are kept when the weights change.",
    "changed-inputs": "Inputs, states or parameters are changed by the call, or what it returns shares memory.",
    "precision": "Numbers are rounded, saturated or approximated more than their dtype does.",
}
