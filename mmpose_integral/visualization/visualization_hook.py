import os.path as osp

import mmcv
import mmengine
from mmpose.engine.hooks import PoseVisualizationHook
from mmpose.registry import HOOKS


@HOOKS.register_module()
class IntegralVisualizationHook(PoseVisualizationHook):
    """mmpose's visualization hook, which also draws the truth if it is known.

    It differs in four more ways. Images are read without their EXIF orientation, as in the data set, so that joints are
    drawn where they were predicted. ``interval`` applies to testing too. In validation the same samples are drawn every
    time, which shows progress. Skeletons have the first numeric bone length of the metrics.

    Args:
        enable (bool): Whether to draw.
        interval (int): Interval of drawing: the first sample of every n-th batch in validation, every n-th sample in
            testing.
        kpt_thr (float): Threshold of the scores; joints below it are hollow.
        show (bool): Whether to open a window.
        wait_time (float): Time for which the window is shown, s.
        out_dir (str, optional): Folder for the pictures of a test run; a relative one is created in the run's own
            folder below the work dir. Without it, pictures go to the visualizer's backends.
        backend_args (dict, optional): Arguments of mmengine's file reading.
        crop (bool): Whether to crop the image to the person.

    Raises:
        ValueError: If ``interval`` is below 1.
    """

    def __init__(self, enable=False, interval=50, kpt_thr=0.3, show=False, wait_time=0., out_dir=None,
                 backend_args=None, crop=True):
        if interval < 1:
            raise ValueError(f'interval: at least 1 expected, got {interval}')
        super().__init__(enable, interval, kpt_thr, show, wait_time, out_dir, backend_args)
        self.crop = crop
        self._used = {}

    def after_val_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        """Draw the first sample of every ``interval``-th batch."""
        if self.enable and outputs and batch_idx % self.interval == 0:
            self._visualizer.set_dataset_meta(runner.val_evaluator.dataset_meta)
            stem = osp.splitext(osp.basename(outputs[0].get('img_path')))[0]
            self._draw(outputs[0], f'val_{stem}', None, runner.epoch, runner.val_evaluator)

    def before_test_epoch(self, runner):
        """Reset the sample counter and the file names."""
        self._test_index, self._used = 0, {}

    def after_test_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        """Draw every ``interval``-th sample."""
        if not self.enable:
            return
        self._visualizer.set_dataset_meta(runner.test_evaluator.dataset_meta)
        for sample in outputs:
            self._test_index += 1
            if (self._test_index - 1) % self.interval:
                continue
            stem, out_file = osp.splitext(osp.basename(sample.get('img_path')))[0], None
            if self.out_dir is not None:
                folder = osp.join(runner.work_dir, runner.timestamp, self.out_dir)
                mmengine.mkdir_or_exist(folder)
                # An image with several people has one file per person.
                self._used[stem] = self._used.get(stem, -1) + 1
                out_file = osp.join(folder, f'{stem}_{self._used[stem]}.jpg' if self._used[stem] else f'{stem}.jpg')
            self._draw(sample, f'test_{stem}', out_file, self._test_index, runner.test_evaluator)

    def _draw(self, sample, name, out_file, step, evaluator):
        path = sample.get('img_path')
        content = mmengine.fileio.get(path, backend_args=self.backend_args)
        # mmcv applies its channel_order to the plain 'color' flag only.
        image = mmcv.bgr2rgb(mmcv.imfrombytes(content, flag='color_ignore_orientation'))
        title = osp.basename(path) + ('' if sample.get('box_found', True) else ' (no person found, whole image)')
        self._visualizer.add_datasample(
            name, image, data_sample=sample, draw_gt=True, draw_bbox=True, show=self.show, wait_time=self.wait_time,
            kpt_thr=self.kpt_thr, out_file=out_file, step=step, crop=self.crop, title=title,
            bone_length=_bone_length(evaluator))


def _bone_length(evaluator):
    """Return the first bone length in mm that the metrics report; None without one."""
    lengths = [length for metric in evaluator.metrics for length in getattr(metric, 'bone_lengths', {}).values()]
    return next((length for length in lengths if not isinstance(length, str)), None)
