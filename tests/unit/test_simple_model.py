"""The network and the local training loop: shapes, what the weights depend on, and that training is repeatable."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from fedlung.detection.training_scan import TrainingScan, training_scan
from fedlung.errors import Stopped, WrongArgument
from fedlung.imaging.annotations import Finding
from fedlung.imaging.geometry import Geometry
from fedlung.imaging.preprocessing import CELL, PreparedScan
from train_simple_model import (
    ARCHITECTURE,
    LocalResult,
    LocalTrainer,
    NodulePatches,
    Simple3DUNet,
    TrainingOptions,
    build_network,
    initial_weights,
    unfold_cells,
    weights_of,
)

SHAPE = (40, 44, 48)
OPTIONS = TrainingOptions(patch=32, batch=2, patches_per_scan=4, device="cpu")


def _scan(seed: int, nodules: int = 2) -> TrainingScan:
    """Lung tissue with noise and bright balls of 6 to 10 mm."""
    random = np.random.default_rng(seed)
    geometry = Geometry(SHAPE, (1.0, 1.0, 1.0), (-20.0, 10.0, -300.0))
    hu = random.normal(-850, 30, SHAPE)
    index = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1)
    findings = []
    for _ in range(nodules):
        center, diameter = random.uniform(8, 32, 3), random.uniform(6, 10)
        hu[np.linalg.norm(index - center, axis=-1) <= diameter / 2] = 20
        x, y, z = geometry.index_to_world(center).tolist()
        findings.append(Finding(f"1.2.{seed}", (x, y, z), diameter))
    search = np.ones(tuple(count // CELL for count in SHAPE), dtype=bool)
    clipped = np.clip(hu, -1000, 400).astype(np.int16)
    return training_scan(PreparedScan(f"1.2.{seed}", clipped, geometry, search, 4.0), findings, [])


@pytest.fixture(scope="module")
def scans() -> list[TrainingScan]:
    return [_scan(0), _scan(1, nodules=0)]


@pytest.fixture(scope="module")
def weights() -> dict[str, np.ndarray]:
    return initial_weights(0)


def _train(scans, weights, **changes) -> LocalResult:
    arguments = {"learning_rate": 1e-3, "epochs": 1, "seed": 5, **changes}
    return LocalTrainer(scans, OPTIONS).train(weights, **arguments)


def _assert_same_weights(first: LocalResult, second: LocalResult) -> None:
    assert first.metrics == second.metrics
    for name, values in first.weights.items():
        np.testing.assert_array_equal(values, second.weights[name], err_msg=name)


# --- the network


@pytest.mark.parametrize(("batch", "shape"), [(1, (16, 16, 16)), (2, (32, 32, 32)), (1, (16, 48, 32))])
def test_the_heads_answer_on_cells_and_the_mask_on_voxels(batch, shape):
    heads = Simple3DUNet()(torch.rand(batch, 1, *shape))
    cells = tuple(count // CELL for count in shape)
    assert heads.heat_logits.shape == heads.log_diameter.shape == (batch, 1, *cells)
    assert heads.offset_zyx.shape == (batch, 3, *cells)
    assert heads.mask_logits.shape == (batch, 1, *shape)


def test_a_fresh_network_says_rarely_a_nodule_and_a_median_size():
    with torch.no_grad():
        heads = Simple3DUNet()(torch.rand(1, 1, 32, 32, 32))
    assert heads.heat_logits.sigmoid().mean() < 0.05
    assert heads.mask_logits.sigmoid().mean() < 0.05
    assert 3 < heads.log_diameter.exp().median() < 13


def test_there_is_no_batch_norm_and_nothing_in_place():
    # Running statistics of different hospitals do not average; per-sample gradients need untouched activations.
    modules = list(Simple3DUNet().modules())
    assert not [module for module in modules if isinstance(module, nn.modules.batchnorm._NormBase)]
    assert not [module for module in modules if isinstance(module, nn.GroupNorm | nn.LayerNorm)]
    assert not [module for module in modules if getattr(module, "inplace", False)]
    assert list(Simple3DUNet().state_dict()) == [name for name, _ in Simple3DUNet().named_parameters()]


def test_the_answer_for_a_patch_does_not_depend_on_its_batch():
    model = Simple3DUNet().train()
    x = torch.rand(3, 1, 16, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        together, alone = model(x), model(x[1:2])
    torch.testing.assert_close(together.heat_logits[1:2], alone.heat_logits, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(together.mask_logits[1:2], alone.mask_logits, rtol=1e-4, atol=1e-5)


def test_gradients_exist_per_sample_and_add_up_to_the_batch():
    # What DP-SGD needs; an in-place operation or a layer that mixes samples would break it.
    model = Simple3DUNet()
    x = torch.rand(2, 1, 16, 16, 16, generator=torch.Generator().manual_seed(1))
    parameters = dict(model.named_parameters())

    def total(weights: dict[str, torch.Tensor], sample: torch.Tensor) -> torch.Tensor:
        heads = torch.func.functional_call(model, weights, (sample[None],))
        return heads.heat_logits.square().sum() + heads.mask_logits.square().mean()

    per_sample = torch.func.vmap(torch.func.grad(total), in_dims=(None, 0))(parameters, x)
    sum(total(parameters, sample) for sample in x).backward()
    for name, parameter in parameters.items():
        torch.testing.assert_close(per_sample[name].sum(dim=0), parameter.grad, rtol=1e-3, atol=1e-3)


def test_every_weight_is_used():
    model = Simple3DUNet()
    heads = model(torch.rand(1, 1, 32, 32, 32))
    total = heads.heat_logits.sum() + heads.log_diameter.sum() + heads.offset_zyx.sum() + heads.mask_logits.sum()
    total.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_unfolding_puts_channel_4i_2j_k_at_voxel_i_j_k_of_its_cell():
    x = torch.arange(2 * 8 * 2 * 3 * 4, dtype=torch.float32).reshape(2, 8, 2, 3, 4)
    unfolded = unfold_cells(x)
    assert unfolded.shape == (2, 1, 4, 6, 8)
    for b, c, z, y, x_index in np.ndindex(*x.shape):
        i, j, k = c // 4, c // 2 % 2, c % 2
        assert unfolded[b, 0, 2 * z + i, 2 * y + j, 2 * x_index + k] == x[b, c, z, y, x_index]


# --- weights


def test_initial_weights_depend_on_the_seed_alone(weights):
    torch.manual_seed(123)
    before = torch.random.get_rng_state()
    again = initial_weights(0)
    assert torch.equal(torch.random.get_rng_state(), before)  # and they leave the generator as it was
    assert all(np.array_equal(again[name], values) for name, values in weights.items())
    other = initial_weights(1)
    assert any(not np.array_equal(other[name], values) for name, values in weights.items())
    assert {values.dtype for values in weights.values()} == {np.dtype(np.float32)}


def test_weights_are_copies_both_ways(weights):
    frozen = {name: values.copy() for name, values in weights.items()}
    for values in frozen.values():
        values.flags.writeable = False
    model = build_network(frozen, torch.device("cpu"))
    taken = weights_of(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    for name, values in weights.items():
        np.testing.assert_array_equal(taken[name], values)
        np.testing.assert_array_equal(frozen[name], values)


def test_the_architecture_is_written_down(weights):
    assert ARCHITECTURE["name"] == "Simple3DUNet"
    assert weights["stem.weight"].shape[0] == ARCHITECTURE["channels"][0]
    assert sum(values.size for values in weights.values()) < 3_000_000


# --- training data


def test_patches_are_drawn_alike_for_a_seed_and_otherwise_for_another(scans):
    patches = NodulePatches(scans, OPTIONS)
    first, again, other = (list(patches.batches(seed)) for seed in (1, 1, 2))
    assert len(first) == patches.num_batches() == 2 * 4 // 2
    for (x, targets), (x2, targets2) in zip(first, again, strict=True):
        assert x.shape == (2, 1, 32, 32, 32)
        assert torch.equal(x, x2)
        assert torch.equal(targets.offset_zyx, targets2.offset_zyx)
    assert not torch.equal(first[0][0], other[0][0])


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_share_of_patches_around_a_nodule_is_kept(share):
    options = TrainingOptions(patch=16, batch=4, patches_per_scan=32, positive_share=share, device="cpu")
    # The nodules lie in the far half of the scan and the search region in the near half.
    scan = _scan(3)
    search = np.zeros_like(scan.scan.search_zyx)
    search[:2, :2, :2] = True
    near = training_scan(
        PreparedScan("1.2.3", scan.scan.hu_zyx, scan.scan.geometry, search, 4.0),
        [Finding("1.2.3", tuple(scan.scan.geometry.index_to_world((32.0, 34.0, 36.0)).tolist()), 6.0)],
        [],
    )
    positives = [(t.heat == 1).flatten(1).any(dim=1) for _, t in NodulePatches([near], options).batches(0)]
    assert torch.cat(positives).float().mean() == share


def test_a_hospital_without_nodules_trains_on_what_it_has(scans, weights):
    result = _train([scans[1]], weights)
    assert result.num_examples == 1
    assert np.isfinite(result.metrics["loss"])
    assert result.metrics["dice"] == 0.0


@pytest.mark.parametrize("changes", [{"patch": 40}, {"patch": 0}, {"batch": 0}, {"patches_per_scan": 0}])
def test_options_that_make_no_sense_are_refused(changes):
    with pytest.raises(WrongArgument, match="--"):
        TrainingOptions(**changes)


# --- the local loop


def test_training_is_repeatable_bit_for_bit(scans, weights):
    first = _train(scans, weights)
    torch.manual_seed(99)
    np.random.seed(99)
    _assert_same_weights(_train(scans, weights), first)
    other = _train(scans, weights, seed=6)
    assert any(not np.array_equal(other.weights[name], values) for name, values in first.weights.items())
    assert first.num_examples == 2
    assert all(values.dtype == np.float32 for values in first.weights.values())


def test_the_given_weights_are_not_changed(scans, weights):
    before = {name: values.copy() for name, values in weights.items()}
    _train([scans[0]], weights)
    assert all(np.array_equal(weights[name], values) for name, values in before.items())


def test_the_gradient_hook_sees_every_step_and_decides(scans, weights):
    calls: list[tuple[float, float]] = []

    def proximal(gradient: torch.Tensor, current: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
        calls.append((float((current - start).abs().max()), float(gradient.abs().sum())))
        return gradient + 100.0 * (current - start)

    free = _train(scans, weights)
    _assert_same_weights(_train(scans, weights, correct_gradient=lambda gradient, current, start: gradient), free)
    held = _train(scans, weights, correct_gradient=proximal)
    steps, parameters = 4, len(weights)
    assert len(calls) == steps * parameters
    assert max(moved for moved, _ in calls[:parameters]) == 0.0  # the first step starts at the global weights
    assert min(moved for moved, _ in calls[-parameters:]) > 0.0
    distance = {
        name: [float(np.abs(result.weights[name] - weights[name]).sum()) for result in (free, held)] for name in weights
    }
    assert sum(pair[1] for pair in distance.values()) < sum(pair[0] for pair in distance.values())


def test_a_stop_is_obeyed_between_two_steps_and_progress_is_told(scans, weights):
    told: list[float] = []
    _train(scans, weights, on_progress=told.append)
    assert told == [0.25, 0.5, 0.75, 1.0]
    told.clear()
    with pytest.raises(Stopped):
        _train(scans, weights, on_progress=told.append, should_stop=lambda: len(told) >= 2)
    assert told == [0.25, 0.5]


@pytest.mark.slow
def test_the_loss_falls_on_a_tiny_phantom(weights):
    trainer = LocalTrainer([_scan(7)], TrainingOptions(patch=32, batch=2, patches_per_scan=24, device="cpu"))
    first = trainer.train(weights, learning_rate=2e-3, epochs=1, seed=0)
    taught = trainer.train(weights, learning_rate=2e-3, epochs=3, seed=0)
    second = trainer.train(taught.weights, learning_rate=2e-4, epochs=1, seed=0)
    assert second.metrics["loss"] < 0.8 * first.metrics["loss"]


def test_weights_are_judged_by_the_rules_of_luna16(scans, weights):
    measured = LocalTrainer(scans, OPTIONS, scans).evaluate(weights)
    found = measured.metrics
    assert found["num_scans"] == 2
    assert found["num_nodules"] == len(scans[0].nodules)
    assert 0 <= found["cpm"] <= 1
    assert 0 <= found["dice"] <= 1
