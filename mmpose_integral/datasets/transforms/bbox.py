import numpy as np
from mmcv.transforms import BaseTransform
from mmpose.registry import TRANSFORMS


@TRANSFORMS.register_module()
class GetBBoxFromKeypoints(BaseTransform):
    """Set the person box to the extent of the visible joints.

    It serves MPII, and H80K with ``box_source='keypoints'`` as in the released code. MPII's annotated scale is that of
    a square, so that the fix of the aspect ratio would make people smaller. mmpose's ``GetBBoxCenterScale`` adds the
    padding.

    Required keys: ``keypoints`` (1, K, 2 | 3) image px, ``keypoints_visible`` (1, K[, 3]).
    Modified keys: ``bbox`` (1, 4) xyxy image px; ``bbox_center`` and ``bbox_scale`` are removed as outdated.

    Args:
        min_extent: Minimum of the longer side, px. If it is shorter, as with a single visible joint, the annotated box
            is kept.

    Raises:
        KeyError: If such a sample has no annotated box; the message names its image.
    """

    def __init__(self, min_extent: float = 8.0) -> None:
        self.min_extent = min_extent

    def transform(self, results: dict) -> dict:
        """Set the box of one sample; see the class."""
        visible = results['keypoints_visible'] > 0
        if visible.ndim == 3:
            visible = visible[..., :2].all(-1)
        points = results['keypoints'][..., :2][visible]
        if len(points) and np.ptp(points, axis=0).max() >= self.min_extent:
            results['bbox'] = np.concatenate([points.min(0), points.max(0)])[None].astype(np.float32)
        elif 'bbox' not in results:
            raise KeyError(f'{results.get("img_path")}: {len(points)} visible joints give no box, and there is no '
                           'annotated one')
        results.pop('bbox_center', None)
        results.pop('bbox_scale', None)
        return results
