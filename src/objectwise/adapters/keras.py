"""MALIS as a loss of Keras 3, for models on its torch backend; importing this imports Keras."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from objectwise import losses
from objectwise.errors import MissingPackageError, ShapeError, needs_extra
from objectwise.graph import Offsets

with needs_extra("objectwise.adapters.keras", extra="keras"):
    try:
        import keras

        _backend = keras.backend.backend()
    except ModuleNotFoundError as error:
        if error.name == "keras":
            raise
        _backend = str(error.name)  # the framework of the backend that Keras was about to take
if _backend != "torch":
    raise MissingPackageError(
        f"`objectwise.adapters.keras` needs the torch backend of Keras, got {_backend}; "
        "set KERAS_BACKEND=torch in the environment before Keras is imported"
    )


@keras.saving.register_keras_serializable(package="objectwise")
class MalisLoss(keras.losses.Loss):
    """`objectwise.malis_loss` for `model.compile(loss=...)`, channels last.

    Parameters
    ----------
    offsets : Neighborhood or (k, ndim) int, voxels
        The model's output has one channel per offset, in this order.
    name : str
        What Keras calls the loss.
    **options
        Those of `objectwise.MalisLoss` but `reduction`: the mean over the batch is taken, of samples times
        their weights where there are any. As there, the output is logits unless `from_logits` is False.

    Raises
    ------
    DtypeError, ShapeError, ArgumentError
        If offsets or options are not what they must be; when called, if predictions, labels and offsets do
        not fit each other or labels are not integers.
    """

    def __init__(self, offsets: Offsets, *, name: str = "malis_loss", **options: Any) -> None:
        super().__init__(name=name)
        self.options = options
        self.malis = losses.MalisLoss(offsets, reduction="none", **options)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Tensor:
        """Return the scalar loss of `y_pred` (n, *spatial, k) against integer `y_true` (n, *spatial[, 1])."""
        # The base class would turn ids into floats, where large ones become equal.
        samples = self.call(keras.ops.convert_to_tensor(y_true), keras.ops.convert_to_tensor(y_pred))
        if sample_weight is not None:
            weight = keras.ops.convert_to_tensor(sample_weight)
            if weight.shape not in (samples.shape, (*samples.shape, 1)):
                raise ShapeError(
                    f"`sample_weight` must have one number per sample ({len(samples)}), "
                    f"got shape {tuple(weight.shape)}"
                )
            samples = samples * weight.reshape(-1)
        return samples.mean()

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the loss of every sample."""
        if y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1:
            y_true = y_true[..., 0]
        if y_true.shape != y_pred.shape[:-1]:
            raise ShapeError(
                f"`y_true` must have the shape of `y_pred` {tuple(y_pred.shape)} without its last axis, "
                f"or with 1 there, got {tuple(y_true.shape)}"
            )
        samples: Tensor = self.malis(y_pred.movedim(-1, 1), y_true)
        return samples

    def get_config(self) -> dict[str, Any]:
        """Return what makes this loss, as Keras saves it."""
        offsets = [list(offset) for offset in self.malis.neighborhood.offsets]
        return {"offsets": offsets, "name": self.name, **self.options}
