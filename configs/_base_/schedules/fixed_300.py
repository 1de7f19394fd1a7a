"""Old name of ``fixed_186.py``; it will be removed after the next release."""
_base_ = ['fixed_186.py']
