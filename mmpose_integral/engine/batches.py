"""Batches that reach the GPU as one piece: stacked by the worker, copied as uint8, normalised there."""
import torch
from mmengine.dataset import pseudo_collate
from mmengine.registry import FUNCTIONS
from mmpose.models.data_preprocessors import PoseDataPreprocessor
from mmpose.registry import MODELS


@FUNCTIONS.register_module()
def stacked_collate(samples):
    """Batch with all crops in one tensor.

    mmengine's ``pseudo_collate`` leaves a list, of which each crop is handed over by the worker, pinned and copied by
    itself. Here this is done in the worker, once a batch.

    Args:
        samples (Sequence[dict]): ``inputs`` (3, H, W) uint8 and ``data_samples``, of one size.

    Returns:
        dict: ``inputs`` (B, 3, H, W) uint8, ``data_samples`` a list of B.
    """
    batch = pseudo_collate(samples)
    return dict(batch, inputs=torch.stack(list(batch['inputs'])))


@MODELS.register_module()
class BatchPosePreprocessor(PoseDataPreprocessor):
    """mmpose's preprocessor for crops of one size, with the same values, on the batch instead of crop by crop.

    Crops reach the device as uint8, in one copy, as do the labels of all samples; reversing the channels, the
    conversion to float32 and the normalisation follow there. mmpose's takes each crop alone, and indexes its channels
    by a list, for which a GPU is waited for. Samples are changed in place.

    Args:
        mean, std (Sequence[float], optional): of the channels, after they are reversed.
        bgr_to_rgb, rgb_to_bgr (bool): reverse the channels.
        non_blocking (bool): do not wait for copies from pinned memory.
        channels_last (bool): leave the batch in the order that :class:`ChannelsLastHook` gives the model.
    """

    def __init__(self, mean=None, std=None, bgr_to_rgb=False, rgb_to_bgr=False, non_blocking=True,
                 channels_last=False):
        super().__init__(mean=mean, std=std, bgr_to_rgb=bgr_to_rgb, rgb_to_bgr=rgb_to_bgr, non_blocking=non_blocking)
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format

    def forward(self, data, training=False):
        """Batch on the device, normalised.

        Args:
            data (dict): ``inputs`` (B, 3, H, W), or B tensors (3, H, W), mostly uint8; ``data_samples`` (optional).
            training (bool): part of the interface.

        Returns:
            dict: ``inputs`` (B, 3, H, W) float32, and ``data_samples``.

        Raises:
            ValueError: crops of several sizes.
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

    def _move_labels(self, samples):
        """Labels to the device, one copy a field for all samples."""
        labels = [sample.gt_instance_labels for sample in samples if 'gt_instance_labels' in sample]
        for name in labels[0].keys() if labels else ():
            values = [one[name] for one in labels]
            same = all(isinstance(value, torch.Tensor) and value.shape == values[0].shape for value in values)
            moved = torch.stack(values).to(self.device, non_blocking=self._non_blocking) if same else [
                value.to(self.device) if isinstance(value, torch.Tensor) else value for value in values]
            for one, value in zip(labels, moved, strict=True):
                one.set_field(value, name)
