"""Several trained models as one: each gets its own crop, their answers are averaged in image px."""
import copy
import os

import numpy as np
import torch
from mmengine.config import Config
from mmengine.model import BaseDataPreprocessor, BaseModel
from mmengine.runner import load_checkpoint
from mmengine.structures import InstanceData
from mmpose.registry import MODELS


def read_member_config(path):
    """Config file of a member.

    Raises:
        FileNotFoundError: there is none.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f'ensemble member: no config {path}; members are dict(config=FILE, checkpoint=FILE, '
                                'weight=NUMBER)')
    return Config.fromfile(path)


@MODELS.register_module()
class EnsembleEstimator(BaseModel):
    """Weighted mean of the predictions of trained models, in one pass over the data.

    Backbones, heads and input sizes may differ: the pipeline ends with :class:`MemberInputs`, which gives every member
    the input of its own config. The mean is that of coordinates in image px, as
    :func:`mmpose_integral.evaluation.functional.average_predictions` takes it of dumped ones.

    Args:
        members (list[dict]): ``config`` (file) and ``checkpoint`` (file or URL) of each, and ``weight`` (default 1).
        test_cfg (dict, optional): put over each member's own; ``flip_test``, say.

    Raises:
        ValueError: no members, or a weight that is not positive.
        FileNotFoundError: a config or checkpoint is not there.
    """

    def __init__(self, members, test_cfg=None, data_preprocessor=None, init_cfg=None):
        # Members preprocess their own inputs; the default would stack what has different sizes.
        super().__init__(data_preprocessor or BaseDataPreprocessor(), init_cfg)
        if not members:
            raise ValueError('members: at least one dict(config=..., checkpoint=...) expected, got none')
        self.weights = np.array([member.get('weight', 1.0) for member in members], dtype=np.float64)
        if not (self.weights > 0).all():
            raise ValueError(f'members: weights above 0 expected, got {self.weights.tolist()}')
        self.members = torch.nn.ModuleList(self._build(member, test_cfg or {}) for member in members)

    @staticmethod
    def _build(member, test_cfg):
        model = copy.deepcopy(read_member_config(member['config']).model)
        model.test_cfg = dict(model.get('test_cfg') or {}, **test_cfg)
        if 'backbone' in model:
            model.backbone.init_cfg = None  # the checkpoint has everything
        model = MODELS.build(model)
        checkpoint = member['checkpoint']
        if '://' not in checkpoint and not os.path.isfile(checkpoint):
            raise FileNotFoundError(f'ensemble member {member["config"]}: no checkpoint {checkpoint}')
        load_checkpoint(model, checkpoint, map_location='cpu', strict=True)
        return model

    def forward(self, inputs, data_samples=None, mode='tensor'):
        """Predictions of a batch.

        Args:
            inputs (list[list[torch.Tensor]]): by member, then by sample, (3, H, W) uint8 with the member's H, W.
            data_samples (list[list[PoseDataSample]]): likewise.
            mode (str): 'predict'; members are trained one by one.

        Returns:
            list[PoseDataSample]: the first member's samples, with the mean in ``pred_instances``: ``keypoints``
            (1, K, 3) image px, ``keypoint_scores`` (1, K) and, if all members have it, ``keypoint_std`` (1, K, 3).

        Raises:
            ValueError: another mode, or inputs for another number of members.
        """
        if mode != 'predict':
            raise ValueError(f"mode: an ensemble only has 'predict', got {mode!r}; train its members one by one")
        if len(inputs) != len(self.members):
            raise ValueError(f'inputs for {len(inputs)} members, the ensemble has {len(self.members)}: MemberInputs '
                             'of the pipeline must list the same configs')
        for number, (member, samples) in enumerate(zip(self.members, data_samples, strict=True)):
            given, wanted = samples[0].metainfo['input_size'], member.head.decoder.input_size
            if tuple(given) != tuple(wanted):
                raise ValueError(f'member {number} takes inputs of {tuple(wanted)} px and got {tuple(given)}: '
                                 'MemberInputs of the pipeline must list the configs in the order of the members')
        answers = [member.test_step(dict(inputs=list(crops), data_samples=list(samples)))
                   for member, crops, samples in zip(self.members, inputs, data_samples, strict=True)]
        return [self._merge(samples) for samples in zip(*answers, strict=True)]

    def _merge(self, samples):
        """Samples of one frame, one a member -> the first of them with the mean prediction."""
        instances = [sample.pred_instances for sample in samples]
        merged = InstanceData(bboxes=instances[0].bboxes, bbox_scores=instances[0].bbox_scores)
        for field in ('keypoints', 'keypoint_scores', 'keypoint_std'):
            if all(field in one for one in instances):
                values = np.average([np.asarray(one[field]) for one in instances], axis=0, weights=self.weights)
                merged[field] = values.astype(np.float32)
        samples[0].pred_instances = merged
        return samples[0]
