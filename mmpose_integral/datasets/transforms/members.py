from mmcv.transforms import BaseTransform, Compose
from mmengine.config import Config
from mmpose.registry import TRANSFORMS


@TRANSFORMS.register_module()
class MemberInputs(BaseTransform):
    """Prepare one sample once for each member of an :class:`EnsembleEstimator`.

    The image is read once. The evaluation pipeline of each member crops and packs it.

    Required keys: ``img`` and those that the members' pipelines need.
    Result: ``inputs`` (list of tensors) and ``data_samples`` (list), one per member.

    Args:
        configs: Config files of the members, in the order of the ensemble.

    Raises:
        FileNotFoundError: If a config does not exist.
        ValueError: If there are no configs, or one has no ``val_dataloader.dataset.pipeline``.
    """

    def __init__(self, configs: list[str]) -> None:
        if not configs:
            raise ValueError('configs: at least one config file expected, got none')
        self.pipelines = []
        for path in configs:
            dataset = (Config.fromfile(path).get('val_dataloader') or {}).get('dataset', {})
            if not dataset.get('pipeline'):
                raise ValueError(f'{path}: no val_dataloader.dataset.pipeline to prepare its inputs with')
            self.pipelines.append(Compose(dataset['pipeline']))

    def transform(self, results: dict) -> dict:
        """Prepare one sample; see the class. Pipelines replace the values in their dict; none is changed in place."""
        packed = [pipeline(dict(results)) for pipeline in self.pipelines]
        return {key: [one[key] for one in packed] for key in ('inputs', 'data_samples')}
