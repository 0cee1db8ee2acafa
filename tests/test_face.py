import ast
import subprocess
import sys
from pathlib import Path

import pytest

import objectwise


@pytest.mark.parametrize("name", objectwise.__all__)
def test_every_public_name_loads(name):
    assert getattr(objectwise, name).__name__ == name
    assert name in dir(objectwise)


def test_the_names_for_type_checkers_are_those_that_load():
    tree = ast.parse(Path(objectwise.__file__).read_text())
    typed = {(node.module, alias.name) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
             for alias in node.names if node.module.startswith("objectwise.")}  # fmt: skip
    assert typed == {(home, name) for name, home in objectwise._HOMES.items()}
    assert sorted(objectwise.__all__) == sorted(objectwise._HOMES)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'objectwise' has no attribute 'watershed3d'"):
        _ = objectwise.watershed3d


def test_importing_the_face_loads_nothing_heavy():
    heavy = ("torch", "numba", "monai", "lightning", "dask", "scipy")
    code = f"import objectwise, sys; print([m for m in {heavy!r} if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_the_array_path_does_not_import_torch():
    code = (
        "import objectwise, numpy as np, sys;"
        "objectwise.malis_pair_counts(np.ones((1, 2, 2)), np.ones((2, 2), int), [[0, -1]]);"
        "print('torch' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"
