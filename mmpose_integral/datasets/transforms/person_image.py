import functools
import logging

from mmengine.logging import print_log
from mmpose.datasets.transforms import LoadImage
from mmpose.registry import TRANSFORMS

from mmpose_integral.datasets.crop_cache import open_cache
from mmpose_integral.datasets.memory import keep_freed_memory

# Set by LoadPersonImage in place of ``img``, used up by TopdownAffine3D: gives the pixels of a part of the image.
PENDING_IMAGE = 'pending_image'


@TRANSFORMS.register_module()
class LoadPersonImage(LoadImage):
    """Load an image for training, or only the part of it that the crop will show.

    Without a cache this is mmpose's ``LoadImage``, in a process that keeps the memory of its images. With one, the
    pixels wait for ``TopdownAffine3D``, which knows the box after augmentation, and come from the cache where it holds
    them all, else from the image. Steps between the two see no ``img``, and all coordinates stay those of the full
    image.

    Required key: ``img_path``. Added keys: ``img_shape``, ``ori_shape`` of the full image, and ``img`` or
    ``pending_image``.

    Args:
        crop_cache (str): folder that tools/dataset_converters/build_crop_cache.py wrote to; 'none' reads the images.
        color_type (str): as of ``LoadImage``.
        **kwargs: of ``LoadImage``.

    Raises:
        FileNotFoundError: the folder has no crops.
        ValueError: a file in it is damaged.
    """

    def __init__(self, crop_cache='none', color_type='color_ignore_orientation', **kwargs):
        super().__init__(color_type=color_type, **kwargs)
        self.crop_cache = None if crop_cache in ('none', '', None) else str(crop_cache)
        if self.crop_cache:
            if color_type != 'color_ignore_orientation':
                raise ValueError(f'color_type: crops are cut with color_ignore_orientation, got {color_type!r}')
            open_cache(self.crop_cache)  # before workers are forked, which then share its index
        self._told = False

    def transform(self, results):
        """Load, or note what to load; see the class."""
        keep_freed_memory()
        if self.crop_cache and 'img' not in results:
            cache = open_cache(self.crop_cache)
            found = cache.find(results['img_path'])
            if found is not None:
                width, height = cache.img_size(found)
                results['img_shape'] = results['ori_shape'] = (height, width)
                results[PENDING_IMAGE] = functools.partial(self.window, cache, found, results['img_path'])
                return results
        return super().transform(results)

    def window(self, cache, found, img_path, box, corners):
        """Pixels of a part of the image.

        Args:
            cache (CropCache): the cache.
            found (tuple[int]): the image in it.
            img_path (str): the image.
            box (tuple[int]): x0, y0, x1, y1, px, inside the image.
            corners (np.ndarray | None): (4, 2) x, y of what is wanted in the box, in order around it; None: all of it.

        Returns:
            tuple[np.ndarray, tuple[int]]: (h, w, 3) uint8 BGR with at least that in it, and x, y of its first pixel.
        """
        pixels = cache.window(found, img_path, box, corners)
        if pixels is not None:
            return pixels
        if not self._told:
            self._told = True
            print_log(f'crop_cache: a box of {img_path} reaches beyond its crop, so the whole image is decoded (said '
                      'once). If boxes, input size or augmentation are not those that the cache was made for, '
                      'tools/dataset_converters/build_crop_cache.py --fresh makes it faster again.',
                      logger='current', level=logging.WARNING)
        return super().transform(dict(img_path=img_path))['img'], (0, 0)
