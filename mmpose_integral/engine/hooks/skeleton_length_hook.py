from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from mmpose_integral.evaluation.functional import mean_skeleton_length
from mmpose_integral.formats.h80k_index import load_index_with_poses
from mmpose_integral.structures.bone_length import check_bone_length


@HOOKS.register_module()
class SkeletonLengthHook(Hook):
    """Write the mean skeleton lengths of the training data into every checkpoint.

    They are stored in ``meta['dataset_meta']['skeleton_length']``, a dict from 'train' and, if Val's index is given,
    'train+val' to mm. The inferencer and the submission scale predictions by them.

    Args:
        train: Index (npz) of Train.
        val: Index (npz) of Val.
    """

    def __init__(self, train: str, val: str | None = None) -> None:
        self.train, self.val = train, val
        self._lengths: dict[str, float] = {}

    def before_train(self, runner: Runner) -> None:
        """Compute the lengths once, so that a wrong path stops the run before the first step."""
        _, poses = load_index_with_poses(self.train)
        self._lengths = {'train': float(mean_skeleton_length(poses))}
        if self.val:
            self._lengths['train+val'] = float(mean_skeleton_length(poses, load_index_with_poses(self.val)[1]))
        for split, length in self._lengths.items():
            check_bone_length(length, f'mean bone length of {split} ({self.train})')

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Add the lengths to the checkpoint before it is written."""
        if not self._lengths:
            self.before_train(runner)
        checkpoint['meta'].setdefault('dataset_meta', {})['skeleton_length'] = dict(self._lengths)
