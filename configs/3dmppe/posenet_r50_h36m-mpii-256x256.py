"""PoseNet of 3DMPPE, trained on Human3.6M + MPII, with our 18 joints.

CHALL_H80K is a part of Human3.6M. Figures on Val are meaningful only if its people are not among the training people
of the snapshot: subjects 1, 5, 6, 7, 8 and 9 in protocol 1; the same without 9 in protocol 2.
"""
_base_ = './posenet_r50_muco-coco-256x256.py'
