"""A picture, and who draws on it."""
import numpy as np
import pytest
from mmpose.registry import VISUALIZERS

import mmpose_integral  # noqa: F401  registers the visualizer and the hook


@pytest.fixture
def image():
    return np.full((420, 300, 3), 128, np.uint8)


@pytest.fixture
def visualizer(request, tmp_path):
    """A new one under a new name: mmengine keeps one instance a name for the whole process."""
    return VISUALIZERS.get('IntegralPose3dVisualizer').get_instance(
        request.node.name, vis_backends=[dict(type='LocalVisBackend')], save_dir=str(tmp_path))
