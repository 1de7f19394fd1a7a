from mmdet.apis import DetInferencer
from mmengine.dataset import pseudo_collate

from mmpose_integral.engine.weights import check_weights


class BoxInferencer(DetInferencer):
    """MMDetection's inferencer, with an error instead of a warning for the weights of another model.

    It has no visualizer and always uses ``pseudo_collate``, which avoids two further warnings.
    """

    def _load_weights_to_model(self, model, checkpoint, cfg):
        if checkpoint is not None:
            check_weights(model, checkpoint)
        super()._load_weights_to_model(model, checkpoint, cfg)

    def _init_collate(self, cfg):
        return pseudo_collate

    def _init_visualizer(self, cfg):
        return None
