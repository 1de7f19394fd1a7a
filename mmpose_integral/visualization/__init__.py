"""Pictures of people in mm: skeletons over images, 3D views, learning curves. Start with ``panel.Panel``."""
from .calibration import draw_calibration
from .canvas import WRITTEN_PICTURES, save_picture
from .curves import draw_curves, read_scalars
from .panel import Panel
from .people import People
from .pose_visualizer import IntegralPose3dVisualizer, check_window
from .scene_3d import draw_skeletons_3d
from .skeleton_drawing import draw_skeleton_2d
from .view_3d import VIEWS
from .visualization_hook import IntegralVisualizationHook

__all__ = [
    'VIEWS', 'WRITTEN_PICTURES', 'IntegralPose3dVisualizer', 'IntegralVisualizationHook', 'Panel', 'People',
    'check_window', 'draw_calibration', 'draw_curves', 'draw_skeleton_2d', 'draw_skeletons_3d', 'read_scalars',
    'save_picture']
