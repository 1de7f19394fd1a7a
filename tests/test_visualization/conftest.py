import numpy as np
import pytest
from mmpose.registry import VISUALIZERS

import mmpose_integral  # noqa: F401  registers the visualizer and the hook


@pytest.fixture
def image():
    """A grey image."""
    return np.full((420, 300, 3), 128, np.uint8)


@pytest.fixture
def visualizer(request, tmp_path, monkeypatch):
    """A new visualizer, which hooks find; its name is new, as mmengine keeps one instance per name."""
    visualizer = VISUALIZERS.get('IntegralPose3dVisualizer').get_instance(
        request.node.name, vis_backends=[dict(type='LocalVisBackend')], save_dir=str(tmp_path))
    monkeypatch.setattr('mmengine.visualization.Visualizer.get_current_instance', lambda: visualizer)
    return visualizer
