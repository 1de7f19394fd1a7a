from mmcv.transforms import BaseTransform, Compose
from mmengine.config import Config
from mmpose.registry import TRANSFORMS


@TRANSFORMS.register_module()
class MemberInputs(BaseTransform):
    """One sample, prepared once for each member of an :class:`EnsembleEstimator`.

    The image is read once; each member's own evaluation pipeline crops and packs it.

    Required keys: ``img`` and what the members' pipelines need.
    Result: ``inputs`` (list of tensors) and ``data_samples`` (list), one a member.

    Args:
        configs (list[str]): config files of the members, in the ensemble's order.

    Raises:
        FileNotFoundError: a config is not there.
        ValueError: no configs, or one without ``val_dataloader.dataset.pipeline``.
    """

    def __init__(self, configs):
        if not configs:
            raise ValueError('configs: at least one config file expected, got none')
        self.pipelines = []
        for path in configs:
            dataset = (Config.fromfile(path).get('val_dataloader') or {}).get('dataset', {})
            if not dataset.get('pipeline'):
                raise ValueError(f'{path}: no val_dataloader.dataset.pipeline to prepare its inputs with')
            self.pipelines.append(Compose(dataset['pipeline']))

    def transform(self, results):
        """Prepare; see the class. A pipeline replaces values of its dict and changes none in place."""
        packed = [pipeline(dict(results)) for pipeline in self.pipelines]
        return {key: [one[key] for one in packed] for key in ('inputs', 'data_samples')}
