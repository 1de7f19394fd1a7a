from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS
from mmengine.runner import Runner


@HOOKS.register_module()
class LabelCameraHook(Hook):
    """Tell the model what its ``dataset_meta`` says about its predictions: camera of the labels, calibration.

    By ``camera``, predictions are decoded as the training labels were made. ``std_factors`` calibrate its standard
    deviations; only a checkpoint has them, and a training drops them.

    The camera is ``dataset_meta['camera']`` of the training data, or of the checkpoint in a run without training: its
    ``model`` ('weak' or 'perspective') and, for perspective, ``focal_length`` in px. Without such an entry, it is weak.
    """

    def before_train(self, runner: Runner) -> None:
        """Use the camera of the training data."""
        self._set(runner, runner.train_dataloader.dataset.metainfo)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Use the camera of the checkpoint."""
        self._set(runner, (checkpoint.get('meta') or {}).get('dataset_meta') or {})

    @staticmethod
    def _set(runner: Runner, dataset_meta: dict) -> None:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        model.dataset_meta = dict(
            getattr(model, 'dataset_meta', None) or {},
            **{name: dataset_meta.get(name) for name in ('camera', 'std_factors', 'skeleton_length')})
