"""The real training, in few and small steps: what the web needs of the fronts, for tests that train for real."""

from __future__ import annotations

import torch

import federated_training
from fedlung.command_line import Arguments
from fedlung.stores.checkpoints import save_checkpoint
from fedlung.web.training.local_launcher import Engine

SMALL = {"patches_per_scan": 4, "batch": 2, "device": "cpu"}
AS_COMMAND = [f"--{name.replace('_', '-')}={value}" for name, value in SMALL.items()]


def small_parser() -> Arguments:
    parser = federated_training.run_parser()
    parser.set_defaults(**SMALL)
    return parser


def small_engine() -> Engine:
    return Engine(
        parser=small_parser,
        open_client=federated_training.open_client,
        open_coordinator=federated_training.open_coordinator,
        save_model=lambda path, weights, metadata: save_checkpoint(
            path, weights=weights, architecture=federated_training.ARCHITECTURE, metadata=metadata
        ),
        set_threads=torch.set_num_threads,
    )
