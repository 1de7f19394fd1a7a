from mmdet.apis import DetInferencer
from mmengine.dataset import pseudo_collate


class BoxInferencer(DetInferencer):
    """MMDetection's inferencer, without what only warns here: pictures of boxes, a look-up of the usual collate_fn."""

    def _init_collate(self, cfg):
        return pseudo_collate

    def _init_visualizer(self, cfg):
        return None
