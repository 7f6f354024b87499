"""What low precision is taken by itself."""

import pytest
import torch

from napari_densify.inference.device import autocast_dtype


@pytest.mark.parametrize(("native", "expected"), [(True, torch.bfloat16), (False, None)])
def test_a_gpu_that_only_emulates_bf16_computes_in_float32(
    monkeypatch: pytest.MonkeyPatch, native: bool, expected: torch.dtype | None
) -> None:
    def supported(including_emulation: bool = True) -> bool:
        return native or including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    gpu = torch.device("cuda")
    assert autocast_dtype(gpu) is expected
    assert autocast_dtype(gpu, training=True) is expected
    assert autocast_dtype(gpu, "fp16") is torch.float16
