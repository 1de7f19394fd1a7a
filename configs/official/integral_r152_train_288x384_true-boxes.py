"""The released model, evaluated as by its authors: with boxes around the true joints, which are unknown in practice.

The joints are projected into the image by a plain similarity, fitted to the coarse 2D joints
(`import_official_caches.py` imports the authors' own).
"""
_base_ = './integral_r152_train_288x384.py'

test_pipeline = [
    {{_base_.load_image}},
    dict(type='FitWeakPerspective', rotation=True, robust=False),
    dict(type='GetBBoxFromKeypoints'),
    {{_base_.detected_box}}, {{_base_.crop}}, {{_base_.pack_inputs}}]
test_dataloader = dict(dataset=dict(box_source='keypoints', pipeline=test_pipeline))
