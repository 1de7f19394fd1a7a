from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from mmpose_integral.evaluation.functional import mean_skeleton_length
from mmpose_integral.formats.h80k_index import load_index


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
        self.paths = dict(train=train, val=val) if val else dict(train=train)
        self._lengths = None

    def _measure(self):
        poses = {name: load_index(path).keypoints_mm for name, path in self.paths.items()}
        lengths = {'train': mean_skeleton_length(poses['train'])}
        if 'val' in poses:
            lengths['train+val'] = mean_skeleton_length(poses['train'], poses['val'])
        return {name: float(length) for name, length in lengths.items()}

    def before_train(self, runner: Runner) -> None:
        """Compute the lengths once, so that a wrong path stops the run before the first step."""
        self._lengths = self._measure()

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Add the lengths to the checkpoint before it is written."""
        checkpoint['meta'].setdefault('dataset_meta', {})['skeleton_length'] = dict(self._lengths or self._measure())
