"""Batches that reach the GPU in one copy: stacked by the worker, copied as uint8, normalised on the GPU."""
from collections.abc import Sequence

import torch
from mmengine.dataset import pseudo_collate
from mmengine.registry import FUNCTIONS
from mmpose.models.data_preprocessors import PoseDataPreprocessor
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample


@FUNCTIONS.register_module()
def stacked_collate(samples: Sequence[dict]) -> dict:
    """Collate a batch with all crops in one tensor.

    mmengine's ``pseudo_collate`` returns a list. Each of its crops is sent by the worker, pinned and copied separately.
    With one tensor, this happens once per batch.

    Args:
        samples: Samples with ``inputs`` (3, H, W) uint8, all of one size, and ``data_samples``.

    Returns:
        Batch with ``inputs`` (B, 3, H, W) uint8 and a list of B ``data_samples``.
    """
    batch = pseudo_collate(samples)
    return dict(batch, inputs=torch.stack(list(batch['inputs'])))


@MODELS.register_module()
class BatchPosePreprocessor(PoseDataPreprocessor):
    """mmpose's preprocessor for crops of one size, with the same values, on the batch instead of crop by crop.

    Crops reach the device as uint8 in one copy, and so does each label field of all samples. Channels are reversed,
    converted to float32 and normalised there. mmpose's preprocessor processes each crop separately and indexes its
    channels by a list, which waits for the GPU. Samples are changed in place.

    Args:
        mean, std: Mean and standard deviation of the channels, after they are reversed.
        bgr_to_rgb, rgb_to_bgr: Whether to reverse the channels.
        non_blocking: Whether copies from pinned memory are asynchronous.
        channels_last: Whether to store the batch in the order that :class:`ChannelsLastHook` gives the model.
    """

    def __init__(self, mean: Sequence[float] | None = None, std: Sequence[float] | None = None,
                 bgr_to_rgb: bool = False, rgb_to_bgr: bool = False, non_blocking: bool = True,
                 channels_last: bool = False) -> None:
        super().__init__(mean=mean, std=std, bgr_to_rgb=bgr_to_rgb, rgb_to_bgr=rgb_to_bgr, non_blocking=non_blocking)
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format

    def forward(self, data: dict, training: bool = False) -> dict:
        """Move a batch to the device and normalise it.

        Args:
            data: Batch with ``inputs`` (B, 3, H, W), or B tensors (3, H, W), usually uint8, and optional
                ``data_samples``.
            training: Unused argument of mmpose's interface.

        Returns:
            Batch with ``inputs`` (B, 3, H, W) float32, and ``data_samples``.

        Raises:
            ValueError: If crops have several sizes.
        """
        inputs, samples = data['inputs'], data.get('data_samples')
        if not isinstance(inputs, torch.Tensor):
            sizes = sorted({tuple(crop.shape) for crop in inputs})
            if len(sizes) != 1:
                raise ValueError(f'inputs: crops of one size expected, got {sizes}; PoseDataPreprocessor pads them')
            inputs = torch.stack(list(inputs))
        inputs = inputs.to(self.device, non_blocking=self._non_blocking)
        if self._channel_conversion:
            inputs = inputs.flip(1)
        inputs = inputs.to(torch.float32, memory_format=self.memory_format)
        if self._enable_normalize:
            inputs = (inputs - self.mean) / self.std
        if samples is not None:
            self._move_labels(samples)
            shape = tuple(inputs.shape[-2:])
            for sample in samples:
                sample.set_metainfo(dict(batch_input_shape=shape, pad_shape=shape))
        return dict(inputs=inputs, data_samples=samples)

    def _move_labels(self, samples: Sequence[PoseDataSample]) -> None:
        """Move labels to the device, with one copy per field for all samples."""
        labels = [sample.gt_instance_labels for sample in samples if 'gt_instance_labels' in sample]
        for name in labels[0].keys() if labels else ():
            values = [one[name] for one in labels]
            if all(isinstance(value, torch.Tensor) and value.shape == values[0].shape for value in values):
                values = torch.stack(values).to(self.device, non_blocking=self._non_blocking)
            else:
                values = [value.to(self.device) if isinstance(value, torch.Tensor) else value for value in values]
            for one, value in zip(labels, values, strict=True):
                one.set_field(value, name)
