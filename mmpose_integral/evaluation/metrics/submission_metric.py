from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger
from mmpose.registry import METRICS

from mmpose_integral.evaluation.functional import px_to_mm
from mmpose_integral.evaluation.metrics.frame_records import make_record, mean_length_of, sort_records, stack_intrinsics
from mmpose_integral.formats.h80k_index import load_index
from mmpose_integral.formats.predictions import save_predictions
from mmpose_integral.formats.submission import SubmissionError, validate_submission, write_submission
from mmpose_integral.structures.bone_length import check_bone_length


@METRICS.register_module()
class SubmissionMetric(BaseMetric):
    """Writer and validator of a challenge submission from the predictions of a pass over Test.

    The results are ``frames``, ``frames_without_box`` and ``bone_length`` (mm).

    Args:
        out: Archive (.zip) or folder to write.
        index_file: Index (npz) of Test, which lists the required frames.
        bone_length: Total skeleton length of every prediction, mm; or 'train', 'val', 'train+val' for the mean of these
            splits. The mean comes from ``index_files`` if given, otherwise from ``dataset_meta['skeleton_length']``.
            Default: 'train+val'.
        index_files: Index files (npz) of 'train' and 'val', for lengths by name.
        outfile: File for all predictions; see :mod:`mmpose_integral.formats.predictions`.
        **kwargs: Further arguments of mmengine's :class:`BaseMetric`.

    Raises:
        ValueError: If the bone length is unknown or no body's, or a prediction cannot be scaled.
        SubmissionError: If frames are missing, or not of Test.
    """

    default_prefix = 'submission'

    def __init__(self, out: str, index_file: str, bone_length: float | str | None = None,
                 index_files: dict[str, str] | None = None, outfile: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.out = out
        self.outfile = outfile
        self.index = load_index(index_file)
        self.bone_length = 'train+val' if bone_length is None else bone_length
        if index_files and isinstance(self.bone_length, str):
            self.bone_length = mean_length_of(self.bone_length, index_files)
        if not isinstance(self.bone_length, str):
            check_bone_length(self.bone_length, 'bone_length')

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Store one record per frame; see :func:`make_record`."""
        self.results.extend(make_record(sample, 'SubmissionMetric') for sample in data_samples)

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Write and validate the submission from the records of :meth:`process`."""
        length = self._length()
        records = sort_records(results, 'SubmissionMetric')
        frame_ids = [record['frame_id'] for record in records]
        have, want = set(frame_ids), set(self.index.frame_ids.tolist())
        faults = [f'frame {frame_id} was not predicted' for frame_id in sorted(want - have)]
        faults += [f'frame {frame_id} is not in the index of Test' for frame_id in sorted(have - want)]
        if faults:
            raise SubmissionError(self.out, faults)
        if self.outfile:
            save_predictions(self.outfile, records)
        pred = np.stack([record['pred'] for record in records])
        keypoints_mm = px_to_mm(pred, length, stack_intrinsics(records)).keypoints
        write_submission(self.out, keypoints_mm, frame_ids, [PurePath(record['path']).stem for record in records])
        validate_submission(self.out, self.index)
        without_box = sum(not record['box_found'] for record in records)
        MMLogger.get_current_instance().info(
            f'{self.out}: {len(records)} frames, valid; total bone length {length:.1f} mm; {without_box} frames had '
            'no detected box (whole image used)')
        return dict(frames=len(records), frames_without_box=without_box, bone_length=length)

    def _length(self) -> float:
        """Bone length, mm. A name is looked up in ``dataset_meta``, which mmengine sets before the pass over Test."""
        if not isinstance(self.bone_length, str):
            return float(self.bone_length)
        stored = (self.dataset_meta or {}).get('skeleton_length', {})
        if self.bone_length not in stored:
            raise ValueError(f'SubmissionMetric: bone length {self.bone_length!r} is not known: dataset_meta has '
                             f'lengths for {sorted(stored)}; give bone_length in mm, or index_files')
        check_bone_length(stored[self.bone_length], f'skeleton_length[{self.bone_length!r}] of the checkpoint')
        return float(stored[self.bone_length])
