from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger
from mmpose.registry import METRICS

from mmpose_integral.evaluation.functional import PER_FRAME, H80KResult, evaluate_h80k
from mmpose_integral.evaluation.metrics.frame_records import (
    make_record,
    mean_length_of,
    read_pose,
    sort_records,
    stack_intrinsics,
)
from mmpose_integral.formats.predictions import save_predictions
from mmpose_integral.structures import middle_of_image
from mmpose_integral.structures.bone_length import check_bone_length
from mmpose_integral.structures.skeleton import JOINT_NAMES, NUM_FILE_JOINTS

WEAKLY, BY_PERSPECTIVE = 'MPJPE_decoded_weakly', 'MPJPE_decoded_by_perspective'


@METRICS.register_module()
class H80KMetric(BaseMetric):
    """Figures of CHALL_H80K, in mm, for several choices of total bone length in one pass (``docs/metrics.md``).

    The results are ``MPJPE_<choice>`` for every choice, ``frames``, ``frames_without_box``, and ``MPJPE`` for the first
    choice, which is the headline. There are also ``R-MPJPE`` (rigidly aligned), ``PA-MPJPE`` (aligned with scale),
    ``MPJPE_<joint>``, ``MPJPE_x``, ``_y``, ``_z`` (mean absolute error), and ``PCK@150`` and ``AUC`` in percent for the
    headline. The headline by the wrong decoding, that of the other camera model, is ``MPJPE_decoded_weakly`` for a
    model with perspective labels, and ``MPJPE_decoded_by_perspective`` for one with weak-perspective labels and a given
    ``focal_length``. If the frames have labels, ``loss`` is the mean loss per frame. A frame without a camera has
    loss 0.

    Args:
        bone_lengths: Choices of the bone length: 'per-frame' (each frame's true length); 'train', 'val', 'train+val'
            (mean of these splits, from ``index_files``); or a length in mm. Default: the four of Table 1, 'train+val'
            first.
        index_files: Index files (npz) of 'train' and 'val', as ``bone_lengths`` needs them.
        outfile: File for all predictions; see :mod:`mmpose_integral.formats.predictions`. Its ``pred_mm`` and
            ``errors`` are those of the headline.
        focal_length: Focal length of the frames, px, for ``MPJPE_decoded_by_perspective``; nothing else uses it.
        **kwargs: Further arguments of mmengine's :class:`BaseMetric`.

    Raises:
        ValueError: If a choice is unknown, occurs twice, has no index file or is no body's length, or a frame has no
            ground truth or a prediction that cannot be scaled.
    """

    default_prefix = 'h80k'

    def __init__(self, bone_lengths: Sequence[str | float] = ('train+val', 'train', 'val', PER_FRAME),
                 index_files: dict[str, str] | None = None, outfile: str | None = None,
                 focal_length: float | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.outfile, self.focal_length = outfile, focal_length
        self.bone_lengths: dict[str, str | float] = {}
        for choice in bone_lengths:
            name = choice if isinstance(choice, str) else f'{choice:.10g}'
            if name in self.bone_lengths:
                raise ValueError(f'bone_lengths: {name} is there twice in {tuple(bone_lengths)}')
            by_name = isinstance(choice, str) and choice != PER_FRAME
            if not isinstance(choice, str):
                check_bone_length(choice, 'bone_lengths')
            self.bone_lengths[name] = mean_length_of(name, index_files or {}) if by_name else choice
        if not self.bone_lengths:
            raise ValueError('bone_lengths: at least one choice expected, got none')

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Store one record per frame; ``data_samples`` must have ``gt_instances.keypoints_mm`` (1, 18, 3) mm."""
        for sample in data_samples:
            record = make_record(sample, 'H80KMetric')
            if 'keypoints_mm' not in sample.get('gt_instances', {}):
                raise ValueError(f'H80KMetric: frame {record["frame_id"]} ({record["path"]}) has no gt_instances.'
                                 'keypoints_mm. Test has no truth; use mmpose-integral submit for it. In other splits, '
                                 'PackPose3DInputs adds the truth')
            record['gt'] = read_pose(sample, 'gt_instances', 'keypoints_mm', 'H80KMetric')
            if 'loss' in sample['pred_instances']:
                record['loss'] = float(sample['pred_instances']['loss'][0])
            if self.focal_length is not None:
                record['given'] = np.array([self.focal_length, *middle_of_image(sample['ori_shape'][1::-1])])
            self.results.append(record)

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Compute all figures from the records of :meth:`process`."""
        records = sort_records(results, 'H80KMetric')
        pred = np.stack([record['pred'] for record in records])
        truth = np.concatenate([record['gt'] for record in records])
        intrinsics = stack_intrinsics(records)
        result = evaluate_h80k(pred, truth, self.bone_lengths, intrinsics)
        details = dict(zip((*JOINT_NAMES[:NUM_FILE_JOINTS], 'x', 'y', 'z'),
                           (*result.per_joint.tolist(), *result.per_axis.tolist()), strict=True))
        metrics = {'MPJPE': next(iter(result.mpjpe.values())),
                   **{f'MPJPE_{name}': value for name, value in result.mpjpe.items()},
                   'R-MPJPE': result.rigid, 'PA-MPJPE': result.similarity,
                   **{f'MPJPE_{name}': value for name, value in details.items()},
                   'PCK@150': result.pck, 'AUC': result.auc, 'frames': len(records),
                   'frames_without_box': sum(not record['box_found'] for record in records)}
        if 'loss' in records[0]:
            metrics['loss'] = float(np.mean([record['loss'] for record in records]))
        headline = dict([next(iter(self.bone_lengths.items()))])
        if intrinsics is not None:
            metrics[WEAKLY], = evaluate_h80k(pred, truth, headline).mpjpe.values()
        elif self.focal_length is not None:
            given = np.stack([record['given'] for record in records])
            metrics[BY_PERSPECTIVE], = evaluate_h80k(pred, truth, headline, given).mpjpe.values()
        MMLogger.get_current_instance().info('H80K evaluation\n' + self._table(result, metrics))
        if self.outfile:
            save_predictions(self.outfile, records, pred_mm=result.pred_mm.astype(np.float32),
                             gt_mm=truth - truth[:, :1], errors=result.errors.astype(np.float32))
        return metrics

    def _table(self, result: H80KResult, metrics: dict[str, float]) -> str:
        """Format the figures as text: bone-length choices, then the details of the headline."""
        lines = [f'{"bone length":>14}{"mm":>10}{"MPJPE mm":>10}']
        for name, length in self.bone_lengths.items():
            shown = length if isinstance(length, str) else f'{length:.1f}'
            lines.append(f'{name:>14}{shown:>10}{result.mpjpe[name]:10.1f}')
        x, y, z = result.per_axis
        joints = [f'{name} {value:.0f}' for name, value in zip(JOINT_NAMES, result.per_joint, strict=False)]
        return '\n'.join([
            *lines,
            f'with {next(iter(result.mpjpe))}: rigid {result.rigid:.1f}, similarity {result.similarity:.1f}, '
            f'x {x:.1f}, y {y:.1f}, z {z:.1f} mm; PCK@150 {result.pck:.1f} %, AUC {result.auc:.1f} %',
            'joints, mm: ' + ', '.join(joints[1:]),
            f'{metrics["frames"]} frames, {metrics["frames_without_box"]} of them without a detected box '
            '(whole image used)',
            *(f'decoded by {right}; wrongly decoded by {wrong}, MPJPE {metrics[name]:.1f} mm'
              for name, right, wrong in ((WEAKLY, 'perspective', 'weak perspective'),
                                         (BY_PERSPECTIVE, 'weak perspective', 'perspective')) if name in metrics)])
