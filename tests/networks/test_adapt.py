"""Fine-tuning surgery: what both networks have in common computes the same."""

import pytest
import torch

from napari_densify.core.labels import ClassTable, LabelClass
from napari_densify.core.settings import NetworkConfig
from napari_densify.networks import adapt_network, build_network, match_classes

OLD = NetworkConfig(
    in_channels=2, out_channels=3, encoder=((4,), (6,)), decoder=((4,),),
    kernels=((1, 3, 3), (1, 3, 3)), pools=((1, 2, 2),), up="transposed",
)  # fmt: skip


def table(**names: int) -> ClassTable:
    rows = [
        LabelClass(value=v, name=n.replace("_", " "), color="#000000") for n, v in names.items()
    ]
    return ClassTable(classes=tuple(sorted(rows, key=lambda c: c.value)))


def adapted(
    classes: list[int | None], channels: list[int | None] | None = None, **changes: object
) -> tuple[torch.nn.Module, torch.nn.Module, list[str]]:
    torch.manual_seed(0)
    old = build_network(OLD).eval()
    new = NetworkConfig.model_validate(
        {**OLD.model_dump(), "out_channels": len(classes), **changes}
    )
    network, fresh = adapt_network(
        old.state_dict(), OLD, new, classes=classes, input_channels=channels
    )
    return old, network.eval(), fresh


def test_classes_dropped_added_and_reordered() -> None:
    old, new, fresh = adapted([2, 0, None])
    assert fresh == []
    x = torch.randn(1, 2, 3, 8, 8)
    before, after = old(x), new(x)
    torch.testing.assert_close(after[:, 0], before[:, 2])
    torch.testing.assert_close(after[:, 1], before[:, 0])
    torch.testing.assert_close(after[:, 2], before.mean(1))


def test_input_channels_reordered_added_or_merged() -> None:
    x = torch.randn(1, 2, 3, 8, 8)
    old, new, _ = adapted([0, 1, 2], [None, 1, 0], in_channels=3)
    three = torch.cat([torch.randn_like(x[:, :1]), x[:, 1:], x[:, :1]], 1)
    torch.testing.assert_close(new(three), old(x))
    old, grey, _ = adapted([0, 1, 2], in_channels=1)
    torch.testing.assert_close(grey(x[:, :1]), old(x[:, :1].expand(-1, 2, -1, -1, -1)))


def test_a_flat_network_becomes_a_deep_one_that_computes_the_same() -> None:
    old, deep, fresh = adapted([0, 1, 2], kernels=((3, 3, 3), (3, 3, 3)))
    assert fresh == []
    x = torch.randn(1, 2, 5, 8, 8)
    torch.testing.assert_close(deep(x), old(x))


def test_layers_that_do_not_fit_start_afresh_and_are_named() -> None:
    old, new, fresh = adapted([0, 1, 2], encoder=((4,), (8,)))
    assert any(name.startswith("encoder.blocks.1") for name in fresh)
    assert not any(name.startswith("encoder.blocks.0") for name in fresh)
    assert new(torch.randn(1, 2, 3, 8, 8)).shape[1] == 3
    assert torch.equal(
        new.state_dict()["encoder.blocks.0.layers.0.0.weight"],
        old.state_dict()["encoder.blocks.0.layers.0.0.weight"],
    )


def test_working_cells_of_a_class_move_together() -> None:
    torch.manual_seed(0)
    config = OLD.model_copy(update={"out_channels": 2 * 4})  # two classes, four voxels a cell
    old = build_network(config).eval()
    network, _ = adapt_network(
        old.state_dict(), config, config.model_copy(update={"out_channels": 3 * 4}),
        classes=[1, None, 0],
    )  # fmt: skip
    x = torch.randn(1, 2, 3, 8, 8)
    before, after = old(x), network.eval()(x)
    torch.testing.assert_close(after[:, :4], before[:, 4:])
    torch.testing.assert_close(after[:, 8:], before[:, :4])


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (table(cell=1, gap=2), table(cell=1, gap=2), [0, 1]),
        (table(cell=1, gap=2), table(gap=1, cell=2), [1, 0]),  # names go before values
        (table(cell=1, gap=2), table(nucleus=1, gap=2), [0, 1]),  # renamed
        (table(cell=1, gap=2), table(cell=1, gap=2, vesicle=3), [0, 1, None]),
        (table(cell=1, gap=2, vesicle=3), table(vesicle=3, cell=1), [0, 2]),
        (table(class_1=1, class_2=2), table(cell=1, gap=2), [0, 1]),
        (table(cell=1, gap=2), table(gap=1, vesicle=2), [1, None]),
    ],
)
def test_classes_are_matched_by_name_then_value(
    old: ClassTable, new: ClassTable, expected: list[int | None]
) -> None:
    assert match_classes(old, new) == expected
