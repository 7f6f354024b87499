"""Choices of the auto preset, each against leaving it alone: what was tried, what it gave.

    python -m benchmarks.quality --methods tried --steps 150 --seeds 3 --data FOLDER --write

Add a line here before trying something new; docs/tried.md says what came of it, and of
what is no setting.
"""

from __future__ import annotations

__all__ = ["TRIED"]

# Settings after "densify:"; those that begin with predict. go to the prediction.
TRIED = (
    "densify",
    "densify:optimiser=adamw",
    "densify:optimiser=adam",
    "densify:optimiser=sgd",
    "densify:norm=group",
    "densify:norm=instance",
    "densify:base_channels=8",
    "densify:base_channels=12",
    "densify:base_channels=16",
    "densify:base_channels=24",
    "densify:base_channels=32",
    "densify:depth=3",
    "densify:depth=5",
    "densify:patch=[8,64,64]",
    "densify:batch=8;patch=[1,96,96]",
    "densify:neighbours=0",
    "densify:neighbours=4",
    "densify:neighbours=4;neighbour_step=2",
    "densify:features=false",
    "densify:feature_depth=0",
    "densify:feature_depth=1",
    "densify:feature_depth=2",
    "densify:feature_depth=4",
    "densify:guidance=0",
    "densify:guidance=0.3",
    "densify:guidance=2.5",
    "densify:guidance=3",
    "densify:affinity=0",
    "densify:affinity=5",
    "densify:affinity=20",
    "densify:frequencies=false",
    "densify:working_factor=[1,1,1]",
    "densify:subvoxel=false",
    "densify:batch=4",
    "densify:batch=8",
    "densify:class_weights=sqrt",
    "densify:class_weights=inverse",
    "densify:loss=dice-ce",
    "densify:members=2",
    "densify:members=3",
    "densify:ema=0",
    "densify:augment=none",
    "densify:augment=grey",
    "densify:augment=full",
    "densify:schedule=one-cycle",
    "densify:weight_decay=0.1",
    "densify:predict.mirrors=1",
    "densify:predict.mirrors=8",
)
