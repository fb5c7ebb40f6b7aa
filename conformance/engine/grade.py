"""The pooled grade of errors: a hint, never a verdict.

A bound that no correct implementation exceeds is about twenty times what a usual one needs. The errors of
many steps together, each as a share of its bound, tell what no single one does: truncation in place of
rounding, operands of twenty bits, an offset below every bound.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reference_rnn import Ball

# Correct implementations were measured at an rms of 0.016 to 0.027 and a z of up to 1.7.
LARGEST_RMS = 0.05
LARGEST_Z = 6.0
ENOUGH = 1000


@dataclass
class Grade:
    """Errors as shares of their bounds: their number, sum, sum of squares and largest size."""

    count: int = 0
    sum: float = 0.0
    squares: float = 0.0
    max: float = 0.0

    def add(self, value: np.ndarray, ball: Ball) -> None:
        """Takes in the errors of some numbers; exact and void ones say nothing."""
        telling = (ball.rad > 0) & np.isfinite(ball.rad) & (ball.mid != 0)
        shares = (value[telling] - ball.mid[telling]) / ball.rad[telling]
        self.count += shares.size
        self.sum += float(shares.sum())
        self.squares += float((shares**2).sum())
        self.max = max(self.max, float(abs(shares).max(initial=0.0)))

    @property
    def rms(self) -> float:
        """The root of the mean square."""
        return float(np.sqrt(self.squares / self.count)) if self.count else 0.0

    @property
    def z(self) -> float:
        """The mean in units of its standard deviation: rounding has no direction."""
        return float(self.sum / np.sqrt(self.squares)) if self.squares else 0.0

    def hint(self) -> str | None:
        """A sentence, where the errors look like more than rounding."""
        if self.count < ENOUGH or (self.rms <= LARGEST_RMS and abs(self.z) <= LARGEST_Z):
            return None
        return (
            f"hint: errors look like more than rounding: rms {self.rms:.3f} of the bound (usual: 0.03 or less), "
            f"z {self.z:.1f} (usual: 2 or less)"
        )
