import os
from typing import Any

import numpy as np
import torch
from mmengine.model import BaseDataPreprocessor, BaseModel
from mmengine.structures import InstanceData
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample

from mmpose_integral.models.weights import load_weights_file
from mmpose_integral.utils.config_files import read_config


@MODELS.register_module()
class EnsembleEstimator(BaseModel):
    """Weighted mean of the predictions of several trained models, in image px, in one pass over the data.

    Backbones, heads and input sizes may differ: the pipeline ends with :class:`MemberInputs`, which prepares the input
    of every member by its own config. :func:`mmpose_integral.evaluation.functional.average_predictions` computes the
    same mean from saved predictions.

    Args:
        members: Members with ``config`` (file), ``checkpoint`` (file or URL) and ``weight`` (default 1).
        test_cfg: Options that replace those of each member, such as ``flip_test``.
        data_preprocessor: Preprocessor of the ensemble. Default: one that leaves the inputs unchanged.
        init_cfg: Unused; the checkpoints hold all weights.

    Raises:
        ValueError: If there are no members, or a weight is not positive.
        FileNotFoundError: If a config or checkpoint does not exist.
        CheckpointError: If a checkpoint is not of its config.
    """

    def __init__(self, members: list[dict[str, Any]], test_cfg: dict | None = None,
                 data_preprocessor: dict | None = None, init_cfg: dict | None = None) -> None:
        # Members preprocess their own inputs; the default would stack inputs of different sizes.
        super().__init__(data_preprocessor or BaseDataPreprocessor(), init_cfg)
        if not members:
            raise ValueError('members: at least one dict(config=..., checkpoint=...) expected, got none')
        self.weights = np.array([member.get('weight', 1.0) for member in members], dtype=np.float64)
        if not (self.weights > 0).all():
            raise ValueError(f'members: weights above 0 expected, got {self.weights.tolist()}')
        self.members = torch.nn.ModuleList(self._build(member, test_cfg or {}) for member in members)
        cameras = [member.dataset_meta.get('camera') or dict(model='weak') for member in self.members]
        if any(camera != cameras[0] for camera in cameras):
            raise ValueError(f'members: one camera model of the training labels expected, got {cameras}; their mean is '
                             'decoded by one')

    @staticmethod
    def _build(member: dict[str, Any], test_cfg: dict) -> BaseModel:
        path, checkpoint = member['config'], member['checkpoint']
        if not os.path.isfile(path):
            raise FileNotFoundError(f'ensemble member: no config {path}; a dict(config=FILE, checkpoint=FILE, '
                                    'weight=NUMBER) expected')
        if '://' not in checkpoint and not os.path.isfile(checkpoint):
            raise FileNotFoundError(f'ensemble member {path}: no checkpoint {checkpoint}')
        model = read_config(path).model
        model.test_cfg = dict(model.get('test_cfg') or {}, **test_cfg)
        if 'backbone' in model:
            model.backbone.init_cfg = None  # the checkpoint has all weights
        model = MODELS.build(model)
        loaded = load_weights_file(model, checkpoint)
        model.dataset_meta = (loaded.get('meta') or {}).get('dataset_meta') or {}
        return model

    def forward(self, inputs: list[list[torch.Tensor]], data_samples: list[list[PoseDataSample]] | None = None,
                mode: str = 'tensor') -> list[PoseDataSample]:
        """Predict a batch.

        Args:
            inputs: Inputs by member, then by sample, (3, H, W) uint8 with the member's H, W.
            data_samples: Samples by member, then by sample.
            mode: 'predict', the only mode.

        Returns:
            Samples of the first member, with the mean in ``pred_instances``: ``keypoints`` (1, K, 3) image px,
            ``keypoint_scores`` (1, K) and, if all members have it, ``keypoint_std`` (1, K, 3).

        Raises:
            ValueError: If the mode is another one, or the inputs are of another number of members or in another order.
        """
        if mode != 'predict' or data_samples is None:
            raise ValueError(f"mode: 'predict' with data_samples expected, got {mode!r}; an ensemble only predicts, "
                             'train its members one by one')
        if len(inputs) != len(self.members):
            raise ValueError(f'inputs for {len(inputs)} members, the ensemble has {len(self.members)}; MemberInputs '
                             'of the pipeline must list the same configs')
        for number, (member, samples) in enumerate(zip(self.members, data_samples, strict=True)):
            given, wanted = samples[0].metainfo['input_size'], member.head.decoder.input_size
            if tuple(given) != tuple(wanted):
                raise ValueError(f'member {number} takes inputs of {tuple(wanted)} px and got {tuple(given)}; '
                                 'MemberInputs of the pipeline must list the configs in the order of the members')
        answers = [member.test_step(dict(inputs=list(crops), data_samples=list(samples)))
                   for member, crops, samples in zip(self.members, inputs, data_samples, strict=True)]
        return [self._merge(samples) for samples in zip(*answers, strict=True)]

    def _merge(self, samples: tuple[PoseDataSample, ...]) -> PoseDataSample:
        """Merge samples of one frame, one per member, into the first of them with the mean prediction."""
        instances = [sample.pred_instances for sample in samples]
        merged = InstanceData(bboxes=instances[0].bboxes, bbox_scores=instances[0].bbox_scores)
        def average(values: list[np.ndarray]) -> np.ndarray:
            return np.average(values, axis=0, weights=self.weights)

        for field in ('keypoints', 'keypoint_scores'):
            if all(field in one for one in instances):
                merged[field] = average([np.asarray(one[field]) for one in instances]).astype(np.float32)
        if all('keypoint_std' in one for one in instances):  # of the mixture, by the law of total variance
            variance = average([np.square(one.keypoint_std) + np.square(one.keypoints - merged.keypoints)
                                for one in instances])
            merged.keypoint_std = np.sqrt(variance).astype(np.float32)
        samples[0].pred_instances = merged
        return samples[0]
