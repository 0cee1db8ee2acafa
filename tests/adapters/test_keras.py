"""The Keras adapter, in processes of their own: a backend is chosen once, when Keras is imported."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import textwrap

import pytest

needs_keras = pytest.mark.skipif(
    importlib.util.find_spec("keras") is None, reason="Keras is not installed: pip install objectwise[keras]"
)


def run_python(code: str, *, backend: str = "torch") -> str:
    """Run code with a backend of Keras, and return what it prints."""
    environment = {**os.environ, "KERAS_BACKEND": backend, "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@needs_keras
def test_fit_trains_a_toy_and_saves_and_loads_its_loss(tmp_path):
    shown = run_python(f"""
        import keras, numpy as np
        from objectwise.adapters.keras import MalisLoss

        keras.utils.set_random_seed(0)
        labels = np.repeat([[[1, 1, 1, 2**40, 2**40, 2**40]]], 6, axis=1).repeat(4, axis=0)
        raw = (labels == 1).astype("float32")[..., None] + np.random.default_rng(0).normal(0, 0.1, (4, 6, 6, 1))
        model = keras.Sequential([keras.Input((6, 6, 1)), keras.layers.Conv2D(2, 3, padding="same")])
        loss = MalisLoss([[-1, 0], [0, -1]], edge_loss="bce")
        model.compile(optimizer=keras.optimizers.SGD(1.0), loss=loss)
        before = [weight.copy() for weight in model.get_weights()]
        history = model.fit(raw, labels[..., None], batch_size=4, epochs=2, verbose=0, shuffle=False)
        print(all(np.isfinite(weight).all() for weight in model.get_weights()))
        print(all((new != old).any() for new, old in zip(model.get_weights(), before)))
        first, second = history.history["loss"]
        print(0 < second < first)
        model.save("{tmp_path}/model.keras")
        print(keras.models.load_model("{tmp_path}/model.keras").loss.get_config() == loss.get_config())
    """)
    assert shown.split() == ["True"] * 4


@needs_keras
def test_loss_is_that_of_torch_with_ids_beyond_floats_and_weights_of_samples():
    shown = run_python("""
        import numpy as np, torch
        from objectwise import Neighborhood, malis_loss
        from objectwise.adapters.keras import MalisLoss

        rng = np.random.default_rng(0)
        for shape in ((5, 6), (3, 4, 5)):
            neighborhood = Neighborhood.nearest(len(shape))
            prediction = rng.random((2, *shape, len(shape)), np.float32)
            labels = rng.integers(0, 3, (2, *shape)) + 2**53
            first, second = malis_loss(
                torch.from_numpy(prediction).movedim(-1, 1), torch.from_numpy(labels), neighborhood,
                from_logits=False, reduction="none",
            )
            loss = MalisLoss(neighborhood, from_logits=False)
            print(torch.equal(loss(labels, prediction), (first + second) / 2))
            print(torch.equal(loss(labels[..., None], prediction, [3.0, 1.0]), (3 * first + second) / 2))
    """)
    assert shown.split() == ["True"] * 4


@needs_keras
def test_input_that_does_not_fit_is_refused():
    refused = {
        "loss(labels, prediction, np.ones(3))": "ShapeError `sample_weight` must have one number per sample (2), got",
        "loss(labels[:, :3], prediction)": "ShapeError `y_true` must have the shape of `y_pred` (2, 4, 4, 2)",
        "loss(labels * 1.0, prediction)": "DtypeError `labels` must hold integer ids",
        "loss(labels, prediction[..., :1])": "ShapeError `offsets` must have one row per channel",
        "MalisLoss([[-1, 0]], edge_loss='cubed')": "ArgumentError `edge_loss` must be one of",
    }
    shown = run_python(f"""
        import numpy as np
        from objectwise.adapters.keras import MalisLoss

        loss, labels, prediction = MalisLoss([[-1, 0], [0, -1]]), np.ones((2, 4, 4), int), np.zeros((2, 4, 4, 2))
        for call in {list(refused)}:
            try:
                eval(call)
            except Exception as error:
                print(type(error).__name__, error)
    """)
    for line, said in zip(shown.splitlines(), refused.values(), strict=True):
        assert line.startswith(said)


@needs_keras
@pytest.mark.parametrize(
    ("backend", "first"),
    [
        ("jax", "import sys; sys.modules['jax'] = None"),
        ("torch", "import keras; keras.backend.backend = lambda: 'jax'"),
    ],
    ids=["not installed", "imported already"],
)
def test_another_backend_is_refused(backend: str, first: str):
    shown = run_python(
        f"""
        {first}
        try:
            import objectwise.adapters.keras
        except ImportError as error:
            print(error)
        """,
        backend=backend,
    )
    assert shown.startswith(
        "`objectwise.adapters.keras` needs the torch backend of Keras, got jax; set KERAS_"
    )


def test_without_keras_the_extra_is_named():
    shown = run_python("""
        import sys
        sys.modules["keras"] = None
        try:
            import objectwise.adapters.keras
        except ImportError as error:
            print(error)
    """)
    assert shown == "`objectwise.adapters.keras` needs the package keras; install objectwise[keras]\n"
