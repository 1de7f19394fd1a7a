from collections.abc import Sequence

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger
from mmpose.registry import METRICS

from mmpose_integral.evaluation.functional import PER_FRAME, evaluate_h80k
from mmpose_integral.evaluation.metrics.frame_records import make_record, mean_length_of, sort_records, to_array
from mmpose_integral.formats.predictions import save_predictions
from mmpose_integral.structures.skeleton import JOINT_NAMES, NUM_FILE_JOINTS, NUM_JOINTS


@METRICS.register_module()
class H80KMetric(BaseMetric):
    """Figures of CHALL_H80K, in mm, for several choices of total bone length in one pass (``docs/metrics.md``).

    The results are ``MPJPE_<choice>`` for every choice, ``frames``, ``frames_without_box``, and ``MPJPE`` for the first
    choice, which is the headline. There are also ``R-MPJPE`` (rigidly aligned), ``PA-MPJPE`` (aligned with scale),
    ``MPJPE_<joint>``, ``MPJPE_x``, ``_y``, ``_z`` (mean absolute error), and ``PCK@150`` and ``AUC`` in percent for the
    headline.

    Args:
        bone_lengths: Choices of the bone length: 'per-frame' (each frame's true length); 'train', 'val', 'train+val'
            (mean of these splits, from ``index_files``); or a length in mm. Default: the four of Table 1, 'train+val'
            first.
        index_files: Index files (npz) of 'train' and 'val', as ``bone_lengths`` needs them.
        outfile: File for all predictions; see :mod:`mmpose_integral.formats.predictions`. Its ``pred_mm`` and
            ``errors`` are those of the headline.
        collect_device: Argument of mmengine's :class:`BaseMetric`.
        prefix: Argument of mmengine's :class:`BaseMetric`.
        collect_dir: Argument of mmengine's :class:`BaseMetric`.

    Raises:
        ValueError: If a choice is unknown, occurs twice or has no index file, or a frame has no ground truth or a
            prediction that cannot be scaled.
    """

    default_prefix = 'h80k'

    def __init__(self, bone_lengths: Sequence[str | float] = ('train+val', 'train', 'val', PER_FRAME),
                 index_files: dict[str, str] | None = None, outfile: str | None = None, collect_device: str = 'cpu',
                 prefix: str | None = None, collect_dir: str | None = None) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix, collect_dir=collect_dir)
        self.outfile = outfile
        self.bone_lengths = {}
        for choice in bone_lengths:
            name = choice if isinstance(choice, str) else f'{choice:.10g}'
            if name in self.bone_lengths:
                raise ValueError(f'bone_lengths: {name} is there twice in {tuple(bone_lengths)}')
            if isinstance(choice, str) and choice != PER_FRAME:
                choice = mean_length_of(choice, index_files or {})
            self.bone_lengths[name] = choice
        if not self.bone_lengths:
            raise ValueError('bone_lengths: at least one choice expected, got none')

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Store one record per frame; ``data_samples`` must have ``gt_instances.keypoints_mm`` (1, 18, 3) mm."""
        for sample in data_samples:
            record = make_record(sample, 'H80KMetric')
            name = f'H80KMetric: frame {record["frame_id"]} ({record["path"]})'
            gt = sample.get('gt_instances', {}).get('keypoints_mm')
            if gt is None:
                raise ValueError(f'{name} has no gt_instances.keypoints_mm; Test has no truth (tools/submit.py is '
                                 'for Test), the other splits get theirs from PackPose3DInputs')
            record['gt'] = to_array(gt)
            if record['gt'].shape != (1, NUM_JOINTS, 3) or not np.isfinite(record['gt']).all():
                raise ValueError(f'{name}: gt_instances.keypoints_mm: finite values of shape (1, {NUM_JOINTS}, 3) '
                                 f'expected, got shape {record["gt"].shape}')
            self.results.append(record)

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Compute all figures from all frames.

        Args:
            results: Records of :meth:`process`.

        Returns:
            Results; see the class.
        """
        records = sort_records(results, 'H80KMetric')
        pred = np.stack([record['pred'] for record in records])
        truth = np.concatenate([record['gt'] for record in records])
        result = evaluate_h80k(pred, truth, self.bone_lengths)
        metrics = {'MPJPE': next(iter(result.mpjpe.values()))}
        metrics.update({f'MPJPE_{name}': value for name, value in result.mpjpe.items()})
        metrics.update({'R-MPJPE': result.rigid, 'PA-MPJPE': result.similarity})
        names = (*JOINT_NAMES[:NUM_FILE_JOINTS], 'x', 'y', 'z')
        values = (*result.per_joint.tolist(), *result.per_axis.tolist())
        metrics.update({f'MPJPE_{name}': value for name, value in zip(names, values, strict=True)})
        metrics.update({'PCK@150': result.pck, 'AUC': result.auc, 'frames': len(records),
                        'frames_without_box': sum(not record['box_found'] for record in records)})
        MMLogger.get_current_instance().info('H80K evaluation\n' + self._table(result, metrics))
        if self.outfile:
            save_predictions(self.outfile, records, pred_mm=result.pred_mm.astype(np.float32),
                             gt_mm=truth - truth[:, :1], errors=result.errors.astype(np.float32))
        return metrics

    def _table(self, result, metrics):
        """Format the figures as text: bone-length choices, then the details of the headline."""
        lines = [f'{"bone length":>14}{"mm":>10}{"MPJPE mm":>10}']
        for name, value in result.mpjpe.items():
            length = self.bone_lengths[name]
            lines.append(f'{name:>14}{length if isinstance(length, str) else f"{length:.1f}":>10}{value:10.1f}')
        headline = next(iter(result.mpjpe))
        lines.append(f'with {headline}: rigid {result.rigid:.1f}, similarity {result.similarity:.1f}, '
                     'x {:.1f}, y {:.1f}, z {:.1f} mm; '.format(*result.per_axis)
                     + f'PCK@150 {result.pck:.1f} %, AUC {result.auc:.1f} %')
        joints = [f'{name} {value:.0f}' for name, value in zip(JOINT_NAMES, result.per_joint, strict=False)]
        lines.append('joints, mm: ' + ', '.join(joints[1:]))
        lines.append(f'{metrics["frames"]} frames, {metrics["frames_without_box"]} of them without a detected box '
                     '(whole image used)')
        return '\n'.join(lines)
