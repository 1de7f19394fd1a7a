from pathlib import PurePath

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger
from mmpose.registry import METRICS

from mmpose_integral.evaluation.functional import rescale_to_bone_length
from mmpose_integral.evaluation.metrics.frame_records import make_record, mean_length_of, sort_records
from mmpose_integral.formats.h80k_index import load_index
from mmpose_integral.formats.predictions import save_predictions
from mmpose_integral.formats.submission import SubmissionError, validate_submission, write_submission

DEFAULT_CHOICE = 'train+val'


@METRICS.register_module()
class SubmissionMetric(BaseMetric):
    """Writes the predictions of a Test pass as a challenge submission, and validates what it wrote.

    Results: ``frames``, ``frames_without_box``, ``bone_length`` (mm).

    Args:
        out (str): archive (.zip) or folder to write.
        index_file (str): Test's index (npz), which says what frames must be there.
        bone_length (float | str, optional): total skeleton length of every prediction, mm; or 'train', 'val',
            'train+val' for the mean of these splits, from ``index_files`` or else from
            ``dataset_meta['skeleton_length']``. Default: 'train+val'.
        outfile (str, optional): where to write all predictions, see ``evaluation.predictions``.
        index_files (dict[str, str], optional): index (npz) of 'train' and 'val', for lengths by name.
        collect_device (str): see mmengine's :class:`BaseMetric`, as ``prefix`` and ``collect_dir``.

    Raises:
        ValueError: no bone length can be had, or a prediction that cannot be scaled, by frame id.
        SubmissionError: frames are missing, or not of Test.
    """

    default_prefix = 'submission'

    def __init__(self, out, index_file, bone_length=None, index_files=None, outfile=None, collect_device='cpu',
                 prefix=None, collect_dir=None):
        super().__init__(collect_device=collect_device, prefix=prefix, collect_dir=collect_dir)
        self.out = out
        self.outfile = outfile
        self.index = load_index(index_file)
        self.bone_length = bone_length
        if index_files and (bone_length is None or isinstance(bone_length, str)):
            self.bone_length = mean_length_of(bone_length or DEFAULT_CHOICE, index_files)

    def process(self, data_batch, data_samples):
        """Store one record a frame."""
        self.results.extend(make_record(sample, 'SubmissionMetric') for sample in data_samples)

    def compute_metrics(self, results):
        """Write and validate.

        Args:
            results (list[dict]): records of :meth:`process`.

        Returns:
            dict[str, float]: see the class.
        """
        length = self._length()
        records = sort_records(results, 'SubmissionMetric')
        frame_ids = [record['frame_id'] for record in records]
        self._check_frames(frame_ids)
        if self.outfile:
            save_predictions(self.outfile, records)
        keypoints_mm = rescale_to_bone_length(np.stack([record['pred'] for record in records]), length)
        write_submission(self.out, keypoints_mm, frame_ids, [PurePath(record['path']).stem for record in records])
        validate_submission(self.out, self.index)
        without_box = sum(not record['box_found'] for record in records)
        MMLogger.get_current_instance().info(
            f'{self.out}: {len(records)} frames, valid; total bone length {length:.1f} mm; {without_box} frames had '
            'no detected box (whole image used)')
        return dict(frames=len(records), frames_without_box=without_box, bone_length=length)

    def _check_frames(self, frame_ids):
        """Raise SubmissionError, before anything is written, unless all Test frames and no others are there."""
        have, want = set(frame_ids), set(self.index.frame_ids.tolist())
        faults = [f'frame {frame_id} was not predicted' for frame_id in sorted(want - have)]
        faults += [f'frame {frame_id} is not in the index of Test' for frame_id in sorted(have - want)]
        if faults:
            raise SubmissionError(self.out, faults)

    def _length(self):
        """The bone length in mm."""
        if self.bone_length is not None and not isinstance(self.bone_length, str):
            return float(self.bone_length)
        choice = self.bone_length or DEFAULT_CHOICE
        stored = (self.dataset_meta or {}).get('skeleton_length', {})
        if choice not in stored:
            raise ValueError(f'SubmissionMetric: bone length {choice!r} is not known: dataset_meta has lengths for '
                             f'{sorted(stored)}; give bone_length in mm, or index_files')
        return float(stored[choice])
