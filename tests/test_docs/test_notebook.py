"""docs/inference.ipynb runs from top to bottom without a network, and its figures are those of its text."""
import ast
import json
import re
import sys

import nbformat
import pytest
from nbclient import NotebookClient
from small_training import REPO

NOTEBOOK = REPO / 'docs' / 'inference.ipynb'


@pytest.fixture
def notebook():
    return nbformat.read(NOTEBOOK, as_version=4)


@pytest.fixture
def this_python(tmp_path, monkeypatch):
    """Make the interpreter of this test the kernel 'python3', independent of the kernels of the user."""
    folder = tmp_path / 'jupyter' / 'kernels' / 'python3'
    folder.mkdir(parents=True)
    argv = [sys.executable, '-m', 'ipykernel_launcher', '-f', '{connection_file}']
    (folder / 'kernel.json').write_text(json.dumps(dict(argv=argv, display_name='this', language='python')))
    monkeypatch.setenv('JUPYTER_PATH', str(tmp_path / 'jupyter'))
    # Folders of histories and connection files
    for name in ('JUPYTER_RUNTIME_DIR', 'JUPYTER_CONFIG_DIR', 'IPYTHONDIR'):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))


def test_it_is_stored_without_outputs(notebook):
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == 'code':
            assert not cell.outputs and cell.execution_count is None, f'clear the outputs of cell {cell.id}'
    assert NOTEBOOK.stat().st_size < 30_000


def test_its_links_exist(notebook):
    text = '\n'.join(cell.source for cell in notebook.cells if cell.cell_type == 'markdown')
    targets = re.findall(r'\]\(([^)#\s]+)', text)
    assert len(targets) > 5
    assert not [target for target in targets if not (NOTEBOOK.parent / target).is_file()]


@pytest.mark.slow
def test_it_runs(notebook, this_python, tmp_path, monkeypatch):
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    monkeypatch.delenv('MPLBACKEND', raising=False)  # the notebook draws into itself
    # With a proxy that does not exist, every use of the network fails.
    for name in ('http_proxy', 'https_proxy', 'HTTP_PROXY', 'HTTPS_PROXY'):
        monkeypatch.setenv(name, 'http://127.0.0.1:9')
    code = 'import sys; print(dict(figures={k: float(v) for k, v in figures.items()}, python=sys.executable))'
    notebook.cells.append(nbformat.v4.new_code_cell(code))
    work = tmp_path / 'work'
    work.mkdir()
    place = dict(metadata=dict(path=str(work)))
    NotebookClient(notebook, timeout=300, kernel_name='python3', resources=place).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == 'code' for output in cell.outputs]
    assert sum('image/png' in output.get('data', {}) for output in outputs) == 3
    result = ast.literal_eval(outputs[-1]['text'])
    assert result['python'] == sys.executable
    error = result['figures']
    # The text says "about 70 mm"; the error is smaller with the true size, and still smaller after alignment.
    assert 55 < error['mean bone length of training'] < 85
    assert error['own length of each person'] < error['mean bone length of training']
    assert 25 < error['best rotation, place and size'] < error['own length of each person']
    assert 0.005 < error['depth, own bone length'] < 0.06 < error['depth, mean bone length'] + 0.03
    assert not list(work.iterdir())
