"""What recipes write in the end."""

import torch
from torch import nn

from gen.train import halves, trained


def test_tensors_are_halved_under_the_names_of_their_modules() -> None:
    norm = nn.BatchNorm1d(2)
    tensors = halves({"codec": nn.Linear(2, 3), "denoiser.norm": norm})
    assert {
        "codec.weight",
        "codec.bias",
        "denoiser.norm.weight",
        "denoiser.norm.running_mean",
    } <= tensors.keys()
    counted = "denoiser.norm.num_batches_tracked"
    assert {key for key, tensor in tensors.items() if tensor.dtype != torch.float16} == {counted}
    assert tensors[counted].dtype == torch.int64
    assert tensors["codec.weight"].shape == (3, 2)
    assert norm.weight.dtype == torch.float32


def test_a_card_tells_how_the_model_was_trained() -> None:
    card = {"licence": "CC0-1.0"}
    whole = trained(card, "cpu", {"codec": {"step": 3, "loss": 0.123456}})
    assert whole == {**card, "preset": "cpu", "training": {"codec": {"step": 3, "loss": 0.1235}}}
    assert card == {"licence": "CC0-1.0"}
