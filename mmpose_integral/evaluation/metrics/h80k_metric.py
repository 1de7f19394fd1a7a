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
    """CHALL_H80K's figures, in mm, for several choices of total bone length in one pass (``docs/metrics.md``).

    Results: ``MPJPE`` (headline: the first choice), ``MPJPE_<choice>`` for every choice; for the headline also
    ``R-MPJPE`` (rigidly aligned), ``PA-MPJPE`` (aligned with scale), ``MPJPE_<joint>``, ``MPJPE_x``, ``_y``, ``_z``
    (mean absolute error), ``PCK@150`` and ``AUC`` in percent; ``frames`` and ``frames_without_box``.

    Args:
        bone_lengths (sequence[str | float]): 'per-frame' (each frame's true length); 'train', 'val', 'train+val' (the
            mean of these splits, from ``index_files``); or a length in mm. Default: the four of Table 1,
            'train+val' first.
        index_files (dict[str, str], optional): index (npz) of 'train' and 'val', as far as ``bone_lengths`` asks for
            them.
        outfile (str, optional): where to write all predictions, see ``evaluation.predictions``; their ``pred_mm`` and
            ``errors`` are those of the headline.
        collect_device (str): see mmengine's :class:`BaseMetric`, as ``prefix`` and ``collect_dir``.

    Raises:
        ValueError: a choice is unknown, twice there, or has no index file; frames without truth or with predictions
            that cannot be scaled, by frame id.
    """

    default_prefix = 'h80k'

    def __init__(self, bone_lengths=('train+val', 'train', 'val', PER_FRAME), index_files=None, outfile=None,
                 collect_device='cpu', prefix=None, collect_dir=None):
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

    def process(self, data_batch, data_samples):
        """Store one record a frame; ``data_samples`` must have ``gt_instances.keypoints_mm`` (1, 18, 3) mm."""
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

    def compute_metrics(self, results):
        """All figures, from all frames.

        Args:
            results (list[dict]): records of :meth:`process`.

        Returns:
            dict[str, float]: see the class.
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
        """The figures for people to read: bone-length choices, then the headline's details."""
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
