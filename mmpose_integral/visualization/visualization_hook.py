from collections.abc import Sequence
from pathlib import Path

import mmcv
import mmengine
from mmengine.evaluator import Evaluator
from mmengine.runner import Runner
from mmpose.engine.hooks import PoseVisualizationHook
from mmpose.registry import HOOKS
from mmpose.structures import PoseDataSample


@HOOKS.register_module()
class IntegralVisualizationHook(PoseVisualizationHook):
    """mmpose's visualization hook, which also draws the truth if it is known.

    It differs in four more ways. Images are read without their EXIF orientation, as in the data set, so that joints are
    drawn where they were predicted. ``interval`` applies to testing too. In validation the same samples are drawn every
    time, which shows progress. Skeletons have the first numeric bone length of the metrics.

    Args:
        enable, kpt_thr, show, wait_time, backend_args: Arguments of mmpose's hook; joints below ``kpt_thr`` are hollow.
        interval: Interval of drawing: the first sample of every n-th batch in validation, every n-th sample in testing.
        out_dir: Folder for the pictures of a test run; a relative one is created in the run's own folder below the work
            dir. Without it, pictures go to the visualizer's backends.
        crop: Whether to crop the image to the person.

    Raises:
        ValueError: If ``interval`` is below 1.
    """

    def __init__(self, enable: bool = False, interval: int = 50, kpt_thr: float = 0.3, show: bool = False,
                 wait_time: float = 0., out_dir: str | None = None, backend_args: dict | None = None,
                 crop: bool = True) -> None:
        if interval < 1:
            raise ValueError(f'interval: at least 1 expected, got {interval}')
        super().__init__(enable, interval, kpt_thr, show, wait_time, out_dir, backend_args)
        self.crop = crop
        self._used: dict[str, int] = {}

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None,
                       outputs: Sequence[PoseDataSample] | None = None) -> None:
        """Draw the first sample of every ``interval``-th batch."""
        if self.enable and outputs and batch_idx % self.interval == 0:
            self._draw(outputs[0], 'val', None, runner.epoch, runner.val_evaluator)

    def before_test_epoch(self, runner: Runner) -> None:
        """Reset the sample counter and the file names."""
        self._test_index, self._used = 0, {}

    def after_test_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None,
                        outputs: Sequence[PoseDataSample] | None = None) -> None:
        """Draw every ``interval``-th sample."""
        for sample in outputs if self.enable and outputs else ():
            self._test_index += 1
            if (self._test_index - 1) % self.interval == 0:
                folder = None if self.out_dir is None else Path(runner.work_dir, runner.timestamp, self.out_dir)
                self._draw(sample, 'test', folder, self._test_index, runner.test_evaluator)

    def _draw(self, sample: PoseDataSample, split: str, folder: Path | None, step: int, evaluator: Evaluator) -> None:
        path, out_file = sample.get('img_path'), None
        stem = Path(path).stem
        if folder is not None:
            # An image with several people has one file per person.
            self._used[stem] = self._used.get(stem, -1) + 1
            out_file = str(folder / f'{stem}_{self._used[stem]}.jpg' if self._used[stem] else folder / f'{stem}.jpg')
        content = mmengine.fileio.get(path, backend_args=self.backend_args)
        # mmcv applies its channel_order to the plain 'color' flag only.
        image = mmcv.bgr2rgb(mmcv.imfrombytes(content, flag='color_ignore_orientation'))
        title = Path(path).name + ('' if sample.get('box_found', True) else ' (no person found, whole image)')
        lengths = [length for metric in evaluator.metrics for length in getattr(metric, 'bone_lengths', {}).values()]
        self._visualizer.set_dataset_meta(evaluator.dataset_meta)
        self._visualizer.add_datasample(
            f'{split}_{stem}', image, data_sample=sample, draw_gt=True, draw_bbox=True, show=self.show,
            wait_time=self.wait_time, kpt_thr=self.kpt_thr, out_file=out_file, step=step, crop=self.crop, title=title,
            bone_length=next((length for length in lengths if not isinstance(length, str)), None))
