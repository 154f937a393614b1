"""Convolutions without normalized activations: what a network of them keeps, and what it never looks at."""

from __future__ import annotations

import pytest
import torch

from fedlung.detection.standardized_convolution import StandardizedConv3d
from train_simple_model import Simple3DUNet


def test_a_change_far_away_changes_nothing_at_all():
    # With statistics over the window it would: the same nodule, another probability in another window.
    model = Simple3DUNet()
    x = torch.rand(1, 1, 16, 16, 288, generator=torch.Generator().manual_seed(0))
    changed = x.clone()
    changed[..., :16] = 1.0
    with torch.no_grad():
        before, after = model(x), model(changed)
    assert not torch.equal(before.heat_logits[..., :8], after.heat_logits[..., :8])
    assert torch.equal(before.heat_logits[..., -16:], after.heat_logits[..., -16:])
    assert torch.equal(before.mask_logits[..., -32:], after.mask_logits[..., -32:])


def test_activations_keep_their_size_through_the_network():
    model, seen = Simple3DUNet(), []
    for block in (model.down1, model.down2, model.down3, model.bottleneck, model.up1):
        block.register_forward_hook(lambda _module, _inputs, output: seen.append(float(output.std())))
    with torch.no_grad():
        model(torch.randn(1, 1, 64, 64, 64, generator=torch.Generator().manual_seed(0)) / 3 + 0.25)
    assert len(seen) == 5
    assert all(0.2 < size < 2 for size in seen), seen


@pytest.mark.parametrize("factor", [0.5, 100.0])
def test_the_scale_of_a_standardized_convolutions_weights_does_not_matter(factor):
    layer, x = StandardizedConv3d(3, 4, 3), torch.rand(1, 3, 8, 8, 8)
    with torch.no_grad():
        before = layer(x)
        layer.weight.mul_(factor).add_(1.0)
        torch.testing.assert_close(layer(x), before, rtol=1e-2, atol=1e-2)
