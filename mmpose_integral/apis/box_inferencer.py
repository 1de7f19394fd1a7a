from mmdet.apis import DetInferencer
from mmengine.dataset import pseudo_collate

from mmpose_integral.engine.weights import check_weights


class BoxInferencer(DetInferencer):
    """MMDetection's inferencer, which refuses weights of another model instead of printing a warning.

    It leaves out what only warns here: pictures of boxes, and a look-up of the usual collate_fn.
    """

    def _load_weights_to_model(self, model, checkpoint, cfg):
        if checkpoint is not None:
            check_weights(model, checkpoint)
        super()._load_weights_to_model(model, checkpoint, cfg)

    def _init_collate(self, cfg):
        return pseudo_collate

    def _init_visualizer(self, cfg):
        return None
