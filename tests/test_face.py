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
    block = next(node for node in tree.body if isinstance(node, ast.If))
    typed = {(node.module, alias.name) for node in block.body for alias in node.names}
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


def run_without(packages: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a process in which some packages seem not to be installed."""
    blocked = f"import sys; sys.modules.update(dict.fromkeys({packages.split()!r}))\n"
    if arguments[0] == "-m":
        code = f"import runpy; sys.argv[1:] = {arguments[2:]!r}; runpy.run_module({arguments[1]!r}, run_name='__main__')"
    else:
        code = arguments[0]
    return subprocess.run([sys.executable, "-c", blocked + code], capture_output=True, text=True, check=False)


PIPELINE = "monai lightning tensorboard h5py tifffile imagecodecs PIL nibabel zarr pydantic yaml typer rich matplotlib jinja2"


@pytest.mark.parametrize("arguments", [(), ("run", "my.yaml")])
def test_the_command_line_names_the_extra_it_needs(arguments):
    ended = run_without(PIPELINE, "-m", "objectwise", *arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "error: `objectwise` needs the package typer; install objectwise[pipeline]\n"


def test_a_command_names_the_extra_it_needs():
    ended = run_without("matplotlib", "-m", "objectwise", "report", "nowhere")
    said = "error: `objectwise report` needs the package matplotlib; install objectwise[pipeline]\n"
    assert (ended.returncode, ended.stderr) == (2, said)


@pytest.mark.parametrize(
    ("name", "package"), [("AffinityUNet", "monai"), ("RunConfig", "yaml"), ("load_config", "yaml")]
)
def test_a_name_of_the_pipeline_names_the_extra_it_needs(name, package):
    code = (
        "import objectwise\n"
        f"try: objectwise.{name}\n"
        "except objectwise.errors.MissingPackageError as error: print(error, isinstance(error, ImportError))"
    )
    ended = run_without(PIPELINE, code)
    said = f"`objectwise.{name}` needs the package {package}; install objectwise[pipeline] True\n"
    assert (ended.stdout, ended.stderr) == (said, "")


def test_every_other_name_needs_the_base_install_only():
    others = sorted(set(objectwise.__all__) - {"AffinityUNet", "RunConfig", "load_config"})
    ended = run_without(PIPELINE, f"import objectwise; [getattr(objectwise, name) for name in {others}]")
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_missing_module_of_our_own_is_not_blamed_on_the_install():
    ended = run_without("objectwise.losses.edges.malis", "import objectwise; objectwise.MalisLoss")
    assert "ModuleNotFoundError: import of objectwise.losses.edges.malis halted" in ended.stderr
