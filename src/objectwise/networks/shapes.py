"""What a network does to the shape of its input, and how far it sees: asked of the network itself."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from objectwise.errors import DtypeError, ObjectwiseError, ShapeError


def check_raw(raw: Tensor, *, dimensions: int, channels: int) -> None:
    """Require what a network computes from: (n, channels, *spatial) floating point."""
    if raw.ndim != dimensions + 2 or raw.shape[1] != channels:
        axes = "z, y, x" if dimensions == 3 else "y, x"
        raise ShapeError(f"`raw` must have shape (n, {channels}, {axes}), got {tuple(raw.shape)}")
    if not raw.is_floating_point():
        raise DtypeError(f"`raw` must be floating point, got {raw.dtype}; see objectwise.data.normalise_raw")


def output_shape(
    network: nn.Module,
    spatial: Sequence[int],
    *,
    in_channels: int,
    name: str,
    training: bool = False,
    with_values: Callable[[], nn.Module] | None = None,
) -> tuple[int, ...]:
    """Return the shape (k, *spatial) of what a network makes of an input.

    Asked without values, which takes no time and no memory; only a network that holds tensors of its own
    beside its parameters, or looks at values, is shown zeros.

    Parameters
    ----------
    network : nn.Module
        Stays as it is.
    spatial : shape of an input
    in_channels : int
    name : str
        Of the shape, in messages.
    training : bool
        Some networks return more in training than in evaluation.
    with_values : callable, optional
        Returns a network to show zeros to, in the place of one without values.

    Raises
    ------
    ShapeError
        If the input does not fit the network, or it returns something else than (n, k, *spatial) of an
        input's axes.
    """
    try:
        out = _shown(network, spatial, in_channels, "meta", training=training)
    except ObjectwiseError:
        raise
    except Exception:  # of anyone's network
        try:
            one = network if with_values is None else with_values()
            out = _shown(one, spatial, in_channels, "cpu", training=training)
        except ObjectwiseError:
            raise
        except Exception as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise ShapeError(f"`{name}` must fit the network, got {tuple(spatial)}: {reason}") from error
    if not isinstance(out, Tensor) or out.ndim != len(spatial) + 2 or len(out) != _n_shown(training=training):
        came = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
        raise ShapeError(
            f"a network must return (n, k, *spatial){' in training too' if training else ''}, got {came} for "
            f"inputs of {tuple(spatial)}"
        )
    return tuple(out.shape[1:])


def shape_without_values(
    network: nn.Module, spatial: Sequence[int], *, in_channels: int
) -> tuple[int, ...] | None:
    """Return the shape (k, *spatial) of an output, or None where it cannot be told without values."""
    try:
        out = _shown(network, spatial, in_channels, "meta", training=False)
    except Exception:  # of anyone's network
        return None
    return tuple(out.shape[1:]) if isinstance(out, Tensor) else None


def _shown(
    network: nn.Module, spatial: Sequence[int], in_channels: int, device: str, *, training: bool
) -> object:
    """Return what a copy of a network makes of zeros."""
    # Chance, as that of dropout, is not that of the caller.
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        shadow = copy.deepcopy(network).to(device).train(training)
        inputs = torch.zeros((_n_shown(training=training), in_channels, *spatial), device=device)
        out: object = shadow(inputs)
    return out


def _n_shown(*, training: bool) -> int:
    """Return how many inputs a network is shown: of one alone, batch norm in training can make nothing."""
    return 2 if training else 1


def field_of_view(network: nn.Module, spatial: Sequence[int], *, in_channels: int = 1) -> tuple[int, ...]:
    """Return how many voxels along each axis can change the middle of the output.

    Measured: the box around all inputs with a gradient, in a copy whose weights are all 1 and whose pooling
    averages, so that no path is silent by chance. A norm over the whole input would see all of it; norms are
    left out.

    Parameters
    ----------
    network : nn.Module
    spatial : shape of the input, larger than the field of view
    in_channels : int
    """
    shadow = copy.deepcopy(network).double().eval()
    for module in list(shadow.modules()):
        for name, child in module.named_children():
            setattr(module, name, _open(child))
    for parameter in shadow.parameters():
        nn.init.constant_(parameter, 1 / max(1, parameter[0].numel()))
    raw = torch.ones((1, in_channels, *spatial), dtype=torch.float64, requires_grad=True)
    out = shadow(raw)
    middle = tuple(length // 2 for length in out.shape[2:])
    (gradient,) = torch.autograd.grad(out[(0, slice(None), *middle)].sum(), raw)
    seen = gradient[0].abs().amax(0).nonzero()
    return tuple(int(length) for length in seen.amax(0) - seen.amin(0) + 1)


def _open(module: nn.Module) -> nn.Module:
    """Return a module through which every gradient passes, in the place of one that stops some."""
    if isinstance(module, nn.MaxPool2d | nn.MaxPool3d):
        average = nn.AvgPool2d if isinstance(module, nn.MaxPool2d) else nn.AvgPool3d
        return average(module.kernel_size, module.stride, module.padding)  # type: ignore[arg-type]
    if isinstance(
        module, nn.modules.batchnorm._BatchNorm | nn.GroupNorm | nn.modules.instancenorm._InstanceNorm
    ):
        return nn.Identity()
    return module
