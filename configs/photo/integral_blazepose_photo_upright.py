"""Evaluation of `photo` on rendered photographs, in crops that are turned by the true angle of the trunk.

Its predictions calibrate the standard deviations, because the inferencer also turns the crops.
"""
_base_ = './integral_blazepose_photo.py'

test_dataloader = {{_base_.val_dataloader}}
