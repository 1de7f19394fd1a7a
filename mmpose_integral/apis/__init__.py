from .integral_pose3d_inferencer import IntegralPose3DInferencer
from .mmpose_inferencer import MMPoseInferencer
from .model_zoo import ModelAlias, find_alias, load_aliases, register_alias, user_folder

__all__ = [
    'IntegralPose3DInferencer', 'MMPoseInferencer', 'ModelAlias', 'find_alias',
    'load_aliases', 'register_alias', 'user_folder']
